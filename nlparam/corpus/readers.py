"""Reads texts, and other fields beside them, from the formats people keep texts in."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nlparam.corpus import exports
from nlparam.corpus.conversations import talk_rows
from nlparam.corpus.decoding import Source
from nlparam.corpus.decoding import decode_files as decode_files
from nlparam.corpus.delimited import html_table, read_csv
from nlparam.corpus.json_rows import json_lines as json_lines
from nlparam.corpus.json_rows import read_json, read_jsonl
from nlparam.corpus.labels import is_missing
from nlparam.corpus.rows import DEFAULT_FIELD, Rows, row_place
from nlparam.errors import CorpusError

_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# How to go on with a file that is for programs of its own.
_ELSEWHERE = {
    ".pdf": "write it as text first (pdftotext FILE.pdf)",
    **dict.fromkeys((".doc", ".docx"), "save it as text (.txt)"),
    ".pkl": "write its texts as .jsonl or .parquet: loading it could run code",
    **dict.fromkeys((".db", ".sqlite"), "write the query as CSV (sqlite3 -csv -header)"),
}


@dataclasses.dataclass(frozen=True)
class Table:
    """Texts in the order of the file, `columns` of other fields aligned with them, and `warnings` for the user."""

    texts: list[str]
    columns: dict[str, list]
    warnings: list[str]
    text_field: str = DEFAULT_FIELD

    def column(self, field: str | None) -> list | None:
        """The values of a field that was read; `None` without a field."""
        return None if field is None else self.columns[field]


def read_texts(
    path: str | Path,
    *,
    text_field: str | None = None,
    fields: Sequence[str | None] | None = (),
    by_message: bool = False,
    drop_missing: bool = False,
    encoding: str | None = None,
) -> Table:
    """Reads a file or folder of texts.

    **Arguments:** `path` is a .jsonl, .ndjson or .json file (objects, or plain strings; rows may stand under a key, and
    `outer.inner` is a field of an object in a row), .csv, .tsv, .parquet, .xlsx, .xls, .ods, .txt or .log (one text per
    line, or a chat of WhatsApp), .mbox, a log of Inspect (.eval, .json), one of them as .gz or alone in a .zip, or a
    folder (every .txt and .md file below it is one text; `file` and `folder` are its other fields).

    `text_field` says which field holds the text; by default "text", else the only one that holds prose or
    conversations, else the one that has clearly the most words. `fields` are others to return in `columns` (a `None`
    among them is passed over), with `None` where a row lacks one; without them (`None`) these are all fields, that of
    the text among them, but for those whose name is there twice. A conversation is one text, or with `by_message` each
    message is one, with the fields `conversation`, `message` (numbers from 1) and `role`. With `drop_missing`, rows are
    left out whose text or one of whose `fields` is missing or blank. `encoding` is that of the file, if it is not
    Unicode or Windows-1252.

    Warnings say what was guessed, replaced or left out. Raises `CorpusError` if there is nothing to read, the quotes of
    a .csv do not match, a field is unknown (the message names those there are) or there twice, or a text is not a
    string.
    """
    path = Path(path).expanduser()
    warnings: list[str] = []
    rows = _read(path, warnings, encoding)
    if text_field is None:
        text_field, warning = rows.text_field(path)
        warnings += [warning] if warning else []
    if rows.known(path, text_field) in rows.talks:
        rows, text_field = talk_rows(rows, text_field, by_message=by_message), DEFAULT_FIELD
    elif by_message:
        raise CorpusError(
            f"{path}: the field {text_field!r} holds no conversations, expected lists of messages with role and "
            "content: leave --by-message out, or choose another field with --text-field"
        )
    needed = {} if fields is None else dict.fromkeys(field for field in fields if field is not None)
    asked = _all_fields(rows) if fields is None else needed
    columns = {field: rows.column(rows.known(path, field)) for field in asked}
    texts = rows.column(text_field)
    places = list(range(rows.n_rows))
    if drop_missing:
        wanted = [texts, *(columns[field] for field in needed)]
        places = [i for i in places if not any(is_missing(column[i]) for column in wanted)]
        if n_dropped := len(texts) - len(places):
            lacking = ", ".join(map(repr, (text_field, *needed)))
            warnings.append(f"{n_dropped} of {len(texts)} rows left out, which lack one of {lacking}")
        texts = [texts[i] for i in places]
        columns = {field: [column[i] for i in places] for field, column in columns.items()}
    for index, text in zip(places, texts, strict=True):
        if not isinstance(text, str):
            got = "missing" if text is None else f"{str(text)[:40]!r} of type {type(text).__name__}"
            raise CorpusError(
                f"{path}, {rows.place(index)}: the field {text_field!r} is {got}, expected a string; "
                + ("leave such rows out with --drop-missing" if is_missing(text) else "write such values as strings")
            )
    if not any(text.strip() for text in texts):
        raise CorpusError(f"{path} holds no texts: all {rows.n_rows} are blank")
    texts = _without_nul(path, texts, warnings)
    if text_field in columns:
        columns[text_field] = texts
    return Table(texts, columns, warnings, text_field)


def field_names(path: str | Path) -> list[str]:
    """The names of the fields of a file or folder that `read_texts` reads; it raises the same errors."""
    return _read(Path(path).expanduser(), [], None).names


def _all_fields(rows: Rows) -> list[str]:
    """The names that are there once, without the fields of objects: these are in the objects."""
    once = [name for name in rows.names if rows.names.count(name) == 1]
    outer = {name.split(".")[0] for name in once if "." in name}.intersection(once)
    objects = [name for name in outer if any(isinstance(value, dict) for value in rows.column(name))]
    return [name for name in once if not any(name.startswith(f"{one}.") for one in objects)]


def _without_nul(path: Path, texts: list[str], warnings: list[str]) -> list[str]:
    """NUL characters end a text for many programs, and nobody has written them."""
    n_with = sum("\0" in text for text in texts)
    if not n_with:
        return texts
    warnings.append(f"{path}: NUL characters were left out, of {n_with} of {len(texts)} texts")
    return [text.replace("\0", "") if "\0" in text else text for text in texts]


def _read(path: Path, warnings: list[str], encoding: str | None) -> Rows:
    if path.is_dir():
        rows = _read_folder(path, warnings, encoding)
    elif not path.exists():
        raise CorpusError(f"there is no file or folder {path} (the current folder is {Path.cwd()})")
    else:
        source = Source(path, encoding)
        if source.ending == ".zip":
            source = Source(path, encoding, exports.only_member(path))
        if (reader := _READERS.get(source.ending)) is None:
            way_out = _ELSEWHERE.get(source.ending)
            raise CorpusError(
                f"{path} ends in {source.ending or 'nothing'!r}, expected one of {' '.join(_READERS)} (or such a file "
                "as .gz or .zip) or a folder of .txt or .md files" + (f": {way_out}" if way_out else "")
            )
        rows = reader(source, warnings)
    if rows.n_rows == 0:
        raise CorpusError(f"{path} holds no texts: it is empty")
    return rows


def _read_sheet(source: Source, warnings: list[str]) -> Rows:
    """A workbook, or what programs call one: a page of HTML, or fields with tabs between."""
    begin = source.begins()
    if begin.startswith((_ZIP, _OLD_EXCEL)):
        return exports.workbook(source, warnings)
    if begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return html_table(source, warnings)
    return read_csv(source, warnings)


def _read_parquet(source: Source, warnings: list[str]) -> Rows:
    del warnings  # Parquet strings are UTF-8
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(source.path)
    except (OSError, pyarrow.ArrowException) as error:
        raise CorpusError(f"cannot read {source.path} as Parquet: {error}") from error
    schema = file.schema_arrow
    prose = [field.name for field in schema if is_text_type(field.type)]

    def column(name: str) -> list:
        # Only this column is read: others may be embeddings of every text.
        return file.read(columns=[name]).column(0).to_pylist()

    talks = [field.name for field in schema if _is_talk_type(field.type)]
    return Rows(file.metadata.num_rows, list(schema.names), prose, column, row_place, tuple(talks))


def is_text_type(kind: Any) -> bool:
    """Whether an Arrow type is one of strings."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_talk_type(kind: Any) -> bool:
    """Whether an Arrow type is one of lists of messages."""
    from pyarrow import types

    if not (types.is_list(kind) or types.is_large_list(kind)) or not types.is_struct(kind.value_type):
        return False
    names = {field.name for field in kind.value_type}
    return bool(names & {"role", "from"}) and bool(names & {"content", "value"})


