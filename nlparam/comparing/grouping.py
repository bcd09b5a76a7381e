"""Groups of texts as observations, split into a half to look at and a half to test on."""

import dataclasses
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.comparing.clusters import cluster_warnings, copy_warnings, split_alike, split_clusters
from nlparam.comparing.records import Group, Units
from nlparam.corpus.corpus import Corpus
from nlparam.corpus.frames import is_frame, listed
from nlparam.errors import CorpusError, check_one_of
from nlparam.fitting.split import numbered
from nlparam.numerics.statistics.covariates import LENGTH, lengths
from nlparam.runtime.words import agree, counted, part_of

REPEATS = ("once", "count")
# Fewer distinct texts of a group in either split say nothing.
_LEAST = 5
# With fewer to test on, only differences of a quarter and more can be shown.
_FEW = 50
# With fewer clusters to test on, a difference has to be far larger than what clusters differ by.
_FEW_CLUSTERS = 8

Grouped = Mapping[str, Sequence[Any]] | Sequence[Sequence[Any]]
# Covariates with their values, in the shape of the groups; of the length of the texts these need not be given.
Adjusting = Mapping[str, Grouped | None] | Sequence[str]


@dataclasses.dataclass(frozen=True)
class Observations:
    """The groups, checked and split. `columns` has the values of each covariate, one per unit."""

    groups: list[Group]
    corpus: Corpus
    units: Units
    columns: dict[str, list]
    warnings: list[str]

    @property
    def n_groups(self) -> int:
        return len(self.groups)

    def shuffled(self, among: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """The observations of each group that are `among` some, `(n_observations,)` booleans, in random order."""
        return [rng.permutation(np.flatnonzero(among & (self.units.group == n))) for n in range(self.n_groups)]


def by_name(groups: Grouped) -> dict[str, list]:
    """Groups by name; those without names are called A, B, C, ...

    Raises `CorpusError` if there are fewer than two, or more than the letters.
    """
    if isinstance(groups, str) or (isinstance(groups, Sequence) and any(isinstance(group, str) for group in groups)):
        raise CorpusError("got texts that are in no groups, expected a list of texts for each group")
    for group in groups.values() if isinstance(groups, Mapping) else groups:
        if isinstance(group, str) or is_frame(group):
            kind = "one string" if isinstance(group, str) else f"a {type(group).__name__}"
            raise CorpusError(f'got {kind} for a group, expected its texts, such as frame["text"]')
    if isinstance(groups, Mapping):
        named = {str(name): list(listed(values)) for name, values in groups.items()}
        if len(named) != len(groups):
            raise CorpusError(f"got groups of which two have the same name: {', '.join(map(str, groups))}")
    elif len(groups) > len(string.ascii_uppercase):
        raise CorpusError("got more than 26 groups without names, expected a mapping of names to texts")
    else:
        named = {letter: list(listed(values)) for letter, values in zip(string.ascii_uppercase, groups, strict=False)}
    if len(named) < 2:
        raise CorpusError(f"got {len(named)} group{'s' if not named else ''}, expected at least two to compare")
    return named


def observe(
    groups: Grouped,
    adjust: Adjusting | None,
    *,
    clusters: Grouped | None = None,
    prose: bool = True,
    research: float,
    n_validated: int,
    repeats: str,
    rng: np.random.Generator,
) -> Observations:
    """Cleans, counts and splits the texts of some groups.

    Each distinct text is of one split, whichever groups it is in; where there are clusters, each of these is. Of the
    validation split `n_validated` observations of each group are drawn at random. With `repeats="once"` each distinct
    text of a group is one observation (of the cluster in which it is first); with "count" each text is, and equal texts
    are a cluster unless others are given.

    **Arguments:** `adjust`, for each covariate its values, in the shape of `groups`; "length" needs none. `clusters`,
    in the same shape, a value that texts which belong together have in common. `prose`, whether the texts are what is
    compared, and do not stand for something else: then near-copies are warned of.

    Raises `CorpusError` for a group without enough distinct texts or clusters, groups of the same texts, and covariates
    or clusters of another shape.
    """
    check_one_of(REPEATS, repeats=repeats)
    named = by_name(groups)
    names, warnings = list(named), []
    corpus = Corpus.from_texts([text for texts in named.values() for text in texts])
    sizes = [len(texts) for texts in named.values()]
    group_of = np.repeat(np.arange(len(names)), sizes)
    columns = _columns(adjust or {}, named, corpus)
    given = None if clusters is None else numbered(_column("clusters", clusters, named))
    there = np.flatnonzero(~corpus.blank)
    if n_blank := int(corpus.blank.sum()):
        warnings.append(
            f"{part_of(n_blank, len(corpus), 'text', 'is', 'are')} blank and {agree(n_blank, 'was', 'were')} left out"
        )
    keys = np.stack([group_of[there], corpus.row[there]])
    _, first = np.unique(keys, axis=1, return_index=True)
    if n_repeated := len(there) - len(first):
        often = "counted once" if repeats == "once" else "counted as often as they occur"
        those = part_of(n_repeated, len(corpus), "text", "repeats", "repeat")
        warnings.append(f"{those} another of the same group: equal texts are {often}")
    kept = there[np.sort(first)] if repeats == "once" else there
    text, group = corpus.row[kept], group_of[kept]
    present = np.zeros((len(corpus.distinct), len(names)), dtype=bool)
    present[text, group] = True
    _check(names, sizes, present, research)
    warnings += _overlap(present)
    if given is None:
        cluster = text if repeats == "count" and n_repeated else None
        in_research = split_alike(present, research, rng)[text]
        warnings += cluster_warnings(
            {name: [values[i] for i in kept] for name, values in columns.items()}, adjusted=True
        )
        if prose:
            texts = {
                name: [corpus.distinct[row] for row in np.flatnonzero(present[:, n])] for n, name in enumerate(names)
            }
            warnings += copy_warnings(texts, np.random.default_rng(0))
    else:
        codes, n_alone = given
        _, cluster = np.unique(codes[kept], return_inverse=True)
        members = np.zeros((int(cluster.max()) + 1, len(names)), dtype=np.int64)
        np.add.at(members, (cluster, group), 1)
        in_research = split_clusters(members, present.sum(axis=0), research, _LEAST, names, rng)[cluster]
        if n_alone:
            warnings.append(
                f"{part_of(n_alone, len(corpus), 'text', 'has', 'have')} no cluster: each is taken to be one of its own"
            )
    units = Units(text, group, in_research, np.zeros(len(text), dtype=bool), cluster)
    described = []
    for number, name in enumerate(names):
        candidates = np.flatnonzero((group == number) & ~units.research)
        chosen = candidates if len(candidates) <= n_validated else rng.choice(candidates, n_validated, replace=False)
        units.validated[chosen] = True
        n_research, n_validation = (
            len(np.unique(text[(group == number) & (in_research == split)])) for split in (True, False)
        )
        described.append(
            Group(
                name,
                n_texts=sizes[number],
                n_distinct=int(present[:, number].sum()),
                n_research=n_research,
                n_validation=n_validation,
                n_validated=len(chosen),
                n_clusters=None if cluster is None else len(np.unique(cluster[chosen])),
            )
        )
        if n_validation < _FEW:
            warnings.append(
                f"group {name!r} has {n_validation} distinct texts to test on: only large differences can be shown"
            )
        if given is not None and (n_clusters := described[-1].n_clusters or 0) < _FEW_CLUSTERS:
            warnings.append(
                f"group {name!r} has {n_clusters} clusters to test on: from so few hardly any difference can be told"
            )
    return Observations(
        described, corpus, units, {name: [values[i] for i in kept] for name, values in columns.items()}, warnings
    )


def _check(names: list[str], sizes: list[int], present: np.ndarray, research: float) -> None:
    least = max(2 * _LEAST, int(np.ceil(_LEAST / min(research, 1 - research))))
    for name, size, n_distinct in zip(names, sizes, present.sum(axis=0).tolist(), strict=True):
        if n_distinct == 0:
            raise CorpusError(f"group {name!r} has no texts{' that are not blank' if size else ''}: nothing to compare")
        if n_distinct < least:
            raise CorpusError(
                f"group {name!r} has {n_distinct} distinct texts, expected at least {least}: some to find differences "
                f"in, and others to test them on (the share {research:g} is for finding)"
            )
    if present.all():
        raise CorpusError(
            f"the groups {', '.join(map(repr, names))} hold the same {len(present)} distinct texts: "
            "there is nothing to compare; is it the same file?"
        )


def _overlap(present: np.ndarray) -> list[str]:
    shared = int((present.sum(axis=1) > 1).sum())
    if shared == 0:
        return []
    share = shared / min(present.sum(axis=0))
    message = (
        f"{counted(shared, 'distinct text', 'is', 'are')} in more than one of the groups ({share:.0%} of the "
        f"smallest): {agree(shared, 'it counts', 'they count')} in each, which tells nothing apart"
    )
    if share > 0.5:
        message += "; the groups may be two versions of one file"
    return [message]


def _columns(adjust: Adjusting, named: dict[str, list], corpus: Corpus) -> dict[str, list]:
    """The values of each covariate, group by group; those of the length are found from the texts."""
    if isinstance(adjust, str):
        adjust = (adjust,)
    given = adjust if isinstance(adjust, Mapping) else dict.fromkeys(adjust)
    found = {}
    for name, values in given.items():
        if values is not None:
            found[name] = _column(f"the covariate {name!r}", values, named)
        elif name == LENGTH:
            found[name] = lengths(corpus.texts)
        else:
            raise CorpusError(
                f"the covariate {name!r} has no values, expected one for each text; only {LENGTH!r} needs none"
            )
    return found


def _column(name: str, values: Grouped, named: dict[str, list]) -> list:
    """The values of a covariate or the clusters, group by group."""
    parts = list(values.values()) if isinstance(values, Mapping) else list(values)
    if isinstance(values, Mapping):
        if {str(key) for key in values} != set(named):
            raise CorpusError(f"{name} has values for the groups {', '.join(map(str, values))}, "
                              f"expected {', '.join(named)}")  # fmt: skip
        by_group = {str(key): part for key, part in values.items()}
        parts = [by_group[group] for group in named]
    sizes, wanted = [len(part) for part in parts], [len(texts) for texts in named.values()]
    if sizes != wanted:
        raise CorpusError(f"{name} has {sizes} values, expected {wanted}: one for each text of each group")
    return [value for part in parts for value in part]
