"""How the shares of the nodes of a taxonomy change over time, corrected by what was judged or labelled."""

import contextlib
import functools
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nlparam.corpus.labels import is_missing
from nlparam.corpus.times import TimeSteps, grouped_steps
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError, FitWarning
from nlparam.fitting.split import cluster_codes
from nlparam.numerics.statistics.curves import curves
from nlparam.numerics.statistics.trends import Trends, claimed, trends
from nlparam.runtime.words import agree, part_of
from nlparam.taxonomies.people import said_by_people
from nlparam.taxonomies.records import ROOT, TreeLike

# More steps than these make curves that are mostly noise: few texts are left for each.
MOST_STEPS = 40
_MISSING = ("", "nan", "nat", "none", "null", "<na>")


class SharesOverTime(NamedTuple):
    """The shares of some nodes at each time step.

    **Attributes:**

    - `nodes`: their ids; `times`: numbers or ISO dates, of the steps, which are in `unit`; `n_texts`: `(n_steps,)`
      texts of each step.
    - `shares`: `(n_nodes, n_steps)`, of all texts of the step those under the node, with confidence intervals from
      `low` to `high`.
    - `target`: whose shares they are: "head", "judge" (corrected to what the language model would say) or "people";
      `n_answers`: `(n_steps,)`, how many texts of each step were judged, or labelled, to correct them.
    - `trends`: whether each share rises, falls or changes, corrected for the number of nodes; `None` for heads alone,
      which may say yes more often at one time than at another.
    - `reasons`: for each node, why nothing can be said of it, and its intervals are the whole range; else empty.
    """

    nodes: tuple[str, ...]
    times: list[float] | list[str]
    unit: str
    n_texts: np.ndarray
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    target: str
    n_answers: np.ndarray
    trends: Trends | None
    reasons: tuple[str, ...]


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
            f"{part_of(n_missing, n_texts, 'text', 'has', 'have')} no time, and {agree(n_missing, 'is', 'are')} "
            "in the taxonomy, but not in its curves over time",
            FitWarning,
            stacklevel=3,
        )
    # All of one kind, as a table holds them.
    kind = str if isinstance(steps.times[0], str) else float
    return tuple(None if _is_missing(stamp) else kind(stamp) for stamp in stamps)


class _Answers(NamedTuple):
    """What corrects the shares of nodes, and what texts belong to.

    **Attributes:** `layers`, of the judge, of people, or of both in this order, the last being those of the `target`:
    for each node `(n_texts,)`, 1 where a text is under it, 0 where not, `nan` where that is not known; `inclusion`,
    `(n_texts,)`, with which probability each was drawn to be judged; `clusters`, `(n_texts,)` whole numbers, equal for
    texts that belong together.
    """

    target: str = "head"
    layers: tuple[Mapping[str, np.ndarray], ...] = ()
    inclusion: np.ndarray | None = None
    clusters: np.ndarray | None = None


def _shares(
    members: Mapping[str, np.ndarray], stamps: tuple[Any, ...], answers: _Answers, unit: str | None, confidence: float
) -> SharesOverTime:
    """The shares of nodes at each time step; texts that have no time stamp do not count.

    Without answers the intervals say how far a share in so few texts may be from that of the source of the texts, not
    whether the heads err. With answers the shares are corrected by them, step by step, with what is known of the errors
    of the heads in all steps (`nlparam.numerics.statistics.curves`).

    **Arguments:** `members`, for each node the numbers of the texts under it; `stamps`, as `checked_stamps` gives them;
    `unit`, what dates are grouped by, by default the finest that gives at most `MOST_STEPS` steps. Where there are
    still more steps, neighbours are put together.
    """
    texts, steps = stepped_texts(stamps, unit)
    layers = [np.zeros((len(stamps), len(members)))]
    for at, rows_under in enumerate(members.values()):
        layers[0][rows_under, at] = 1.0
    layers += [np.stack([layer[node] for node in members], axis=1) for layer in answers.layers]
    n_steps, inclusion, clusters = len(steps.times), answers.inclusion, answers.clusters
    found = curves(
        [layer[texts] for layer in layers],
        steps.step,
        n_steps,
        # Which of the texts people labelled is left to chance.
        inclusion=None if inclusion is None else [None, inclusion[texts], *(None for _ in answers.layers[1:])],
        clusters=None if clusters is None else clusters[texts],
        confidence=confidence,
    )
    spaced = [float(time) for time in steps.times] if steps.unit == "1" else None
    known = np.isfinite(layers[-1][texts]).any(axis=1)
    return SharesOverTime(
        nodes=tuple(members),
        times=steps.times,
        unit=steps.unit,
        n_texts=np.bincount(steps.step, minlength=n_steps),
        shares=found.value.T,
        low=found.low.T,
        high=found.high.T,
        target=answers.target,
        n_answers=np.bincount(steps.step[known], minlength=n_steps) if answers.layers else np.zeros(n_steps, int),
        trends=None if answers.target == "head" else trends(found, spaced, confidence=confidence),
        reasons=found.reasons,
    )


