"""The tree of a folder while people edit it on its page: each edit is in `taxonomy.yaml` before it is acknowledged."""

import dataclasses
import hashlib
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nlparam.errors import EditError, NlparamError, ResultFolderError
from nlparam.results.folder import writing
from nlparam.results.serving.desk import Desk
from nlparam.runtime.files import replacing, writable
from nlparam.runtime.progress import Progress
from nlparam.taxonomies.comments import with_comments
from nlparam.taxonomies.edit import Plan, plan
from nlparam.taxonomies.entries import Edited, entries_of
from nlparam.taxonomies.history import go_back, kept_in, load_or_hint, replace
from nlparam.taxonomies.operations import AbstractOperation, applied, operation_of
from nlparam.taxonomies.refit import refit
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.shown import expected, tree_as_json
from nlparam.taxonomies.yaml_file import FILE, parse, written


@dataclasses.dataclass(frozen=True)
class _Now:
    """What `taxonomy.yaml` says: its `version`, and the edited tree with its plan, or the `problem` that it has."""

    version: str
    edited: Edited
    planned: Plan | None
    problem: str | None = None

    @property
    def changes(self) -> list[str]:
        return [] if self.planned is None else list(self.planned.changes)

    @property
    def warnings(self) -> list[str]:
        return [] if self.planned is None else list(self.planned.warnings)


@dataclasses.dataclass
class _Fitting:
    """A refit that runs: what it does, how far it is, and how it ended."""

    what: str = "begins"
    done: float = 0.0
    total: float | None = None
    left: str = ""
    cost: str = ""
    stopping: bool = False
    ended: bool = False
    error: str | None = None
    warnings: tuple[str, ...] = ()
    began: float = dataclasses.field(default_factory=time.monotonic)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"seconds": round(time.monotonic() - self.began, 1)}


