"""Modules under the names that they had before they moved: they are imported as before, with a `DeprecationWarning`."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

# Modules that kept their name, by the room into which they moved.
_MOVED = {
    "corpus": "datasets labels readers times",
    "denotation": "calibration cascade denoter",
    "evals": "decomposition simulatability",
    "fitting": "posterior recurrence search",
    "runtime": "budget cache_dir costs progress sandbox telemetry",
    "taxonomies": "over_time",
}
_NUMERICS = {
    "core": "check cover device divide model normaliser numpyro_program quantities relax sample seeding select",
    "heads": "calibration cascade certify goal_map head joint_head ridge",
    "statistics": "audit effects metrics prevalence racing rates recurrence simulation",
    "solvers": "block_tridiagonal newton posterior whiten",
}
# An entry covers all modules below it.
RENAMED = {
    "cli.compiled": "runtime.compiled",
    "comparing.covariates": "comparing.setup",
    "comparing.quotes": "comparing.browsing",
    "comparison": "comparing.result",
    "estimation": "fitting.estimate",
    "estimators": "fitting.sklearn",
    "evaluators": "evals.audit",
    "executable": "denotation.computed",
    "execution": "evals.code",
    "folder": "fitting.result",
    "hierarchy": "taxonomies.result",
    "images": "comparing.images",
    "inference": "fitting.denote",
    "language.judge": "denotation.judge",
    "language.lm": "lm",
    "language.store": "lm.store",
    "lm.server.probe": "lm.server.survey",
    "representation": "denotation.goal",
    "results.page.figures": "results.page.charts",
    "results.page.page": "results.page.sections",
    "solution": "fitting.result",
    "stability": "fitting.consensus",
    "taxonomies.corpus_checks": "taxonomies.growing",
}
RENAMED |= {name: f"{room}.{name}" for room, names in _MOVED.items() for name in names.split()}
RENAMED |= {
    f"numerics.{name}": f"numerics.{drawer}.{name}" for drawer, names in _NUMERICS.items() for name in names.split()
}


def renamed(name: str) -> str | None:
    """The present name of a module, `None` if it has no other."""
    _, _, inside = name.partition("nlparam.")
    parts = inside.split(".")
    for n_parts in range(len(parts), 0, -1):
        if new := RENAMED.get(".".join(parts[:n_parts])):
            return ".".join(("nlparam", new, *parts[n_parts:]))
    return None


class Renamed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds moved modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if not fullname.startswith("nlparam.") or (new := renamed(fullname)) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=new)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        new = str(spec.origin)
        warnings.warn(f"{spec.name} is now {new}: import that", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(new)
        # The import system replaces the module's specification; `exec_module` restores it.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Makes moved modules importable under their former names."""
    if not any(isinstance(finder, Renamed) for finder in sys.meta_path):
        # First in line: otherwise the path of a moved package would find its modules a second time.
        sys.meta_path.insert(0, Renamed())
