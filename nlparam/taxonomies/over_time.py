"""How the shares of the nodes of a taxonomy change over time."""

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nlparam.corpus.times import TimeSteps, grouped_steps
from nlparam.errors import CorpusError, FitWarning
from nlparam.numerics.statistics.prevalence import prevalence

# More steps than these make curves that are mostly noise: few texts are left for each.
MOST_STEPS = 40
_MISSING = ("", "nan", "nat", "none", "null", "<na>")


class SharesOverTime(NamedTuple):
    """The shares of some nodes at each time step.

    **Attributes:** `nodes`, their ids; `times`, numbers or ISO dates, of the steps, which are in `unit`; `n_texts`,
    `(n_steps,)` texts of each step; `shares`, `(n_nodes, n_steps)`, of all texts of the step those under the node, with
    confidence intervals from `low` to `high`.
    """

    nodes: tuple[str, ...]
    times: list[float] | list[str]
    unit: str
    n_texts: np.ndarray
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray


def checked_stamps(stamps: Sequence[Any], n_texts: int, *, unit: str | None = None) -> tuple[Any, ...]:
    """Time stamps as they are kept with a taxonomy: one per text, a number or an ISO date, `None` where there is none.

    Warns of missing ones. Raises `CorpusError` if there are fewer or more than texts, if all are missing or the same,
    or if one cannot be read.
    """
    if len(stamps) != n_texts:
        raise CorpusError(f"got {len(stamps):,} time stamps for {n_texts:,} texts, expected one for each")
    known = [stamp for stamp in stamps if not _is_missing(stamp)]
    if not known:
        raise CorpusError(f"all {n_texts:,} time stamps are missing: check the name of their field")
    # One that cannot be read is named by the number of its text.
    steps = grouped_steps([known[0] if _is_missing(stamp) else stamp for stamp in stamps], unit=unit, most=MOST_STEPS)
    if n_missing := n_texts - len(known):
        warnings.warn(
            f"{n_missing:,} of {n_texts:,} texts have no time: they are in the taxonomy, but not in its curves over "
            "time",
            FitWarning,
            stacklevel=3,
        )
    # All of one kind, as a table holds them.
    kind = str if isinstance(steps.times[0], str) else float
    return tuple(None if _is_missing(stamp) else kind(stamp) for stamp in stamps)


def shares_over_time(
    members: Mapping[str, np.ndarray], stamps: Sequence[Any], *, unit: str | None = None, confidence: float = 0.95
) -> SharesOverTime:
    """The shares of nodes at each time step; texts that have no time stamp do not count.

    The intervals are those of `nlparam.numerics.statistics.prevalence`, one at a time: they say how far a share in
    so few texts may be from that of the source of the texts, not whether the heads err.

    **Arguments:** `members`, for each node the numbers of the texts under it; `stamps` as `checked_stamps` gives them;
    `unit`, "day", "week", "month" or "year": what dates are grouped by, by default the finest that gives at most
    `MOST_STEPS` steps. Where there are still more steps, neighbours are put together.
    """
    texts, steps = stepped_texts(tuple(stamps), unit)
    by_step = [texts[steps.step == step] for step in range(len(steps.times))]
    found = np.empty((3, len(members), len(by_step)))
    for at, rows_under in enumerate(members.values()):
        under = np.zeros(len(stamps), dtype=bool)
        under[rows_under] = True
        for step, rows in enumerate(by_step):
            found[:, at, step] = prevalence(under[rows], confidence=confidence)[:3]
    sizes = np.asarray([len(rows) for rows in by_step])
    return SharesOverTime(tuple(members), steps.times, steps.unit, sizes, *found)


@functools.lru_cache(maxsize=2)  # a report asks for the children of one node after another
def stepped_texts(stamps: tuple[Any, ...], unit: str | None) -> tuple[np.ndarray, TimeSteps]:
    """The numbers of the texts that have a time, and their steps."""
    texts = np.asarray([i for i, stamp in enumerate(stamps) if stamp is not None])
    return texts, grouped_steps([stamps[i] for i in texts], unit=unit, most=MOST_STEPS)


def _is_missing(stamp: Any) -> bool:
    return stamp is None or str(stamp).strip().casefold() in _MISSING
