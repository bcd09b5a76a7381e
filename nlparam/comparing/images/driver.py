"""`nlparam.compare_images`: what one set of images shows more often than another (VisDiff, arXiv 2312.02974)."""

import contextlib
import dataclasses
import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nlparam.comparing.driver import compare
from nlparam.comparing.images import (
    Captioner,
    ImageFolder,
    ImageRanker,
    captioned,
    distinct_captions,
    holds_images,
    read_captions,
    read_images,
    thumbnail,
)
from nlparam.comparing.images.files import MAX_SIDE
from nlparam.comparing.result import Comparison
from nlparam.comparing.setup import CompareArguments
from nlparam.denotation.judge import LabelJudge
from nlparam.denotation.session import Asking, Session, accepts, check_names
from nlparam.errors import CorpusError, check_one_of
from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.language.propose.groups import ContrastGroups
from nlparam.language.ranker import AbstractRanker, EmbeddingRanker
from nlparam.lm.base import Image, NoImagesError, RequestError, reads_no_images
from nlparam.lm.engine import Engine

DEFAULT_IMAGE_GOAL = "what is visible in the image"
JUDGED = ("auto", "images", "captions")
# Beside the files of the comparison: which images stand behind a text.
IMAGES = "images.json"
_MOST_PICTURES = 400  # about ten kilobytes each


@accepts(CompareArguments, compare)
def compare_images(
    folders: Mapping[str, str | Path] | Sequence[str | Path],
    *,
    goal: str = DEFAULT_IMAGE_GOAL,
    captions: Mapping[str, str | Path] | None = None,
    judged: str = "auto",
    ranker: str | Path | AbstractRanker | None = None,
    max_side: int = MAX_SIDE,
    detail: str = "auto",
    out: str | Path | None = None,
    overwrite: bool = False,
    **arguments: Any,
) -> Comparison:
    """Finds what holds more often for the images of one folder than for those of another, and tests it.

    Every image gets a caption: the one that lies beside it, else one that the language model writes, once for each
    distinct image. The captions stand for the images: predicates are proposed from them, and examples are shown by
    them. Judged are the images themselves if the language model sees them, else the captions.

    **Arguments:**

    - `folders`: two or more, by name; without names they are called as they are. See
      `nlparam.comparing.images.read_images`.
    - `captions`: tables of captions by the name of their folder; see `nlparam.comparing.images.read_captions` for
      what is read without one.
    - `judged`: `"images"`, `"captions"`, or `"auto"`, the images if the language model sees them.
    - `ranker`: a sentence-transformers model of images and texts in one space (`"clip-ViT-B-32"`, a folder), which
      scores images by predicates; a model of texts scores the captions; or an `AbstractRanker`. AUROC and Welch's test
      are of its scores.
    - `max_side`, `detail`: the most pixels of the longer side of what the language model is shown, and how closely it
      is to look ("low", "high", "auto").
    - all others as for `nlparam.compare`. The folder `out` also gets `images.json`: the files behind each caption.

    **Raises:** what `nlparam.compare` does, `CorpusError` for a folder without readable images or one most images of
    which have no caption, `EmbedderError` for a ranker that cannot be loaded. Images that cannot be read or stay
    without a caption are left out, with a warning that names them.
    """
    check_one_of(JUDGED, judged=judged)
    check_names(compare_images, arguments)
    named = named_folders(folders)
    strange = sorted(set(captions or {}) - set(named))
    if strange:
        raise ValueError(f"got captions of {', '.join(strange)}, expected some of {', '.join(named)}")
    asked: Any = {name: arguments.pop(name) for name in Asking.__annotations__ if name in arguments}
    session = Session(**asked)
    read = {
        name: read_images(path, max_side=max_side, detail=detail, progress=session.progress)
        for name, path in named.items()
    }
    with session:
        embedder = SentenceTransformerEmbedder(ranker) if isinstance(ranker, str | Path) else None
        scores_images = embedder is not None and embedder.sees  # loaded now: it may fail, and captions cost something
        with session.engine, session.costs.stage("captions"):  # that of the comparison is another
            described = _describe(read, captions or {}, session.engine, judged)
        pictures = described.pictures
        scorer = ranker if isinstance(ranker, AbstractRanker) else None
        if embedder is not None:
            in_one_space = ImageRanker(embedder, session.store, pictures, session.costs, session.progress)
            scorer = in_one_space if scores_images else EmbeddingRanker(embedder, store=session.store)
        if described.judged == "images":
            arguments["judge"] = lambda engine: LabelJudge(
                engine, session.store, session.costs, progress=session.progress, images=pictures
            )
        contrasts = arguments.get("proposer") == "contrast" or session.policy.strong
        if contrasts and arguments.get("proposer") in (None, "contrast") and arguments.get("predicates") is None:
            arguments["proposer"] = functools.partial(ContrastGroups, captions=True)
        comparison = compare(
            described.texts,
            goal=goal,
            ranker=scorer,
            out=out,
            overwrite=overwrite,
            costs=session.costs,
            notes=described.notes,
            made_from={
                "images": {"max_side": max_side, "detail": detail},
                "captions": described.written_by,
                "judged": described.judged,
            },
            **asked | {"lm": session.lm, "store": session.store, "progress": session.progress},
            **arguments,
        )
    comparison = dataclasses.replace(comparison, pictures=_quoted(comparison, pictures))
    if out is not None:
        comparison.save(out, overwrite=True)  # the folder was checked, and is this comparison's by now
        comparison.report(Path(out) / "report.html")
        content = json.dumps(described.files, indent=1, ensure_ascii=False)
        (Path(out) / IMAGES).write_text(content + "\n", encoding="utf-8")
    return comparison