@functools.lru_cache(maxsize=2)  # a report asks for the children of one node after another
def stepped_texts(stamps: tuple[Any, ...], unit: str | None) -> tuple[np.ndarray, TimeSteps]:
    """The numbers of the texts that have a time, and their steps."""
    texts = np.asarray([i for i, stamp in enumerate(stamps) if stamp is not None])
    return texts, grouped_steps([stamps[i] for i in texts], unit=unit, most=MOST_STEPS)


def _is_missing(stamp: Any) -> bool:
    return stamp is None or str(stamp).strip().casefold() in _MISSING


def over_time(
    tree: TreeLike,
    node: str = ROOT,
    *,
    unit: str | None = None,
    confidence: float = 0.95,
    labels: Labelled | str | Path | None = None,
) -> SharesOverTime:
    """The shares of the children of a node over time; see `Taxonomy.over_time`."""
    stamps, unit = _stamps(tree, unit)
    members = {child.id: child.members for child in tree.children(node)}
    return _shares(members, stamps, _answers(tree, list(members), labels), unit, confidence)


def over_time_by(
    tree: TreeLike,
    groups: Sequence[Any],
    node: str = ROOT,
    *,
    unit: str | None = None,
    confidence: float = 0.95,
    labels: Labelled | str | Path | None = None,
    level: float = 0.05,
    correction: str = "bh",
) -> dict[str, SharesOverTime]:
    """The shares of the children of a node over time in each group; see `Taxonomy.over_time_by`."""
    kept, unit = _stamps(tree, unit)
    if len(groups) != len(tree.corpus):
        raise CorpusError(f"got {len(groups):,} groups for {len(tree.corpus):,} texts, expected one for each")
    names = [None if is_missing(group) else str(group) for group in groups]
    members = {child.id: child.members for child in tree.children(node)}
    answers = _answers(tree, list(members), labels)
    if answers.target == "head":
        raise CorpusError(
            "got shares of heads alone, whose trends may be errors: grow the taxonomy with judged texts (--inference)"
        )
    # All groups have steps of one length.
    _, steps = stepped_texts(kept, unit)
    unit = None if steps.unit == "1" else steps.unit
    found: dict[str, SharesOverTime] = {}
    for group in sorted({name for name in names if name is not None}):
        stamps = tuple(stamp if name == group else None for stamp, name in zip(kept, names, strict=True))
        if len(set(stamps) - {None}) < 2:
            continue
        # Texts of one day, or month, have no trend.
        with contextlib.suppress(CorpusError):
            found[group] = _shares(members, stamps, answers, unit, confidence)
    if not found:
        raise CorpusError("got no group with texts of different times, expected one: choose another field for --by")
    tested = claimed([one.trends for one in found.values() if one.trends], level=level, correction=correction)
    return {group: one._replace(trends=trend) for (group, one), trend in zip(found.items(), tested, strict=True)}


def _stamps(tree: TreeLike, unit: str | None) -> tuple[tuple[Any, ...], str | None]:
    """The times of the texts, and what dates are grouped by."""
    if tree.stamps is None:
        raise CorpusError("the taxonomy was grown without time stamps: give stamps (--time-field)")
    return tree.stamps, tree.settings.get("time_unit") if unit is None else unit


def _answers(tree: TreeLike, nodes: Sequence[str], labels: Labelled | str | Path | None) -> _Answers:
    """The answers there are for some nodes. Raises `CorpusError` if there are labels, but none for one of the nodes."""
    given = _Answers(clusters=None if tree.clusters is None else cluster_codes(tree.clusters, len(tree.corpus)))
    sample, people = tree.sample, {}
    if labels is not None:
        people = said_by_people(tree, Labelled.given(labels, tree.texts), tree.texts)
        if missing := [tree.nodes[node].name for node in nodes if node not in people]:
            raise CorpusError(f"got no labels for {missing[0]!r}: label all predicates of these texts")
        labelled = np.flatnonzero(np.any([np.isfinite(people[node]) for node in nodes], axis=0))
        # A label corrects the judge only where it was asked too; where it hardly was, labels correct the heads.
        if sample is not None and 2 * len(np.intersect1d(labelled, sample.texts)) < len(labelled):
            sample = None
    if sample is not None and all(np.isfinite(sample.under[node]).any() for node in nodes):
        said, inclusion = np.full((len(nodes), len(tree.corpus)), np.nan), np.ones(len(tree.corpus))
        said[:, sample.texts] = [sample.under[node] for node in nodes]
        inclusion[sample.texts] = sample.inclusion
        given = given._replace(target="judge", inclusion=inclusion, layers=(dict(zip(nodes, said, strict=True)),))
    return given._replace(target="people", layers=(*given.layers, people)) if people else given