def _read_lines(source: Source, warnings: list[str]) -> Rows:
    """One text per line that is not blank; a chat of WhatsApp; or a table that a spreadsheet wrote with tabs."""
    with source.characters(warnings) as stream:
        lines = [line.rstrip("\r\n") for line in stream]
    if (chat := exports.whatsapp(lines)) is not None:
        return chat
    numbers = [number for number, line in enumerate(lines) if line.strip()]
    texts = [lines[number] for number in numbers]
    n_tabs = {line.count("\t") for line in texts}
    if len(texts) > 1 and len(n_tabs) == 1 and n_tabs != {0}:
        warnings.append(f"{source.path} was read as a table, since all its lines have as many tabs")
        return read_csv(source, [], delimiter="\t")
    if n_blank := len(lines) - len(texts):
        warnings.append(f"{source.path}: {n_blank} of {len(lines)} lines left out, which are empty")
    return Rows(len(texts), [DEFAULT_FIELD], [DEFAULT_FIELD], lambda _: texts, lambda i: f"line {numbers[i] + 1}")


def _read_folder(folder: Path, warnings: list[str], encoding: str | None) -> Rows:
    names = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.suffix.lower() in {".txt", ".md"})
    names = [
        name for name in names if (folder / name).is_file() and not any(part.startswith(".") for part in name.parts)
    ]
    if not names:
        raise CorpusError(f"the folder {folder} holds no .txt or .md files: give a folder with one text per file")
    texts = decode_files([folder / name for name in names], warnings, encoding=encoding)
    columns = {
        "text": [text.replace("\r\n", "\n") for text in texts],
        "file": [name.as_posix() for name in names],
        "folder": [name.parent.as_posix() for name in names],
    }
    return Rows(len(names), list(columns), [DEFAULT_FIELD], columns.__getitem__, columns["file"].__getitem__)


_READERS: dict[str, Callable[[Source, list[str]], Rows]] = {
    **dict.fromkeys((".jsonl", ".ndjson"), read_jsonl),
    ".json": read_json,
    **dict.fromkeys((".csv", ".tsv"), read_csv),
    ".tab": lambda source, warnings: read_csv(source, warnings, delimiter="\t"),
    ".parquet": _read_parquet,
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), _read_sheet),
    **dict.fromkeys((".txt", ".log"), _read_lines),
    ".mbox": exports.mailbox,
    ".eval": exports.inspect_log,
}
