"""Tables of cells: CSV and its like, HTML tables, and where their header is."""

import contextlib
import csv
import html.parser
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nlparam.corpus.decoding import Source
from nlparam.corpus.rows import Rows, row_place, without_blank
from nlparam.errors import CorpusError

# The csv module refuses fields above 128 KiB by default; this is the largest limit every platform accepts.
CSV_FIELD_LIMIT = 2**31 - 1
_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


def read_csv(source: Source, warnings: list[str], *, delimiter: str | None = None) -> Rows:
    """A table of fields with a delimiter between; by default the one that the file uses."""
    source = source.decoded(warnings)
    limit = csv.field_size_limit(CSV_FIELD_LIMIT)
    try:
        skipped = 0
        if delimiter is None:
            delimiter, skipped = _delimiter(source, warnings)
        cells = _csv_table(source, delimiter, skipped, warnings)
    finally:
        csv.field_size_limit(limit)
    return cell_rows(source.path, cells, warnings, delimiter=delimiter)


def cell_rows(path: Path, cells: list[list[str]], warnings: list[str], *, delimiter: str = ",") -> Rows:
    """A table of cells whose first row, below titles, has the names of the fields."""
    names, rows = _header(path, without_blank(cells), warnings)
    for index, row in enumerate(rows):
        if len(row) > len(names):
            raise CorpusError(
                f"{path}, {row_place(index)} has {len(row)} fields, the header has {len(names)}: put fields that "
                f"contain {delimiter!r} in double quotes"
            )

    def column(name: str) -> list:
        at = names.index(name)
        return [row[at] if at < len(row) else None for row in rows]

    prose = [name for name in names if not all(_is_number(value) for value in column(name))]
    return Rows(len(rows), names, prose, column, row_place)


def html_table(source: Source, warnings: list[str]) -> Rows:
    """The cells of the tables in a page of HTML, which many programs call a spreadsheet."""
    parser = _Cells()
    parser.feed(source.text(warnings))
    parser.close()
    if not without_blank(parser.rows):
        raise CorpusError(f"{source.path} is a page of HTML without a table: save it as CSV")
    return cell_rows(source.path, parser.rows, warnings)


