"""Images from a folder: found, checked, and made into what a language model is sent."""

import base64
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import importlib.util
import io
import os
import warnings as python_warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nlparam.errors import CorpusError, MissingExtraError, check_one_of
from nlparam.lm.base import Image, RequestError
from nlparam.runtime.progress import Progress

if TYPE_CHECKING:
    from PIL import Image as Pillow

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
MAX_SIDE = 512  # pixels of the longer side that a model is shown, unless another number is asked for
MAX_PIXELS = 89_478_485  # Pillow's own limit, beyond which it warns of a decompression bomb
MAX_BYTES = 128 * 2**20
DETAILS = ("auto", "low", "high")

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")  # Pillow has decoders for many more, which no file is to reach
_LEAST_SIDE = 32  # vision-language models refuse images that are smaller than one of their patches
_QUALITY = 90
_MADE = f"nlparam-jpeg{_QUALITY}-1"  # to be changed with anything that changes the bytes
_MOST_LISTED = 8
_KEPT = 128  # images kept ready to be sent: questions about one come one after another


@dataclasses.dataclass(frozen=True)
class ImageFolder:
    """The images of a folder that can be read, in the order of their names.

    **Attributes:** `path`; `names`, relative to it, with `/`; `images`, what a language model is sent, two with equal
    content being equal; `skipped`, for each file that is no readable image the reason, by name.
    """

    path: Path
    names: tuple[str, ...]
    images: tuple[Image, ...]
    skipped: dict[str, str]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def warnings(self) -> list[str]:
        """What a user should know of the files that were left out."""
        if not self.skipped:
            return []
        named = listing([f"{name} ({reason})" for name, reason in self.skipped.items()])
        return [f"{self.path}: {len(self.skipped)} of {len(self.skipped) + len(self)} images are left out: {named}"]


def holds_images(path: str | Path) -> bool:
    """Whether something is a folder with at least one file whose name ends as those of images do."""
    path = Path(path).expanduser()
    return path.is_dir() and next(_files(path), None) is not None


def read_images(
    folder: str | Path, *, max_side: int = MAX_SIDE, detail: str = "auto", progress: Progress | None = None
) -> ImageFolder:
    """Reads the images of a folder and of the folders below it: PNG, JPEG, WebP, and the first frame of a GIF.

    Each is decoded once here, so that what cannot be read is known before anything is paid for: files that are empty,
    damaged or no image, of more than `MAX_PIXELS` pixels or `MAX_BYTES` bytes. They are left out, by name.

    **Arguments:** `max_side`, the most pixels that the longer side has when a model is shown the image; `detail`, how
    closely a server is to look ("low", "high", "auto").

    Images are sent as JPEG without metadata (no place, no camera), upright, and on white where they are transparent.

    Raises `CorpusError` if no image is left, `MissingExtraError` without Pillow.
    """
    if importlib.util.find_spec("PIL") is None:
        raise MissingExtraError("pillow", "images", "reading images")
    if max_side < _LEAST_SIDE:
        raise ValueError(f"got max_side={max_side}, expected at least {_LEAST_SIDE} pixels")
    check_one_of(DETAILS, detail=detail)
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise CorpusError(f"there is no folder {folder} (the current folder is {Path.cwd()})")
    files = sorted(_files(folder))
    names = [file.relative_to(folder).as_posix() for file in files]
    progress = Progress() if progress is None else progress
    check = functools.partial(_check, max_side=max_side)
    with (
        progress.task(f"reading images of {folder.name}", len(files), unit="images") as task,
        python_warnings.catch_warnings(),
        concurrent.futures.ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
    ):
        # The size is looked at here; Pillow's warning of a large image would only say so again.
        python_warnings.simplefilter("ignore")
        checked = []
        for found in pool.map(check, files):
            checked.append(found)
            task.advance()
    skipped = {name: found.reason for name, found in zip(names, checked, strict=True) if found.reason}
    kept = [(name, file, found) for name, file, found in zip(names, files, checked, strict=True) if not found.reason]
    if not kept:
        why = f": {listing([f'{name} ({reason})' for name, reason in skipped.items()])}" if skipped else ""
        raise CorpusError(
            f"the folder {folder} holds no readable image{why}; expected files that end in {' '.join(SUFFIXES)}"
        )
    images = tuple(
        Image(_address(found.digest, max_side), functools.partial(_made, file, found.digest, max_side), detail=detail)
        for _, file, found in kept
    )
    return ImageFolder(folder, tuple(name for name, _, _ in kept), images, skipped)


