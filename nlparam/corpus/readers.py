"""Reads texts, and other fields beside them, from the formats people keep texts in."""

import contextlib
import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nlparam.errors import CorpusError

DEFAULT_FIELD = "text"
# The csv module refuses fields above 128 KiB by default; this is the largest limit every platform accepts.
CSV_FIELD_LIMIT = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Table:
    """Texts in the order of the file, `columns` of other fields aligned with them, and `warnings` for the user."""

    texts: list[str]
    columns: dict[str, list]
    warnings: list[str]


@dataclasses.dataclass(frozen=True)
class _Rows:
    """What a reader found: the `names` of the fields, those that hold `prose`, the values of a field.

    `column` gives `None` where a row lacks the field; `place(i)` says in words where row `i` stands in the file.
    """

    n_rows: int
    names: list[str]
    prose: list[str]
    column: Callable[[str], list]
    place: Callable[[int], str]

    @property
    def described(self) -> str:
        return f"its fields are {', '.join(map(repr, self.names))}" if self.names else "it has no named fields"

    def known(self, path: Path, field: str) -> str:
        """The name of a field that is there once; raises `CorpusError` for another."""
        if field not in self.names:
            raise CorpusError(f"{path} has no field {field!r}; {self.described}")
        if (n := self.names.count(field)) > 1:
            raise CorpusError(f"{path} has {n} fields {field!r}, expected one: rename the others")
        return field


def read_texts(path: str | Path, *, text_field: str | None = None, fields: Sequence[str] = ()) -> Table:
    """Reads a file or folder of texts.

    **Arguments:** `path` is a .jsonl, .ndjson or .json file (objects, or plain strings), .csv, .tsv, .parquet, .txt
    (one text per line), or a folder (every .txt and .md file below it is one text; `file` and `folder` are its other
    fields). `text_field` says which field holds the text; by default "text", else the only field that holds prose.
    `fields` are others to return in `columns`, with `None` where a row lacks one.

    Bytes that are not UTF-8 are replaced, and a warning says how many; another says if a table has another delimiter
    than its ending promises, or quotes that do not match in a .tsv. Raises `CorpusError` if there is nothing to read,
    the quotes of a .csv do not match, a field is unknown (the message names those there are) or there twice, or a text
    is not a string.
    """
    path = Path(path).expanduser()
    warnings: list[str] = []
    rows = _read(path, warnings)
    if text_field is None and DEFAULT_FIELD not in rows.names:
        if len(rows.prose) != 1:
            raise CorpusError(f"{path}: which field holds the text? Say so with the text field; {rows.described}")
        text_field = rows.prose[0]
    text_field = rows.known(path, DEFAULT_FIELD if text_field is None else text_field)
    columns = {field: rows.column(rows.known(path, field)) for field in fields}
    texts = rows.column(text_field)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            got = "missing" if text is None else f"{str(text)[:40]!r} of type {type(text).__name__}"
            raise CorpusError(
                f"{path}, {rows.place(index)}: the field {text_field!r} is {got}, expected a string; "
                "drop such rows or write their values as strings"
            )
    if not any(text.strip() for text in texts):
        raise CorpusError(f"{path} holds no texts: all {len(texts)} are blank")
    return Table(texts, columns, warnings)


def field_names(path: str | Path) -> list[str]:
    """The names of the fields of a file or folder that `read_texts` reads; it raises the same errors."""
    return _read(Path(path).expanduser(), []).names


def _read(path: Path, warnings: list[str]) -> _Rows:
    if path.is_dir():
        rows = _read_folder(path, warnings)
    elif not path.exists():
        raise CorpusError(f"there is no file or folder {path} (the current folder is {Path.cwd()})")
    elif (reader := _READERS.get(path.suffix.lower())) is None:
        raise CorpusError(
            f"{path} ends in {path.suffix.lower() or 'nothing'!r}, expected one of {' '.join(_READERS)} or a folder of "
            ".txt or .md files"
        )
    else:
        rows = reader(path, warnings)
    if rows.n_rows == 0:
        raise CorpusError(f"{path} holds no texts: it is empty")
    return rows


