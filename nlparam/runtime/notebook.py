"""Progress in a notebook: lines in the output of a cell, which are replaced as it goes on."""

import contextlib
import io
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

_SECONDS = 0.25  # between two updates
_WIDTH = 100


def in_notebook() -> bool:
    """Whether the process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class NotebookLines:
    """One output of a cell: the steps that are done, each a line, and those that are under way."""

    def __init__(self):
        self._done: list[str] = []
        self._bars: list[Progress] = []
        self._handle: Any = None
        self._shown = 0.0

    @contextlib.contextmanager
    def showing(self, bar: "Progress") -> Iterator[None]:
        """Shows a bar of Rich in the block; a step of unknown length leaves no line behind."""
        self._bars.append(bar)
        self.update(at_once=True)
        try:
            yield
        finally:
            self._bars.remove(bar)
            if any(task.total is not None for task in bar.tasks):
                self._done.append(_line(bar))
            self.update(at_once=True)

    def update(self, *, at_once: bool = False) -> None:
        """Replaces the lines, unless that was done a moment ago."""
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        if not at_once and time.monotonic() - self._shown < _SECONDS:
            return
        self._shown = time.monotonic()
        content = {"text/plain": "\n".join([*self._done, *map(_line, self._bars)])}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def _line(bar: "Progress") -> str:
    """A bar as plain text."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None, force_terminal=False, force_jupyter=False)
    with console.capture() as captured:
        console.print(bar.make_tasks_table(bar.tasks))
    return captured.get().rstrip()