def listing(items: Sequence[str]) -> str:
    """The first few of a list in words, and how many more there are."""
    more = f", and {len(items) - _MOST_LISTED} more" if len(items) > _MOST_LISTED else ""
    return ", ".join(items[:_MOST_LISTED]) + more


def thumbnail(image: Image, *, side: int = 224) -> str:
    """A small picture as a data URL, for a report. Raises `RequestError` if the file is not what it was."""
    small = base64.b64encode(_jpeg(image.read(), side)).decode()
    return f"data:image/jpeg;base64,{small}"


class _Checked(NamedTuple):
    digest: str = ""
    reason: str = ""


@functools.lru_cache(maxsize=_KEPT)
def _made(path: Path, digest: str, max_side: int) -> bytes:
    """The bytes of an image, when they are sent."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read the image {path} any more: {error.strerror or error}") from error
    if hashlib.sha256(data).hexdigest() != digest:
        # An answer about the new content must not be stored under the address of the old.
        raise RequestError(f"the image {path} has changed since it was first read: run the same command again")
    return _jpeg(data, max_side)


def _address(digest: str, max_side: int) -> str:
    return hashlib.sha256(f"{digest} {_MADE} {max_side}".encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() in SUFFIXES and not hidden and file.is_file():
            yield file


def _check(path: Path, *, max_side: int) -> _Checked:
    try:
        size = path.stat().st_size
        if not size:
            return _Checked(reason="empty")
        if size > MAX_BYTES:
            return _Checked(reason=f"huge: {size / 2**20:,.0f} MiB, at most {MAX_BYTES // 2**20} are read")
        data = path.read_bytes()
    except OSError as error:
        return _Checked(reason=f"cannot be read: {error.strerror or error}")
    try:
        _jpeg(data, max_side)
    except _HugeError as error:
        return _Checked(reason=str(error))
    except Exception as error:  # the decoders raise whatever went wrong inside them
        said = str(error).replace(str(path), "").partition("<_io")[0].strip()
        return _Checked(reason=f"no readable image: {said or type(error).__name__}"[:120])
    return _Checked(digest=hashlib.sha256(data).hexdigest())


class _HugeError(Exception):
    pass


def _jpeg(data: bytes, max_side: int) -> bytes:
    """The image upright, scaled down, on white, as JPEG without metadata."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        with Pillow.open(io.BytesIO(data), formats=_FORMATS) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise _HugeError(f"huge: {width:,} x {height:,} pixels, at most {MAX_PIXELS:,} are read")
            if opened.format != "JPEG":
                image = _in_colour(opened)
                image.thumbnail((max_side, max_side))
            else:  # scaled while it is decoded, several times as fast
                opened.thumbnail((max_side, max_side))
                image = _in_colour(opened)
    except Pillow.DecompressionBombError as error:
        raise _HugeError(f"huge: {error}") from error
    with contextlib.suppress(Exception):  # damaged metadata do not make the picture unreadable
        image = ImageOps.exif_transpose(image)
    canvas = Pillow.new("RGB", (max(image.width, _LEAST_SIDE), max(image.height, _LEAST_SIDE)), "white")
    place = ((canvas.width - image.width) // 2, (canvas.height - image.height) // 2)
    canvas.paste(image, place, image if image.mode == "RGBA" else None)
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()


def _in_colour(image: "Pillow.Image") -> "Pillow.Image":
    """In RGB, or RGBA where something is transparent; always another object than the file that was opened."""
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")
