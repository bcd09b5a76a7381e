"""Whether an evaluator is fooled more often where something else is so, and what predicates are adjusted for."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nlparam.evals.audit.records import Evaluations
from nlparam.numerics.statistics.covariates import learn
from nlparam.numerics.statistics.effects import correct_p_values

# More systems than these are too many for a regression.
_MOST_SYSTEMS = 20
# Predicates are compared within tasks if this share of the outputs is of tasks with mistakes and without.
_WITHIN = 0.5


class CovariateEffect(NamedTuple):
    """What a covariate does to the odds of a mistake, the other covariates being equal.

    `kind` is "false positives" (among wrong outputs) or "false negatives" (among right ones). `value` says what it
    stands for: "per standard deviation (X)" of a number, or a category against the most frequent one. `odds_ratio` with
    its interval from `low` to `high` and the p-value (Wald); where evaluations are of one task, which may be alike, the
    variance is that of whole tasks. `p_adjusted` is Holm's, for all effects of the audit; `nan` in older ones.
    """

    kind: str
    covariate: str
    value: str
    odds_ratio: float
    low: float
    high: float
    p_value: float
    n: int
    p_adjusted: float = math.nan


def covariate_effects(evaluations: Evaluations, *, confidence: float = 0.95) -> tuple[list[CovariateEffect], list[str]]:
    """The effects of all covariates on either kind of mistake, and in words what could not be estimated.

    Systems are in the regression too, so that a covariate does not stand for a system; of more than 20 a note says that
    they are not.

    Raises `CorpusError` for a covariate without values, with missing numbers, or with too many categories.
    """
    if not evaluations.covariates:
        return [], []
    columns: list[tuple[str, str, np.ndarray]] = []
    for name, values in evaluations.covariates.items():
        columns += [(name, value, column) for value, column in _encoded(name, values)]
    found: list[CovariateEffect] = []
    notes: list[str] = []
    controls: list[np.ndarray] = []
    n_systems = len(evaluations.systems)
    if n_systems > _MOST_SYSTEMS:
        notes.append(
            f"{n_systems} systems are too many for the regression on covariates, which takes {_MOST_SYSTEMS}: it is "
            "without them, and a covariate may stand for a system"
        )
    elif n_systems > 1:
        controls = [column for _, column in _encoded("system", list(evaluations.system))]
    for kind in ("false positives", "false negatives"):
        effects = _regress(kind, evaluations, columns, controls, confidence)
        if isinstance(effects, str):
            notes.append(f"covariates and {kind}: {effects}")
        else:
            found += effects
    adjusted = correct_p_values([effect.p_value for effect in found], "holm").tolist()
    return [effect._replace(p_adjusted=p) for effect, p in zip(found, adjusted, strict=True)], notes


def adjustments(
    evaluations: Evaluations, mistaken: np.ndarray, among: np.ndarray
) -> tuple[dict[str, list[Any]], list[str]]:
    """What the predicates of mistakes are adjusted for, by name: system and task; and in words what they are not.

    The mistakes, `mistaken`, are compared with the others that are `among` the evaluations of such outputs. A system
    whose outputs are accepted more often, or a task, has a style of its own, which need not fool anybody. The share of
    mistakes of each task (and of the outputs of each system) in the regression makes the difference that within tasks
    (Mundlak 1978). Where hardly any task has mistakes and others, that would leave nothing, and is not done.
    """
    columns: dict[str, list[Any]] = {}
    notes: list[str] = []
    names = [name for name, at in zip(evaluations.system, among, strict=True) if at]
    n, n_systems = len(names), len(set(names))
    if n_systems > min(_MOST_SYSTEMS, n // _MOST_SYSTEMS):
        notes.append(f"{n_systems} systems are too many to adjust predicates for: one may stand for a system")
    elif n_systems > 1:
        columns["system"] = list(evaluations.system)
    mistakes = _share_of_task(mistaken, evaluations.by_task, among)
    within = float(np.mean((mistakes > 0)[among] & (mistakes < 1)[among]))
    if within >= _WITHIN:
        columns["mistakes of the task"] = mistakes.tolist()
        if "system" in columns:
            shares = {
                name: _share_of_task(np.asarray(evaluations.system) == name, evaluations.by_task, among)
                for name in sorted(set(names))[1:]
            }
            columns |= {f"share of {k} in the task": v.tolist() for k, v in shares.items() if np.ptp(v[among]) > 0}
    elif len(np.unique(evaluations.by_task[among])) < n:
        notes.append(
            f"{within:.0%} of the outputs compared are of tasks with mistakes and without, too few to compare within "
            "tasks: a predicate may stand for a task"
        )
    return columns, notes


def _share_of_task(flags: np.ndarray, tasks: np.ndarray, among: np.ndarray) -> np.ndarray:
    """`(n,)`, of the evaluations of the same task that are `among` those that count, the share with the flag."""
    counts = np.bincount(tasks[among], minlength=tasks.max() + 1)
    return (np.bincount(tasks[among], weights=flags[among], minlength=len(counts)) / np.maximum(counts, 1))[tasks]


def _regress(kind: str, evaluations: Evaluations, columns, controls, confidence: float) -> list[CovariateEffect] | str:
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning

    hits, among = evaluations.of_kind(kind)
    hits, tasks = hits[among], evaluations.by_task[among]
    design = np.column_stack([np.ones(len(among)), *(column for _, _, column in columns), *controls])[among]
    n_rare = int(min(hits.sum(), len(hits) - hits.sum()))
    if n_rare < 2 * design.shape[1]:
        return f"{n_rare} evaluations of the rarer side are too few for {design.shape[1]} coefficients"
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return "the covariates (and the systems) say the same of each other here: leave one out"
    n_tasks = len(np.unique(tasks))
    if n_tasks <= design.shape[1]:
        return f"{n_tasks} tasks are too few for {design.shape[1]} coefficients: their outputs may be alike"
    alike: dict[str, Any] = {"cov_type": "cluster", "cov_kwds": {"groups": tasks}, "use_t": True}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("error", PerfectSeparationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            fitted: Any = Logit(hits.astype(float), design).fit(
                disp=0, maxiter=100, **(alike if n_tasks < len(tasks) else {})
            )
        except (ConvergenceWarning, PerfectSeparationWarning, np.linalg.LinAlgError):
            return "a covariate tells the mistakes apart without exception, so that its odds ratio is not finite"
    odds = np.exp(np.minimum(np.column_stack([fitted.params, fitted.conf_int(1 - confidence)]), 700.0))
    # Behind the constant come the covariates, and then what is controlled for.
    found = zip(columns, odds[1:].tolist(), fitted.pvalues[1:].tolist(), strict=False)
    return [
        CovariateEffect(kind, name, value, ratio, low, high, p_value, len(hits))
        for (name, value, _), (ratio, low, high), p_value in found
    ]


def _encoded(name: str, values: Sequence[Any]) -> list[tuple[str, np.ndarray]]:
    """A number by its standard deviation; an indicator of every category but the most frequent."""
    encoding = learn(name, values, freedom=1)
    columns = encoding.columns(values)
    if encoding.numeric:
        deviation = encoding.scale[0] * (encoding.knots[1] - encoding.knots[0])
        return [(f"per standard deviation ({deviation:.3g})", columns[:, 0])]
    indicators = (columns * encoding.scale + encoding.centre).round()
    return [(f"{level} (against {encoding.base})", indicators[:, at]) for at, level in enumerate(encoding.levels)]
