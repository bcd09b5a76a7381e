"""Progress on a terminal, silence in a pipe."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

from nlparam.runtime.costs import Costs
from nlparam.runtime.pace import LONG, Pace, in_words


class Task(Protocol):
    """One long step; `advance` is called as parts of it are done."""

    def advance(self, amount: float = 1.0) -> None: ...


class Progress:
    """Shows long steps with Rich: what, how far, how long, what it has cost, how much is left.

    **Arguments:** `enabled` forces the display on or off; by default it is on where standard error is a terminal.
    The display goes to standard error, so that standard output stays clean for results.

    If what asks a language model will take long at the rate of the first answers, one line says so, also in a pipe
    (`enabled=False` is silent). `limited` says that the time is limited already, so that nobody needs to be told.
    """

    def __init__(self, enabled: bool | None = None):
        self.enabled = sys.stderr.isatty() if enabled is None else enabled
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
    def task(self, what: str, total: float | None, *, costs: Costs | None = None, unit: str = "") -> Iterator[Task]:
        """A progress bar for the `with` block.

        `total=None` means that the length is not known: a spinner, which leaves nothing behind on the terminal.
        """
        step = _Step(self, total, costs)
        if not self.enabled:
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
        before, self._console = self._console, bar.console
        try:
            with bar:
                step.show = functools.partial(bar.update, bar.add_task(escape(what), total=total, cost="", left=""))
                yield step
        finally:
            self._console = before


class _Step:
    """Measures how fast the language model answers, without the store, and warns if the step will take long."""

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
