"""What the commands print: results on standard output, all else on standard error, and no raw control character."""

import contextlib
import json
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from nlparam.errors import FitWarning

if TYPE_CHECKING:
    from rich.text import Text

    from nlparam.runtime.progress import Progress

# Wide enough for a table beside the longest predicate; in a pipe there is no window that lines must fit.
_WIDTH_IN_A_PIPE = 240


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
    """JSON on standard output; ASCII only, so that it is the same in every encoding and no control character is raw."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=True).replace("\x7f", "\\u007f"))


def print_warnings(messages: Iterable[str]) -> None:
    """Warnings on standard error."""
    for message in messages:
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
        show_others, shown = warnings.showwarning, set()

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, FitWarning):
                show_others(message, category, *where, **more)
            elif str(message) not in shown:
                shown.add(str(message))
                print_warnings([str(message)])

        warnings.showwarning = show
        yield


@contextlib.contextmanager
def starting() -> "Iterator[Progress]":
    """The progress display of a command. During the block, which imports what takes seconds, it says so."""
    from nlparam.runtime.progress import Progress

    progress = Progress()
    with progress.task("starting", None):
        yield progress
