"""Captions of images: those that lie beside them, and those that a vision-language model writes."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from nlparam.comparing.images.files import ImageFolder, listing
from nlparam.corpus.readers import decode_files, field_names, read_texts
from nlparam.errors import CorpusError, LanguageModelError
from nlparam.language.asking import ask_all
from nlparam.language.prompting import load_prompt, one_line
from nlparam.lm.base import Image, Request
from nlparam.lm.engine import Engine
from nlparam.runtime.words import counted

# Files of captions for a whole folder, as people and the `datasets` library name them.
TABLES = ("captions.jsonl", "captions.csv", "metadata.jsonl", "metadata.csv")
_NAME_FIELDS = ("file_name", "file", "image", "name", "path")
_CAPTION_FIELDS = ("caption", "text")
# With fewer captions than this the images that have one are no picture of the folder.
LEAST_SHARE = 0.5

_REFUSAL = re.compile(r"(?:i'm sorry|i am sorry|i apologi[sz]e|i can(?:no|')t|i am unable|as an ai)\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Captions:
    """Captions of the images of a folder, `None` where there is none, and what a user should know of them."""

    texts: tuple[str | None, ...]
    warnings: list[str]

    @property
    def missing(self) -> list[int]:
        """The images without a caption."""
        return [number for number, text in enumerate(self.texts) if text is None]


def read_captions(folder: ImageFolder, table: str | Path | None = None) -> Captions:
    """The captions that lie beside images: `cat.txt` or `cat.jpg.txt` beside `cat.jpg`, else a row of a table.

    **Arguments:** `table`, a file (.jsonl, .json, .csv, .tsv or .parquet) whose field `file_name`, `file`, `image`,
    `name` or `path` names an image relative to the folder, and whose field `caption` or `text` describes it; by default
    `captions.jsonl`, `captions.csv`, `metadata.jsonl` or `metadata.csv` in the folder, if one is there.

    Raises `CorpusError` if a file cannot be read, or the table has no such fields.
    """
    if table is None:
        table = next((folder.path / name for name in TABLES if (folder.path / name).is_file()), None)
    found, warnings = ({}, []) if table is None else _from_table(folder, Path(table).expanduser())
    beside: dict[str, Path] = {}
    used: set[Path] = set()
    for name in folder.names:
        image = folder.path / name
        for sidecar in (image.with_suffix(".txt"), image.with_name(image.name + ".txt")):
            if sidecar.is_file():
                beside[name] = sidecar
                used.add(sidecar)
    found |= zip(beside, decode_files(list(beside.values()), warnings), strict=True)
    # A file of text that belongs to no image may be a text of the corpus: then two kinds of things are mixed.
    skipped = {(folder.path / name).with_suffix(".txt") for name in folder.skipped}
    others = [
        file.relative_to(folder.path).as_posix()
        for file in sorted(folder.path.rglob("*"))
        if file.suffix.lower() in (".txt", ".md") and file not in used | skipped and not file.name.startswith(".")
    ]
    if others:
        warnings.append(
            f"{folder.path} holds {counted(len(others), 'file')} of text without an image, left out: {listing(others)}"
        )
    captions = [" ".join(found.get(name, "").split()) or None for name in folder.names]
    return Captions(tuple(captions), warnings)


def _from_table(folder: ImageFolder, table: Path) -> tuple[dict[str, str], list[str]]:
    fields = field_names(table)
    name_field = next((field for field in _NAME_FIELDS if field in fields), None)
    caption_field = next((field for field in _CAPTION_FIELDS if field in fields), None)
    if name_field is None or caption_field is None:
        raise CorpusError(
            f"{table} has the fields {', '.join(map(repr, fields)) or 'none'}, expected one of "
            f"{', '.join(_NAME_FIELDS)} for the image and one of {', '.join(_CAPTION_FIELDS)} for its caption"
        )
    rows = read_texts(table, text_field=name_field, fields=(caption_field,))
    found: dict[str, str] = {}
    known, strange, twice = set(folder.names), [], []
    for name, caption in zip(rows.texts, rows.columns[caption_field], strict=True):
        name = name.replace("\\", "/").removeprefix("./")
        if name not in known and name not in folder.skipped:
            strange.append(name)
        elif isinstance(caption, str) and caption.strip():
            twice += [name] if name in found else []
            found.setdefault(name, caption)
    warnings = list(rows.warnings)
    if strange:
        warnings.append(f"{table} describes {len(strange)} images that are not in the folder: {listing(strange)}")
    if twice:
        warnings.append(f"{table} describes {len(twice)} images again, and the first caption counts: {listing(twice)}")
    return found, warnings


class Captioner:
    """Has a vision-language model describe images, each distinct one once; the answers are stored.

    **Arguments:** `n_tokens`, how long a caption can get.
    """

    def __init__(self, engine: Engine, *, n_tokens: int = 96):
        if n_tokens < 1:
            raise ValueError(f"got n_tokens={n_tokens}, expected at least 1")
        self.engine, self.n_tokens = engine, n_tokens
        self.prompt = load_prompt("caption")

    @property
    def identity(self) -> str:
        return f"{self.prompt.version}-t{self.n_tokens}"

    def caption(self, images: Sequence[Image]) -> list[str | None]:
        """The caption of each image on one line; `None` where the model gave none, or refused (a failure each).

        Raises `LanguageModelError` and `StoreError` as `Engine.complete_stored` does (`NoImagesError` by the first
        image if the model reads text only), and if the budget ends before all images are described.
        """
        requests = [
            Request(self.prompt.fill(images=(image,)), max_tokens=self.n_tokens, group=image.digest) for image in images
        ]
        captions = ask_all(self.engine, requests, _caption, what="describing images")
        if None in captions and (spent := self.engine.meter.spent) is not None:
            raise LanguageModelError(
                f"the budget is spent ({spent}) before all of {len(images)} images were described: allow more; what "
                "was described is kept"
            )
        self.engine.costs.failures += captions.count("")  # the engine has counted those without an answer
        return [caption or None for caption in captions]


def _caption(answer: str) -> str:
    """The caption on one line; nothing for a refusal."""
    text = one_line(answer)
    return "" if _REFUSAL.match(text) else text


def captioned(folder: ImageFolder, captions: Captions, captioner: Captioner | None) -> tuple[ImageFolder, list[str]]:
    """The images with their captions: what is missing is written by the captioner, and what stays without is left out.

    **Returns:** the images that have a caption, and the captions.

    Raises `CorpusError` if less than half of the images have one. Warnings are added to `captions`.
    """
    texts = list(captions.texts)
    missing = captions.missing
    if missing and captioner is not None:
        for number, text in zip(missing, captioner.caption([folder.images[n] for n in missing]), strict=True):
            texts[number] = text
    without = [folder.names[number] for number, text in enumerate(texts) if text is None]
    if not without:
        return folder, [text for text in texts if text is not None]
    by_whom = "the language model did not describe" if captioner is not None else "there is no caption of"
    said = f"{folder.path}: {by_whom} {len(without)} of {len(folder)} images: {listing(without)}"
    if len(without) > (1 - LEAST_SHARE) * len(folder):
        raise CorpusError(
            f"{said}; give captions (NAME.txt beside each image, or {TABLES[0]} with the fields file_name and caption)"
            ", or a server with a vision-language model (--lm URL), which writes them"
        )
    captions.warnings.append(f"{said}; the comparison goes on without these")
    kept = [number for number, text in enumerate(texts) if text is not None]
    rest = dataclasses.replace(
        folder,
        names=tuple(folder.names[number] for number in kept),
        images=tuple(folder.images[number] for number in kept),
    )
    return rest, [text for text in texts if text is not None]


def distinct_captions(images: Sequence[Image], captions: Sequence[str]) -> list[str]:
    """A text for each image, the same for equal images and different ones for different images.

    That is its caption, but for images whose caption another one has: theirs are numbered. So a text stands for an
    image wherever texts are counted, compared and judged.
    """
    owners: dict[str, str] = {}
    texts: dict[str, str] = {}
    counts: dict[str, int] = {}
    for image, caption in zip(images, captions, strict=True):
        if image.key in texts:
            continue
        text = caption
        while owners.setdefault(text, image.key) != image.key:
            counts[caption] = counts.get(caption, 1) + 1
            text = f"{caption} (image {counts[caption]})"
        texts[image.key] = text
    return [texts[image.key] for image in images]