def _quoted(comparison: Comparison, pictures: Mapping[str, Image]) -> dict[str, str]:
    """Small pictures of the images that stand as examples, the first of each finding first, up to a few megabytes."""
    texts = dict.fromkeys(example.text for finding in comparison.tested for example in finding.examples)
    small = {}
    for text in itertools.islice(texts, _MOST_PICTURES):
        # A file that is gone by now is no reason to lose a comparison that has been paid for.
        with contextlib.suppress(RequestError):
            small[text] = thumbnail(pictures[text])
    return small


@dataclasses.dataclass(frozen=True)
class _Described:
    """Texts that stand for images.

    `texts` by folder, one for each image; `pictures`, the image of each text; `files`, where it lies; `written_by`,
    which prompt wrote captions, `None` if all were given; `judged`, images or captions.
    """

    texts: dict[str, list[str]]
    pictures: dict[str, Image]
    files: dict[str, list[str]]
    written_by: str | None
    judged: str
    notes: list[str]


def _describe(
    read: dict[str, ImageFolder], tables: Mapping[str, str | Path], engine: Engine, judged: str
) -> _Described:
    found = {name: read_captions(folder, tables.get(name)) for name, folder in read.items()}
    missing = [read[name].images[number] for name, captions in found.items() for number in captions.missing]
    captioner = Captioner(engine)
    first = (missing or next(iter(read.values())).images)[0]
    sees = bool(missing or judged != "captions") and _sees(captioner, first)
    if judged == "images" and not sees:
        raise reads_no_images(engine.lm.where)
    notes = [note for folder in read.values() for note in folder.warnings]
    images: list[Image] = []
    captions: list[str] = []
    kept: dict[str, ImageFolder] = {}
    for name, folder in read.items():
        kept[name], texts = captioned(folder, found[name], captioner if sees else None)
        images += kept[name].images
        captions += texts
        notes += found[name].warnings
    texts = iter(distinct_captions(images, captions))
    of_folder = {name: [next(texts) for _ in folder.images] for name, folder in kept.items()}
    pictures, files = {}, {}
    for name, folder in kept.items():
        for text, image, file in zip(of_folder[name], folder.images, folder.names, strict=True):
            pictures[text] = image
            files.setdefault(text, []).append(f"{name}/{file}")
    written_by = captioner.identity if sees and missing else None
    return _Described(
        of_folder, pictures, files, written_by, "images" if sees and judged != "captions" else "captions", notes
    )


def _sees(captioner: Captioner, image: Image) -> bool:
    """Whether the language model takes images; a server tells only when it is sent one. The caption is stored."""
    if not captioner.engine.lm.takes_images:
        return False
    try:
        captioner.caption([image])
    except NoImagesError:
        return False
    return True


def named_folders(folders: Mapping[str, str | Path] | Sequence[str | Path]) -> dict[str, Path]:
    """Folders by name: the given one, else their own, with as much of the path as tells them apart.

    Raises `CorpusError` for fewer than two, for one that is named twice, and for one without images.
    """
    if isinstance(folders, Mapping):
        named = {name: Path(path).expanduser() for name, path in folders.items()}
    else:
        paths = [Path(path).expanduser() for path in folders]
        ways = (lambda path: path.name, lambda path: "/".join(path.parts[-2:]), str)
        names = next(
            ([w(path) for path in paths] for w in ways if len({w(path) for path in paths}) == len(paths)), None
        )
        if names is None:
            raise CorpusError(f"got a folder twice: {', '.join(map(str, paths))}; expected different ones")
        named = dict(zip(names, paths, strict=True))
    if len(named) < 2:
        raise CorpusError(f"got {len(named)} folders of images, expected at least two to compare")
    without = [str(path) for path in named.values() if path.exists() and not holds_images(path)]
    if without and len(without) < len(named):
        others = [str(path) for path in named.values() if str(path) not in without]
        raise CorpusError(
            f"{', '.join(others)} holds images and {', '.join(without)} holds none: images are compared with images; "
            "to compare them with texts, give captions instead of the images"
        )
    return named
