"""Progress on a terminal, silence in a pipe."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Protocol

from nlparam.costs import Costs


class Task(Protocol):
    """One long step; `advance` is called as parts of it are done."""

    def advance(self, amount: float = 1.0) -> None: ...


class Progress:
    """Shows long steps with Rich: what, how far, how long, what it has cost.

    **Arguments:** `enabled` forces the display on or off; by default it is on where standard error is a terminal.
    The display goes to standard error, so that standard output stays clean for results.
    """

    def __init__(self, enabled: bool | None = None):
        self.enabled = sys.stderr.isatty() if enabled is None else enabled

    @contextlib.contextmanager
    def task(self, what: str, total: float | None, *, costs: Costs | None = None, unit: str = "") -> Iterator[Task]:
        """A progress bar for the `with` block.

        `total=None` means that the length is not known: a spinner, which leaves nothing behind on the terminal.
        """
        if not self.enabled:
            yield _Silent()
            return
        from rich import progress
        from rich.console import Console
        from rich.markup import escape

        amount = (
            [progress.DownloadColumn()]
            if unit == "bytes"
            else [progress.MofNCompleteColumn(), progress.TextColumn(unit)]
        )
        length = [] if total is None else [progress.BarColumn(), *amount]
        remaining = [] if total is None else [progress.TimeRemainingColumn()]
        bar = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}"),
            *length,
            progress.TimeElapsedColumn(),
            *remaining,
            progress.TextColumn("[dim]{task.fields[cost]}"),
            console=Console(stderr=True),
            transient=total is None,
        )
        with bar:
            task_id = bar.add_task(escape(what), total=total, cost="")
            yield _Shown(bar, task_id, costs)


class _Silent:
    def advance(self, amount: float = 1.0) -> None:
        del amount


class _Shown:
    def __init__(self, bar, task_id, costs: Costs | None):
        self._bar, self._task_id, self._costs = bar, task_id, costs

    def advance(self, amount: float = 1.0) -> None:
        cost = self._costs.summary() if self._costs is not None and self._costs.calls else ""
        self._bar.update(self._task_id, advance=amount, cost=cost)