def decode_file(path: Path, warnings: list[str]) -> str:
    """The characters of a file, without a byte order mark; a warning says what is not UTF-8 (or UTF-16).

    Raises `CorpusError` if the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # spreadsheets export "Unicode text" so
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", errors="replace")
        replaced = text.count("\ufffd")
        warnings.append(f"{path} is not UTF-8 throughout: {replaced} undecodable characters were replaced by \ufffd")
        return text


def decode_files(paths: Sequence[Path], warnings: list[str]) -> list[str]:
    """`decode_file` of each; of many files that are not UTF-8 there is one warning."""
    found: list[str] = []
    texts = [decode_file(path, found) for path in paths]
    warnings += found if len(found) <= 3 else [f"{len(found)} files are not UTF-8 throughout; the first: {found[0]}"]
    return texts


def json_lines(path: Path | str, text: str, *, first: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the object of every line that is not blank; a plain string counts as the field "text".

    Raises `CorpusError`, which names the line, counted from `first`.
    """
    # Not splitlines: it would split at U+2028 and its like, which may stand inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=first):
        if not line.strip():
            continue
        try:
            item = json.loads(line, strict=False)  # control characters in a text do no harm
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{path}, line {number} is not JSON ({error}): expected one object per line") from error
        yield number, _as_object(path, f"line {number}", item)


def _as_object(path: Path | str, place: str, item: Any) -> dict[str, Any]:
    if not isinstance(item, dict | str):
        raise CorpusError(f"{path}, {place}: got {type(item).__name__}, expected an object or a string")
    return {DEFAULT_FIELD: item} if isinstance(item, str) else item


def _from_objects(rows: list[dict[str, Any]], place: Callable[[int], str]) -> _Rows:
    names = list(dict.fromkeys(name for row in rows for name in row))
    prose = [name for name in names if all(isinstance(row.get(name), str) for row in rows)]
    return _Rows(len(rows), names, prose, lambda name: [row.get(name) for row in rows], place)


def _read_jsonl(path: Path, warnings: list[str]) -> _Rows:
    lines = list(json_lines(path, decode_file(path, warnings)))
    return _from_objects([row for _, row in lines], lambda index: f"line {lines[index][0]}")


def _read_json(path: Path, warnings: list[str]) -> _Rows:
    text = decode_file(path, warnings)
    try:
        objects = json.loads(text, strict=False) if text.strip() else []
    except (ValueError, RecursionError) as error:
        raise CorpusError(
            f"{path} is not JSON ({error}): if it has one object per line, let its name end in .jsonl"
        ) from error
    if not isinstance(objects, list):
        raise CorpusError(f"{path} holds a JSON {type(objects).__name__}, expected a list of objects or strings")
    return _from_objects([_as_object(path, _row(index), item) for index, item in enumerate(objects)], _row)


def _read_csv(path: Path, warnings: list[str]) -> _Rows:
    text = decode_file(path, warnings)
    limit = csv.field_size_limit(CSV_FIELD_LIMIT)
    try:
        delimiter = _delimiter(path, text, warnings)
        names, *rows = _csv_table(path, text, delimiter, warnings) or [[]]
    finally:
        csv.field_size_limit(limit)
    for index, row in enumerate(rows):
        if len(row) > len(names):
            raise CorpusError(
                f"{path}, {_row(index)} has {len(row)} fields, the header has {len(names)}: put fields that contain "
                f"{delimiter!r} in double quotes"
            )

    def column(name: str) -> list:
        at = names.index(name)
        return [row[at] if at < len(row) else None for row in rows]

    prose = [name for name in names if not all(_is_number(value) for value in column(name))]
    return _Rows(len(rows), names, prose, column, _row)