class _Cells(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        del attrs
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows = self.rows or [[]]
            self.rows[-1].append("")
        elif tag == "br" and self._inside:
            self.rows[-1][-1] += "\n"
        self._inside = tag in ("td", "th") or (self._inside and tag != "tr")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th", "tr")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def _header(path: Path, rows: list[list[str]], warnings: list[str]) -> tuple[list[str], list[list[str]]]:
    """The names of the fields and the rows below them; a warning says what was left out or is missing."""
    filled = sorted(_filled(row) for row in rows[1:])
    if filled and filled[len(filled) // 2] > 1:
        n_titles = next((n for n, row in enumerate(rows) if _filled(row) > 1), 0)
        if n_titles:
            warnings.append(f"{path}: what stands above the header was left out: it begins {rows[0][0][:40]!r}")
            rows = rows[n_titles:]
    if len(rows) > 2 and any(str(cell).startswith('{"ImportId"') for cell in rows[2]):
        warnings.append(f"{path}: the two rows below the header (questions and identifiers of Qualtrics) were left out")
        rows = [rows[0], *rows[3:]]
    if not rows:
        return [], []
    names = ["" if cell is None else str(cell) for cell in rows[0]]
    if _is_data(names, rows[1:]):
        named = [f"column {number}" for number in range(1, len(names) + 1)]
        warnings.append(f"{path} has no header: its fields were called {', '.join(map(repr, named))}")
        return named, rows
    while len(names) > 1 and not names[-1].strip() and all(len(row) < len(names) or not row[-1] for row in rows[1:]):
        names, rows = names[:-1], [row[: len(names) - 1] for row in rows]
    return names, rows[1:]


def _filled(row: Sequence[str | None]) -> int:
    return sum(cell is not None and bool(str(cell).strip()) for cell in row)


def _is_data(first: list[str], rows: list[list[str]]) -> bool:
    """Whether the first row is one of the others: a column of numbers has one in it, too."""
    if not rows or first == [str(number) for number in range(len(first))]:
        return False
    numbers = [at for at, cell in enumerate(first) if cell.strip() and _is_number(cell)]
    return any(all(_is_number(row[at]) for row in rows if at < len(row)) for at in numbers) and any(
        len(cell.split()) > 1 for cell in first
    )


def _csv_table(source: Source, delimiter: str, skipped: int, warnings: list[str]) -> list[list[str]]:
    """The header and the rows, also where programs do not quote as others expect."""
    try:
        with source.characters([], newline="") as stream:
            return _csv_lines(_without_nul(stream, source.path, warnings), delimiter, skipped)
    except csv.Error as error:
        if delimiter == "\t":  # many programs that write tabs never quote
            warnings.append(
                f"{source.path}, {error}: all double quotes of the file were read as characters like others"
            )
            with source.characters([], newline="") as stream:
                return _csv_lines(_without_nul(stream, source.path, []), delimiter, skipped, quoted=False)
        with contextlib.suppress(csv.Error):  # some pad fields with blanks behind the closing quote
            text = re.sub(rf'" +(?=[{re.escape(delimiter)}\r\n]|\Z)', '"', source.text([]).replace("\0", ""))
            return _csv_lines(text.splitlines(keepends=True), delimiter, skipped)
        raise CorpusError(
            f"{source.path}, {error}: put a field that contains double quotes in double quotes, and double those in it"
        ) from error


def _without_nul(lines: Iterable[str], path: Path, warnings: list[str]) -> Iterator[str]:
    found = False
    for line in lines:
        if "\0" in line and not found:
            found = True
            warnings.append(f"{path} has NUL characters, which were left out")
        yield line.replace("\0", "")


def _csv_lines(lines: Iterable[str], delimiter: str, skipped: int = 0, *, quoted: bool = True) -> list[list[str]]:
    """The fields of every row that is not empty; a `csv.Error` says where the wrong row begins."""
    # DictReader would hide a field that occurs twice and rows that are too long.
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(iter(lines), delimiter=delimiter, quoting=quoting, strict=True)
    found, begin = [], 1
    try:
        for line in reader:
            found.append(line)
            begin = reader.line_num + 1
    except csv.Error as error:
        message = f"line {begin}: the double quotes of the row that begins here do not match ({error})"
        raise csv.Error(message) from error
    return [line for line in found[skipped:] if line]


def _delimiter(source: Source, warnings: list[str]) -> tuple[str, int]:
    """The delimiter that the ending of the file promises, or another that splits all rows into equally many fields;
    and how many lines say nothing else.
    """
    path, usual = source.path, "\t" if source.ending == ".tsv" else ","
    with source.characters([], newline="") as stream:
        begin = stream.readline(1000)
        if marked := _SEPARATOR_LINE.fullmatch(begin):
            return marked.group(1), 1
    header: list[str] = []
    with source.characters([], newline="") as stream, contextlib.suppress(csv.Error):
        header = next((line for line in csv.reader(stream, delimiter=usual) if line), [])
    if len(header) != 1:
        return usual, 0
    for other in _DELIMITERS:
        if other == usual or other not in header[0]:
            continue
        with source.characters([], newline="") as stream, contextlib.suppress(csv.Error):
            n_fields = {len(line) for line in _csv_lines(stream, other)}
            if len(n_fields) == 1 and n_fields != {1}:
                warnings.append(f"{path}: its fields are separated by {other!r} instead of {usual!r}, and were read so")
                return other, 0
        warnings.append(
            f"{path} was read as one field, {header[0][:40]!r}: if {other!r} is to separate fields, put those that "
            "contain it in double quotes"
        )
    return usual, 0


def _is_number(value: str | None) -> bool:
    try:
        float(value or "nan")
    except ValueError:
        return False
    return True
