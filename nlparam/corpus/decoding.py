"""From the bytes of a file to its characters: compressed or not, in the encodings that people have."""

import codecs
import contextlib
import dataclasses
import gzip
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from nlparam.errors import CorpusError

_BLOCK = 2**20  # bytes that are looked at together
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Windows-1252 is what spreadsheets and old programs write in western Europe and America; Latin-1 is contained in it.
_WINDOWS = "cp1252"


@dataclasses.dataclass(frozen=True)
class Source:
    """A file to read, or one `member` of a zip archive; `encoding` is given, or found out by `decoded`."""

    path: Path
    encoding: str | None = None
    member: str | None = None

    @property
    def ending(self) -> str:
        """The ending of the name that says the format: that of `a.csv.gz` is `.csv`."""
        name = Path(self.member or self.path.name)
        return Path(name.stem if name.suffix.lower() == ".gz" else name.name).suffix.lower()

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The bytes as they were before they were compressed. Raises `CorpusError` if they cannot be read."""
        try:
            with contextlib.ExitStack() as stack:
                if self.member is not None:
                    file = stack.enter_context(stack.enter_context(zipfile.ZipFile(self.path)).open(self.member))
                else:
                    file = stack.enter_context(self.path.open("rb"))
                    if file.read(2) == b"\x1f\x8b":
                        file = stack.enter_context(gzip.open(self.path))
                    else:
                        file.seek(0)
                yield file  # pyright: ignore[reportReturnType]
        except (OSError, EOFError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise CorpusError(f"cannot read {self.path}: {getattr(error, 'strerror', None) or error}") from error

    def begins(self, n_bytes: int = 4096) -> bytes:
        """The first bytes."""
        with self.opened() as file:
            return file.read(n_bytes)

    def decoded(self, warnings: list[str]) -> "Source":
        """The same source with an encoding; a warning says if it is not that of Unicode."""
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise CorpusError(
                    f"got the encoding {self.encoding!r}, expected one that Python knows, such as cp1250 or shift_jis"
                ) from None
            return self
        begin = self.begins()
        found = next((name for mark, name in _MARKS.items() if begin.startswith(mark)), None) or _without_mark(begin)
        if found in (None, "utf-8-sig"):
            guessed, n_bad = self._unicode_or_windows()
            if found is None and guessed == _WINDOWS:
                warnings.append(
                    f"{self.path} is not UTF-8, and was read as Windows-1252: if letters are wrong, say --encoding NAME"
                )
            elif n_bad:
                warnings.append(
                    f"{self.path} is not UTF-8 throughout: undecodable characters ({n_bad}) were replaced by \ufffd"
                )
            found = found or guessed
        return dataclasses.replace(self, encoding=found)

    def _unicode_or_windows(self) -> tuple[str, int]:
        """UTF-8, unless fewer of its bytes above ASCII are valid than not; and how many characters are not valid."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        n_bad = n_good = 0
        with self.opened() as file:
            while block := file.read(_BLOCK):
                if block.isascii() and not decoder.getstate()[0]:
                    continue
                text = decoder.decode(block)
                bad = text.count("\ufffd") - block.count("\ufffd".encode())
                n_bad += bad
                n_good += len(text) - len(text.encode("ascii", "ignore")) - bad
        tail = decoder.decode(b"", True)
        n_bad += len(tail)
        return (_WINDOWS if n_bad > n_good else "utf-8"), n_bad

    @contextlib.contextmanager
    def characters(self, warnings: list[str], *, newline: str = "\n") -> Iterator[io.TextIOWrapper]:
        """The characters as a stream, without a byte order mark; `newline` as `open` takes it."""
        source = self.decoded(warnings)
        with self.opened() as file:
            yield io.TextIOWrapper(file, encoding=source.encoding, errors="replace", newline=newline)

    def text(self, warnings: list[str]) -> str:
        """All characters; a warning says what is not Unicode."""
        with self.characters(warnings) as stream:
            return stream.read()


def _without_mark(begin: bytes) -> str | None:
    """UTF-16 by its NUL bytes: in the text of European languages every second byte is one."""
    half = len(begin) // 2
    even, odd = begin[::2].count(0), begin[1::2].count(0)
    if half >= 4 and max(even, odd) > 0.6 * half and min(even, odd) < 0.05 * half:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def decode_files(paths: Sequence[Path], warnings: list[str], *, encoding: str | None = None) -> list[str]:
    """The characters of each file; of many files that are not UTF-8 there is one warning.

    Raises `CorpusError` if a file cannot be read.
    """
    found: list[str] = []
    texts = [Source(path, encoding).text(found) for path in paths]
    warnings += found if len(found) <= 3 else [f"{len(found)} files are not UTF-8 throughout; the first: {found[0]}"]
    return texts