def _csv_table(path: Path, text: str, delimiter: str, warnings: list[str]) -> list[list[str]]:
    """The header and the rows, also where programs do not quote as others expect."""
    try:
        return _csv_lines(text, delimiter)
    except csv.Error as error:
        if delimiter == "\t":  # many programs that write tabs never quote
            warnings.append(f"{path}, {error}: all double quotes of the file were read as characters like others")
            return _csv_lines(text, delimiter, quoted=False)
        with contextlib.suppress(csv.Error):  # some pad fields with blanks behind the closing quote
            return _csv_lines(re.sub(rf'" +(?=[{delimiter}\r\n]|\Z)', '"', text), delimiter)
        raise CorpusError(
            f"{path}, {error}: put a field that contains double quotes in double quotes, and double those in it"
        ) from error


def _csv_lines(text: str, delimiter: str, *, quoted: bool = True) -> list[list[str]]:
    """The fields of every row that is not empty; a `csv.Error` says where the wrong row begins."""
    # DictReader would hide a field that occurs twice and rows that are too long.
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    lines, begin = [], 1
    try:
        for line in reader:
            lines.append(line)
            begin = reader.line_num + 1
    except csv.Error as error:
        message = f"line {begin}: the double quotes of the row that begins here do not match ({error})"
        raise csv.Error(message) from error
    return [line for line in lines if line]


def _delimiter(path: Path, text: str, warnings: list[str]) -> str:
    """The delimiter that the ending of the file promises, or another that splits all rows into equally many fields."""
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    header = next((line for line in csv.reader(io.StringIO(text, newline=""), delimiter=usual) if line), [])
    for other in ",;\t":
        if len(header) != 1 or other == usual or other not in header[0]:
            continue
        with contextlib.suppress(csv.Error):
            n_fields = {len(line) for line in _csv_lines(text, other)}
            if len(n_fields) == 1 and n_fields != {1}:
                warnings.append(f"{path}: its fields are separated by {other!r} instead of {usual!r}, and were read so")
                return other
        warnings.append(
            f"{path} was read as one field, {header[0][:40]!r}: if {other!r} is to separate fields, put those that "
            "contain it in double quotes"
        )
    return usual


def _read_parquet(path: Path, warnings: list[str]) -> _Rows:
    del warnings  # Parquet strings are UTF-8
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise CorpusError(f"cannot read {path} as Parquet: {error}") from error
    schema = file.schema_arrow
    prose = [field.name for field in schema if is_text_type(field.type)]

    def column(name: str) -> list:
        # Only this column is read: others may be embeddings of every text.
        return file.read(columns=[name]).column(0).to_pylist()

    return _Rows(file.metadata.num_rows, list(schema.names), prose, column, _row)


def is_text_type(kind: Any) -> bool:
    """Whether an Arrow type is one of strings."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _read_lines(path: Path, warnings: list[str]) -> _Rows:
    lines = decode_file(path, warnings).replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()  # nothing follows the last line end
    return _Rows(len(lines), [DEFAULT_FIELD], [DEFAULT_FIELD], lambda _: lines, lambda index: f"line {index + 1}")


def _read_folder(folder: Path, warnings: list[str]) -> _Rows:
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in {".txt", ".md"}
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    if not files:
        raise CorpusError(f"the folder {folder} holds no .txt or .md files: give a folder with one text per file")
    columns = {
        "text": [text.replace("\r\n", "\n") for text in decode_files(files, warnings)],
        "file": [file.relative_to(folder).as_posix() for file in files],
        "folder": [file.relative_to(folder).parent.as_posix() for file in files],
    }
    return _Rows(len(files), list(columns), [DEFAULT_FIELD], columns.__getitem__, lambda index: columns["file"][index])


def _row(index: int) -> str:
    return f"row {index + 1}"


def _is_number(value: str | None) -> bool:
    try:
        float(value or "nan")
    except ValueError:
        return False
    return True


_READERS: dict[str, Callable[[Path, list[str]], _Rows]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
    ".txt": _read_lines,
}
