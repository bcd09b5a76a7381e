"""Progress on a terminal and in a notebook, silence in a pipe."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from nlparam.runtime.costs import Costs
from nlparam.runtime.notebook import NotebookLines, in_notebook
from nlparam.runtime.pace import LONG, Pace, in_words


class Progress:
    """Shows long steps with Rich: what, how far, how long, what it has cost, how much is left.

    **Arguments:** `enabled` forces the display on or off; by default it is on where standard error is a terminal, and
    in a notebook. On a terminal it goes to standard error, so that standard output stays clean for results.

    If what asks a language model will take long at the rate of the first answers, one line says so, also in a pipe
    (`enabled=False` is silent). `limited` says that the time is limited already, so that nobody needs to be told.
    Where nothing is displayed, `watch(what, total, advance=..., cost=..., left=...)` is called instead, if it is given;
    what it raises ends the step.
    """

    def __init__(self, enabled: bool | None = None, *, watch: Callable[..., None] | None = None):
        self._notebook = NotebookLines() if enabled is not False and in_notebook() else None
        self.enabled = (sys.stderr.isatty() or self._notebook is not None) if enabled is None else enabled
        self._watch = watch
        self.limited = False
        self._told = enabled is False
        self._console = None

    def tell(self, seconds_ahead: float) -> None:
        """Says how long it will take, and how to have it end earlier: once, and only if it is long."""
        if self._told or self.limited or seconds_ahead <= LONG:
            return
        self._told = True
        message = (
            f"at the rate of the answers so far, about {in_words(seconds_ahead)} lie ahead: with --max-seconds S "
            "(max_seconds of a Budget) it ends after S seconds, with the best until then; what was answered is stored, "
            "and the same command again goes on from there"
        )
        if self._console is not None:
            self._console.print(message, markup=False, highlight=False, soft_wrap=True)
        else:
            print(message, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def task(self, what: str, total: float | None, *, costs: Costs | None = None, unit: str = "") -> "Iterator[Task]":
        """A progress bar for the `with` block.

        `total=None` means that the length is not known: a spinner, which leaves nothing behind on the terminal.
        """
        step = Task(self, total, costs)
        if not self.enabled:
            if self._watch is not None:
                step.show = functools.partial(self._watch, what, total)
                step.show(advance=0.0, cost="", left="")
            yield step
            return
        from rich import progress
        from rich.console import Console
        from rich.markup import escape

        length, left = [], []
        if total is not None:
            amount = [progress.MofNCompleteColumn(), progress.TextColumn(unit)]
            length = [progress.BarColumn(), *([progress.DownloadColumn()] if unit == "bytes" else amount)]
            # Rich would count answers from the store in the rate, and has no rate if answers are half a minute apart.
            left = [progress.TimeRemainingColumn() if costs is None else progress.TextColumn("{task.fields[left]}")]
        bar = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}"),
            *length,
            progress.TimeElapsedColumn(),
            *left,
            progress.TextColumn("[dim]{task.fields[cost]}"),
            console=Console(stderr=True),
            transient=total is None,
        )
        number = bar.add_task(escape(what), total=total, cost="", left="")
        if self._notebook is not None:
            with self._notebook.showing(bar):
                step.show = functools.partial(self._in_notebook, bar, number)
                yield step
            return
        before, self._console = self._console, bar.console
        try:
            with bar:
                step.show = functools.partial(bar.update, number)
                yield step
        finally:
            self._console = before

    def _in_notebook(self, bar: Any, number: Any, **changes: Any) -> None:
        assert self._notebook is not None
        bar.update(number, **changes)
        self._notebook.update()


class Task:
    """One long step; `advance` is called as parts of it are done.

    It measures how fast the language model answers, without the store, and warns if the step will take long.
    """

    def __init__(self, progress: Progress, total: float | None, costs: Costs | None):
        self._progress, self._left, self._costs = progress, total, costs
        self._pace = Pace()
        self._asked = 0 if costs is None else costs.answers
        self.show: Callable[..., None] | None = None

    def advance(self, amount: float = 1.0) -> None:
        costs, left = self._costs, ""
        if self._left is not None and costs is not None:
            self._left = max(self._left - amount, 0.0)
            asked, self._asked = self._asked, costs.answers
            self._pace.answered(self._asked - asked)
            if (each := self._pace.seconds_each) is not None:
                self._progress.tell(each * self._left)
                left = f"about {in_words(each * self._left)} left"
        if self.show is not None:
            self.show(advance=amount, cost=costs.summary() if costs is not None and costs.calls else "", left=left)
