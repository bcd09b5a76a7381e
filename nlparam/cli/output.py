"""What the commands print: results on standard output, all else on standard error, and no raw control character."""

import contextlib
import json
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nlparam.errors import FitWarning

if TYPE_CHECKING:
    from rich.text import Text

    from nlparam.results.page.blocks import Section, Table
    from nlparam.runtime.progress import Progress

# Wide enough for a table beside the longest predicate; in a pipe there is no window that lines must fit.
_WIDTH_IN_A_PIPE = 240
# Rows of one table, and characters of a cell; the report has the others.
_MOST_ROWS, _MOST_WORDS = 40, 100
# What this command has warned of.
_SAID: set[str] = set()


def printable(text: object) -> str:
    """One line of text in which control characters, terminal escapes among them, are shown instead of sent."""
    from nlparam.results.page.text import visible

    return " ".join(visible(str(text)).split())


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence["str | Text"]], *, numbers: Sequence[int] = ()
) -> None:
    """A table without frame on standard output; the columns `numbers` are aligned at the right.

    Untrusted cells must be `printable`; markup and the like in them mean nothing.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH_IN_A_PIPE)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        typer.echo(line.rstrip(), color=True)


def print_lines(*lines: str) -> None:
    """Lines on standard output, control characters made visible."""
    from nlparam.results.page.text import visible

    for line in lines:
        typer.echo(visible(line))


def print_json(value: Any) -> None:
    """A value as `jsonable` has it, on standard output; ASCII only, so that it is the same in every encoding and no
    control character is raw."""
    from nlparam.results.jsonable import jsonable

    typer.echo(json.dumps(jsonable(value), indent=1, ensure_ascii=True).replace("\x7f", "\\u007f"))


def print_result(result: Any, *tables: str, json: bool, out: Path | None) -> None:
    """Prints a result that has a report: as JSON, or the facts and figures of the report and some of its tables.

    **Arguments:** `tables`, the keys of those that are printed; `out`, the folder or file that it was saved to.
    """
    from nlparam.results.folder import report_of
    from nlparam.results.page.blocks import Counts, Pairs, Table

    if json:
        print_json(result)
        return
    page = result.page().described()
    print_lines(*(f"{fact.label}: {fact.value}" for fact in page.facts))
    for title, block in ((section.title, block) for section in page.sections for block in section.blocks):
        if isinstance(block, Counts | Pairs):
            caption = block.caption if isinstance(block, Pairs) else title
            print_lines("", f"{caption}:", *(f"{row.label}: {row.value}" for row in block.rows))
        elif isinstance(block, Table) and block.key in tables:
            _print_page_table(block)
    print_warnings(page.warnings)
    if out is not None:
        print_lines("", f"result: {out}", f"report: {report_of(out)}")


def print_section(section: "Section") -> None:
    """A section of a report on standard output: its words, lists and tables."""
    from nlparam.results.page.blocks import Lines, Table, Words

    for block in section.blocks:
        if isinstance(block, Words):
            print_lines("", block.text)
        elif isinstance(block, Lines):
            print_lines("", *(f"{line.mark}: {line.words}" for line in block.lines))
        elif isinstance(block, Table):
            _print_page_table(block)


def _print_page_table(table: "Table") -> None:
    """A table of a report on standard output."""
    numbers = [number for number, column in enumerate(table.columns) if column.kind == "number"]
    rows = [[printable(cell.text)[:_MOST_WORDS] for cell in row] for row in table.rows[:_MOST_ROWS]]
    print_lines("", f"{table.caption}:")
    print_table([printable(column.name) for column in table.columns], rows, numbers=numbers)
    if (n_more := len(table.rows) + table.omitted - len(rows)) > 0:
        print_lines(f"and {n_more:,} more")


def print_warnings(messages: Iterable[str]) -> None:
    """Warnings on standard error, each once in a command."""
    for message in messages:
        if message not in _SAID:
            _SAID.add(message)
            print_error(f"warning: {message}")


def print_error(message: str) -> None:
    """A message, of one line or several, on standard error."""
    from nlparam.results.page.text import visible

    typer.echo(visible(message), err=True)


@contextlib.contextmanager
def shown_warnings() -> Iterator[None]:
    """What a user should know of a result (`FitWarning`) is printed as soon as it is said, and once."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", FitWarning)
        show_others = warnings.showwarning
        _SAID.clear()

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, FitWarning):
                print_warnings([str(message)])
            else:
                show_others(message, category, *where, **more)

        warnings.showwarning = show
        yield


@contextlib.contextmanager
def starting() -> "Iterator[Progress]":
    """The progress display of a command. During the block, which imports what takes seconds, it says so."""
    from nlparam.runtime.progress import Progress

    progress = Progress()
    with progress.task("starting", None):
        yield progress
