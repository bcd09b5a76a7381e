"""What programs export that is neither a table nor JSON: chats of WhatsApp, mail, spreadsheets, archives."""

import contextlib
import datetime
import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nlparam.corpus.decoding import Source
from nlparam.corpus.delimited import cell_rows
from nlparam.corpus.json_rows import object_rows
from nlparam.corpus.rows import Rows, row_place
from nlparam.errors import CorpusError

# `2/3/24, 9:10 PM - Ann: ...` of Android, `[03.02.24, 21:10:00] Ann: ...` of the iPhone; without a name of the app.
_STAMP = r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4},? \d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:[ \u202f\xa0]?[AaPp]\.?[Mm]\.?)?"
_WHATSAPP = re.compile(
    rf"[\u200e\u200f]*(?:\[(?P<a>{_STAMP})\] |(?P<b>{_STAMP}) - )(?:(?P<who>[^:]{{1,60}}): )?(?P<text>.*)"
)
_SAMPLE = re.compile(r"samples/.+\.json")
_OF_THE_APP = "\u200e"  # stands before what the app itself says, on the iPhone


def whatsapp(lines: Iterable[str]) -> Rows | None:
    """The messages of an exported chat, with fields `who` and `time`; `None` if the lines are something else."""
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        if (match := _WHATSAPP.fullmatch(line)) is not None:
            text = match["text"]
            said = match["who"] is not None and not text.startswith(_OF_THE_APP)
            stamp = (match["a"] or match["b"]).replace("\u202f", " ").replace("\xa0", " ")
            found.append({"text": text, "who": match["who"], "time": stamp, "said": said})
        elif found:
            found[-1]["text"] += f"\n{line}"
        elif number or line.strip():
            return None
    messages = [row | {"text": row["text"].rstrip()} for row in found if row.pop("said")]
    return object_rows(messages, lambda index: f"message {index + 1}") if messages else None


def mailbox(source: Source, warnings: list[str]) -> Rows:
    """The plain text of each message of an mbox file, with fields `subject`, `from` and `date`."""
    import mailbox as boxes
    from email import message_from_bytes, policy

    del warnings
    with contextlib.closing(boxes.mbox(source.path, create=False)) as box:
        messages = [message_from_bytes(box.get_bytes(key), policy=policy.default) for key in box.iterkeys()]
    rows = []
    for message in messages:
        body = message.get_body(("plain", "html"))
        text = "" if body is None else body.get_content()
        rows.append({"text": text.strip(), **{name: str(message[name] or "") for name in ("subject", "from", "date")}})
    return object_rows(rows, lambda index: f"message {index + 1}")


def workbook(source: Source, warnings: list[str]) -> Rows:
    """The sheet of a workbook that has the most cells; a warning says if there are others."""
    try:
        import python_calamine
    except ImportError:
        raise CorpusError(
            f"{source.path} is a spreadsheet, which needs a package that is not installed: save it as CSV, or run "
            "pip install 'nlparam[excel]'"
        ) from None
    try:
        with source.opened() as file:
            book = python_calamine.CalamineWorkbook.from_filelike(file)
            sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
    except (python_calamine.CalamineError, ValueError) as error:
        raise CorpusError(f"cannot read {source.path} as a spreadsheet ({error}): save it as CSV") from error
    sizes = {name: sum(cell != "" for row in rows for cell in row) for name, rows in sheets.items()}
    name = max(sizes, key=sizes.__getitem__)
    if sum(size > 0 for size in sizes.values()) > 1:
        others = ", ".join(repr(other) for other, size in sizes.items() if size and other != name)
        warnings.append(f"{source.path}: the sheet {name!r} was read; others are {others}: save one as CSV to read it")
    return cell_rows(source.path, [[_cell(cell) for cell in row] for row in sheets[name]], warnings)


def _cell(cell: Any) -> str:
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    if isinstance(cell, datetime.date):
        return cell.isoformat()
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def inspect_log(source: Source, warnings: list[str]) -> Rows:
    """The samples of a log of Inspect, a zip archive with a file for each."""
    del warnings  # it is UTF-8
    samples = sorted((name for name in _members(source.path) if _SAMPLE.fullmatch(name)), key=_natural)
    if not samples:
        raise CorpusError(
            f"{source.path} has no samples, expected samples/*.json in it: was the evaluation broken off? "
            "`inspect log dump` shows what is there"
        )
    rows = []
    try:
        with zipfile.ZipFile(source.path) as archive:
            for name in samples:
                sample = json.loads(archive.read(name), strict=False)
                # Its events hold every message once more for each call.
                rows.append({field: value for field, value in sample.items() if field not in ("events", "store")})
    except (ValueError, zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise CorpusError(
            f"{source.path}: a sample cannot be read ({error}): run `inspect log convert --to json` and give the .json"
        ) from error
    return object_rows(rows, row_place)


def _natural(name: str) -> list[Any]:
    """2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def only_member(path: Path) -> str:
    """The name of the only file in a zip archive, beside those that systems add. Raises `CorpusError` for several."""
    added = re.compile(r"(?:.*/)?(?:\.|__MACOSX)")
    names = [name for name in _members(path) if not name.endswith("/") and not added.match(name)]
    if len(names) != 1:
        shown = ", ".join(names[:5]) or "none"
        raise CorpusError(
            f"{path} holds {len(names)} files ({shown}), expected one: unzip it, and give the file or folder to read"
        )
    return names[0]


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise CorpusError(f"cannot read {path} as a zip archive: {error}") from error
