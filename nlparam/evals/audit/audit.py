"""`audit`: the mistakes of an evaluator, what they go with, and predicates of the outputs that fool it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.comparing.records import Finding
from nlparam.comparing.result import Comparison
from nlparam.errors import CorpusError, check_one_of
from nlparam.evals.audit.covariates import CovariateEffect, adjustments, covariate_effects
from nlparam.evals.audit.mistakes import Change, SystemRates, changes, system_rates
from nlparam.evals.audit.page import describe_audit
from nlparam.evals.audit.records import Evaluations
from nlparam.results.folder import digest_of_content, make_room, writing
from nlparam.results.jsonable import jsonable, read_fields
from nlparam.results.page.sections import AbstractPage
from nlparam.results.result import AbstractResult, Folder
from nlparam.results.versions import installed_versions
from nlparam.runtime.files import writable

GOAL = "how the answer is written, argued and presented"
# Stricter than a comparison: what is claimed here is held against somebody.
LEVEL = 0.02
# What is compared with what: the mistakes of a kind with the evaluations of the same outputs that are right.
SIDES = {
    "false positives": ("wrong, and accepted", "wrong, and rejected"),
    "false negatives": ("right, but rejected", "right, and accepted"),
}
_REPORT, PREDICATES = "report.html", "predicates"
# The settings of the audit itself.
_OWN = ("evaluations", "baseline", "side", "confidence", "seed", "with_predicates")


@dataclasses.dataclass(frozen=True)
class Audit(AbstractResult):
    """What an audit found.

    **Attributes:** `n_evaluations` and `n_tasks`; `rates` of every system, `changes` between systems, `effects` of the
    covariates; `side`, the kind of mistake that predicates are sought for, and `comparison`, what `nlparam.compare`
    found of it (`None` if nothing was sought or could be); `notes`, what a reader should know; `complete`, false while
    predicates are still to be sought; `settings` and `versions`, how it was measured.
    """

    main = "audit.json"
    again = "audit again with --overwrite"

    n_evaluations: int
    n_tasks: int
    rates: list[SystemRates]
    changes: list[Change]
    effects: list[CovariateEffect]
    notes: list[str]
    side: str = "false positives"
    comparison: Comparison | None = None
    complete: bool = True
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    versions: dict[str, str] = dataclasses.field(default_factory=installed_versions)

    @property
    def fooling(self) -> list[Finding]:
        """The predicates that are claimed to hold more often for the evaluator's mistakes, the largest effect first."""
        if self.comparison is None:
            return []
        return [finding for finding in self.comparison.claims if finding.more == SIDES[self.side][0]]

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it; of the predicates those that were tested."""
        tested = [] if self.comparison is None else self.comparison.tested
        sought = {} if self.comparison is None else self.comparison.settings
        contents = {
            "evaluations": self.n_evaluations,
            "tasks": self.n_tasks,
            "systems": self.rates,
            "changes": self.changes,
            "covariates": self.effects,
            "notes": self.notes,
            "side": self.side,
            "sides": SIDES[self.side],
            "complete": self.complete,
            "settings": self.settings | sought,
            "costs": None if self.comparison is None else self.comparison.costs,
            "predicates": [
                {
                    "predicate": finding.predicate,
                    "claimed": finding.claimed,
                    "more": finding.more,
                    "effect": finding.estimate,
                    "p_adjusted": finding.p_adjusted,
                    "shares": finding.shares,
                }
                for finding in tested
            ],
            "versions": self.versions,
        }
        return jsonable(contents)

    def page(self, *, predicates_report: str | None = None) -> AbstractPage:
        """Its report. `predicates_report` is where the report of the comparison lies, seen from this one."""
        contents = self.as_dict()
        return describe_audit(contents | ({"predicates_report": predicates_report} if predicates_report else {}))

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder) -> "Audit":
        renamed = {
            "n_evaluations": contents["evaluations"],
            "n_tasks": contents["tasks"],
            "rates": contents["systems"],
            "effects": contents["covariates"],
            "comparison": Comparison.load(folder.path / PREDICATES) if contents["predicates"] else None,
            "settings": cls.compared(contents),
        }
        return read_fields(cls, {"versions": {}} | contents | renamed)

    @classmethod
    def compared(cls, contents: Mapping[str, Any]) -> dict[str, Any]:
        """What was measured; the settings of the comparison are those of its own folder."""
        return {name: contents["settings"].get(name) for name in _OWN}

    def beside(self, folder: Path) -> dict[str, Any]:
        # The comparison has a report of its own, in the folder beside this one.
        there = self.comparison is not None and (folder / PREDICATES / _REPORT).exists()
        return {"predicates_report": f"{PREDICATES}/{_REPORT}" if there else None}


def audit(
    evaluations: Evaluations,
    *,
    baseline: str | None = None,
    side: str = "false positives",
    predicates: bool | Iterable[str] = True,
    computed: bool = True,
    adjust: bool = False,
    confidence: float = 0.95,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    **options: Any,
) -> Audit:
    """Audits an evaluator (U-Sophistry, arXiv 2409.12822).

    The rates of its mistakes, per system, and how they differ between systems; what covariates do to the odds of a
    mistake; and what holds more often for the outputs that fool it: predicates proposed on one half of its mistakes
    (and of what it got right on outputs of the same kind), tested on the other half, with p-values adjusted for how
    many were tested. Predicates are compared among outputs of the same system, and of the same task where tasks have
    outputs enough: the style of a system that is accepted more often need not be what fools.

    **Arguments:**

    - `baseline`: the system that the others are compared with; by default each with each.
    - `side`: `"false positives"`, wrong outputs that were accepted against those that were rejected, or
      `"false negatives"`, right outputs that were rejected against those that were accepted.
    - `predicates`: hypotheses of your own, or `False` for none at all, which needs no language model.
    - `computed`: whether words, phrases and patterns (length, digits, hedges, ...) are candidates too, at no cost.
    - `adjust`: whether the effects of predicates are adjusted for the covariates too, of which there must be some.
    - `confidence`, of the intervals; `seed`.
    - `out`, `overwrite`: a folder for `audit.json`, its report, and the comparison with its own. What needs no language
      model is written before one is asked. A folder that holds another audit is left alone without `overwrite`.
    - `options`: the others of `nlparam.compare` (`lm`, `goal`, `budget`, `store`, ...); `level`, the share of false
      claims, is 0.02 by default.

    **Raises:** `ValueError` for a system or side that is not there and for `adjust` without covariates, `CorpusError`
    for covariates that cannot be used, `ResultFolderError` for a folder that holds something else, and what
    `nlparam.compare` raises; if there are too few mistakes for it, a note says so instead.
    """
    check_one_of(SIDES, side=side)
    if baseline is not None:
        check_one_of(evaluations.systems, baseline=baseline)
    if adjust and not evaluations.covariates:
        raise ValueError("got adjust=True without covariates, expected some to adjust for")
    found = _measure(evaluations, baseline, side, confidence, seed, with_predicates=predicates is not False)
    # One that is complete stays until another is.
    if out is not None and not _check_folder(Path(out), found.settings, overwrite=overwrite):
        with writing(out), writable(out):
            make_room(out, Audit.main, overwrite=overwrite)
        _save(found, Path(out))
    if predicates is False:
        return found
    options = {"goal": GOAL, "level": LEVEL, **options}
    mistaken, among = evaluations.of_kind(side)
    columns, notes = adjustments(evaluations, mistaken, among)
    if adjust:
        columns |= {name: list(values) for name, values in evaluations.covariates.items()}
    if predicates is not True:
        options["predicates"] = list(predicates)
    elif computed:
        options = {**_computing(), **options}
    if out is not None:
        options |= {"out": Path(out) / PREDICATES, "overwrite": overwrite}
    try:
        sides = dict(zip(SIDES[side], (np.flatnonzero(mistaken), np.flatnonzero(among & ~mistaken)), strict=True))
        comparison = _compare(evaluations, sides, columns, confidence=confidence, seed=seed, **options)
    except CorpusError as error:
        found = dataclasses.replace(found, notes=[*found.notes, f"no predicates were sought: {error}"])
    else:
        notes = [*found.notes, *notes, *comparison.warnings]
        found = dataclasses.replace(found, comparison=comparison, notes=notes)
    found = dataclasses.replace(found, complete=True)
    if out is not None:
        _save(found, Path(out))
    return found


def _save(found: Audit, folder: Path) -> None:
    found.save(folder)
    found.report(folder / _REPORT, **found.beside(folder))


def _measure(
    evaluations: Evaluations, baseline: str | None, side: str, confidence: float, seed: int, *, with_predicates: bool
) -> Audit:
    """Everything that needs no language model."""
    effects, notes = covariate_effects(evaluations, confidence=confidence)
    n_tasks = int(evaluations.by_task.max()) + 1
    rates = system_rates(evaluations, confidence=confidence)
    pairs = np.unique(np.stack([evaluations.by_system, evaluations.by_task], axis=1), axis=0)
    if len(pairs) < len(evaluations):
        notes.append(
            f"{len(evaluations) - len(pairs)} evaluations repeat a task for the same system: they count for less where "
            "they are alike"
        )
    for found in rates:
        for name, measured in (("wrong", found.false_positives), ("right", found.false_negatives)):
            if measured.n == 0:
                notes.append(f"system {found.system!r} has no output that is {name}: one of its rates is unknown")
    return Audit(
        n_evaluations=len(evaluations),
        n_tasks=n_tasks,
        rates=rates,
        changes=changes(evaluations, baseline=baseline, confidence=confidence, seed=seed),
        effects=effects,
        notes=notes,
        side=side,
        complete=not with_predicates,
        settings={
            "evaluations": digest_of_content(jsonable(dataclasses.asdict(evaluations))),
            "baseline": baseline,
            "side": side,
            "confidence": confidence,
            "seed": seed,
            "with_predicates": with_predicates,
        },
    )


def _compare(
    evaluations: Evaluations, sides: dict[str, np.ndarray], columns: Mapping[str, Sequence[Any]], **options: Any
) -> Comparison:
    from nlparam.comparing.driver import compare

    def grouped(values: Sequence[Any]) -> dict[str, list]:
        return {name: [values[row] for row in rows.tolist()] for name, rows in sides.items()}

    if columns:
        options["adjust"] = {name: grouped(values) for name, values in columns.items()}
    compared = np.concatenate(list(sides.values()))
    if len(np.unique(evaluations.by_task[compared])) < len(compared):
        options = {"clusters": grouped(evaluations.task), **options}
    return compare(grouped(evaluations.output), **options)


def _computing() -> dict[str, Any]:
    """The judge and the proposer of a comparison whose candidates may be computed."""
    from nlparam.denotation.computed import Computed, ComputedJudge
    from nlparam.denotation.computed.groups import ExecutableGroups
    from nlparam.denotation.judge import LabelJudge
    from nlparam.denotation.policy import policy_of
    from nlparam.language.propose.groups import ContrastGroups, StateGroups

    computed = Computed()

    def judge(engine):
        asked = LabelJudge(engine, engine.store, engine.costs, n_words=policy_of(engine.lm).n_words)
        return ComputedJudge(asked, computed)

    def proposer(engine):
        base = ContrastGroups(engine) if policy_of(engine.lm).strong else StateGroups(engine)
        return ExecutableGroups(base, ComputedJudge(judge(engine), computed))

    return {"judge": judge, "proposer": proposer}


def _check_folder(folder: Path, settings: dict[str, Any], *, overwrite: bool) -> bool:
    """Whether the folder holds this audit already, and that is complete.

    Raises `ResultFolderError` if it holds another one.
    """
    there = folder / Audit.main
    complete = there.exists() and bool(Audit.read(folder).get("complete"))
    # An interrupted audit may be resumed, with predicates or without.
    Audit.check(folder, settings, overwrite=overwrite, ignored=() if complete else ("with_predicates",))
    return complete and not overwrite