class Editing:
    """Edits, fits and restores the tree of a folder, as its page asks (`desk`).

    A page says which version of `taxonomy.yaml` it has seen. Where the file is another by now, through another window
    or an editor, nothing is written, and the page gets what is there.

    **Arguments:** `folder`, of a taxonomy; `who` marks texts, as for a `Desk`; `asking`, how a refit asks the language
    model (`lm`, `calibration`, `store`, `timeout`), and `budget`. Raises `ResultFolderError` if there is no taxonomy.
    """

    def __init__(self, folder: str | Path, *, who: str | None = None, asking: Mapping[str, Any] | None = None):
        self.folder, self.asking = Path(folder), dict(asking or {})
        self._lock = threading.RLock()
        self._fitting: _Fitting | None = None
        self._n_made = 0
        self._stamp = self._stamped()
        self._taxonomy = load_or_hint(self.folder)
        self._now: _Now | None = None
        self.desk = Desk(self._page(), self.folder, who=who)
        calls = {"tree": self._tree, "check": self._check, "edit": self._edit, "take_back": self._take_back}
        self.desk.calls |= calls | {"refit": self._refit, "stop": self._stop, "go_back": self._go_back}

    def _page(self):
        return self._taxonomy.page(**self._taxonomy.beside(self.folder))

    def _stamped(self) -> tuple[int, int]:
        """By which another taxonomy in the folder is told."""
        try:
            found = (self.folder / Taxonomy.main).stat()
        except OSError:
            return (0, 0)
        return found.st_mtime_ns, found.st_size

    def _show(self, taxonomy: Taxonomy) -> None:
        self._taxonomy, self._stamp, self._now = taxonomy, self._stamped(), None
        self._n_made += 1
        self.desk.show(self._page())

    def _current(self) -> _Now:
        """What is in the folder, read anew where it has changed."""
        if (stamp := self._stamped()) != self._stamp:
            if stamp == (0, 0):
                raise ResultFolderError(f"another command is writing to {self.folder}: try again in a moment")
            self._show(load_or_hint(self.folder))
        data = self._bytes()
        if self._now is None or self._now.version != self._version(data):
            try:
                self._now = self._read(data)
            except (EditError, UnicodeDecodeError) as error:
                problem = f"{error}; mend the file, or take all edits back"
                self._now = _Now(self._version(data), entries_of(self._taxonomy), None, problem)
        return self._now

    def _bytes(self) -> bytes:
        path = self.folder / FILE
        try:
            return path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise EditError(f"cannot read {path}: {error.strerror or error}") from error

    def _version(self, data: bytes) -> str:
        return hashlib.sha256(data + repr(self._stamp).encode()).hexdigest()[:20]

    def _read(self, data: bytes) -> _Now:
        """What a `taxonomy.yaml` says. Raises `EditError` and `UnicodeDecodeError`."""
        edited = parse(data.decode("utf-8-sig"), source=FILE) if data else entries_of(self._taxonomy)
        return _Now(self._version(data), _without_lines(edited), plan(edited, self._taxonomy))

    def _tree(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The edited tree; only that nothing is new, if the page has seen it."""
        with self._lock:
            now = self._current()
            fitting = None if self._fitting is None else self._fitting.as_dict()
            if given.get("version") == now.version and given.get("made") == self._n_made:
                return {"same": True, "fitting": fitting}
            return self._state(now)

    def _state(self, now: _Now) -> dict[str, Any]:
        return {
            "version": now.version,
            "made": self._n_made,
            "tree": tree_as_json(now.edited, self._taxonomy),
            "changes": now.changes,
            "warnings": now.warnings,
            "cost": expected(now.planned, self._taxonomy).sentence if now.planned and now.changes else "",
            "problem": now.problem,
            "history": [kept._asdict() for kept in kept_in(self.folder)],
            "fitting": None if self._fitting is None else self._fitting.as_dict(),
        }

    def _check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What an operation would do to the tree, beside what is edited already; nothing is written."""
        with self._lock:
            now = self._current()
            _, planned = self._after(now, operation_of(given["operation"]))
            return {
                "changes": [said for said in planned.changes if said not in now.changes],
                "gone": [said for said in now.changes if said not in planned.changes],
                "warnings": [said for said in planned.warnings if said not in now.warnings],
                "cost": expected(planned, self._taxonomy).sentence,
            }

    def _edit(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Adds an operation to what is edited."""
        operation = operation_of(given["operation"])
        return self._done(given, lambda now: self._write(self._after(now, operation)[0]))

    def _take_back(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Leaves out the change `at` a place in the list, or all of them with `None`."""

        def take_back(now: _Now) -> None:
            operations = [] if now.planned is None or given["at"] is None else list(now.planned.operations)
            if given["at"] is not None:
                if not 0 <= (at := int(given["at"])) < len(operations):
                    raise EditError("this edit is not there any more: look at the list again")
                del operations[at]
            edited = applied(operations, self._taxonomy)
            plan(edited, self._taxonomy)
            self._write(edited)

        return self._done(given, take_back)

    def _after(self, now: _Now, operation: AbstractOperation) -> tuple[Edited, Plan]:
        if now.problem is not None:
            raise EditError(now.problem)
        edited = applied([operation], now.edited)
        return edited, plan(edited, self._taxonomy)

    def _done(self, given: Mapping[str, Any], change: Callable[[_Now], None]) -> dict[str, Any]:
        """Changes what is there, if the page knows it and nothing is fitted, and says what is there then."""
        with self._lock, writing(self.folder):
            if self._fitting is not None and not self._fitting.ended:
                raise EditError("a refit runs: wait until it has ended, or stop it; then edit")
            now = self._current()
            if given["version"] != now.version:
                return self._state(now) | {"stale": True}
            change(now)
            return self._state(self._current())

    def _write(self, edited: Edited) -> None:
        text = written(self._taxonomy, edited, folder=self.folder)
        data = with_comments(text, self._bytes().decode("utf-8-sig", errors="replace")).encode()
        then = self._read(data)  # what cannot be read again is not written
        with writable(self.folder), replacing(self.folder / FILE) as partial:
            partial.write_bytes(data)
        self._now = then

    def _refit(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Begins to fit the edited tree."""

        def begin(now: _Now) -> None:
            if not now.changes:
                raise EditError(now.problem or "nothing was edited: there is nothing to fit")
            self._fitting = _Fitting()
            threading.Thread(target=self._fit, args=(self._fitting, now), daemon=True).start()

        return self._done(given, begin)

    def _stop(self, given: Mapping[str, Any]) -> dict[str, Any]:
        del given
        if self._fitting is not None:
            self._fitting.stopping = True
        return {"stopping": True}

    def _fit(self, fitting: _Fitting, now: _Now) -> None:
        def watch(what: str, total: float | None, *, advance: float, cost: str, left: str) -> None:
            if fitting.stopping:
                raise EditError("stopped; what was judged is stored, and the next refit goes on from there")
            if what != fitting.what:
                fitting.what, fitting.done = what, 0.0
            fitting.total, fitting.cost, fitting.left = total, cost, left
            fitting.done += advance

        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                asking: dict[str, Any] = self.asking | {"progress": Progress(False, watch=watch)}
                new = refit(self._taxonomy, now.edited, **asking)
            fitting.warnings = tuple(dict.fromkeys(str(one.message) for one in said))
            fitting.what = "writes the tree and its report"
            with self._lock, writing(self.folder):
                if self._current().version != now.version:
                    raise EditError(
                        f"{FILE} was edited while it was fitted, and nothing was changed: fit again; what was judged "
                        "costs nothing again"
                    )
                replace(self._taxonomy, self.folder, new)
                self._show(new)
        except NlparamError as error:
            fitting.error = str(error)
        except Exception as error:
            traceback.print_exc()  # a mistake of our own
            fitting.error = f"{type(error).__name__}: {error}"
        finally:
            fitting.ended = True

    def _go_back(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Puts a tree of the history in the place of this one."""

        def restore(now: _Now) -> None:
            del now
            go_back(self._taxonomy, self.folder, int(given["number"]))
            self._show(load_or_hint(self.folder))

        return self._done(given, restore)


def _without_lines(edited: Edited) -> Edited:
    """On a page, lines of the file mean nothing."""
    plain = edited.mapped(lambda entry: dataclasses.replace(entry, line=None))
    return dataclasses.replace(plain, forbid=dict.fromkeys(edited.forbid), source=None)
