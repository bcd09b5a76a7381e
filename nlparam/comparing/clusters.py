"""Texts that belong together: those of an author, a thread, a speech. They are split together and counted together."""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nlparam.corpus.labels import is_missing
from nlparam.errors import CorpusError

# Of each group so many clusters are needed: one to find differences in, and two to test them on.
LEAST_CLUSTERS = 3
_FLAG = "clusters= (--cluster-field)"
_SPOKEN = re.compile(
    r"(^|[_\s-])(authors?|users?|writers?|speakers?|threads?|conversations?|sessions?|speech(es)?|dialog(ue)?s?"
    r"|documents?|doc|customers?|accounts?|posters?|reviewers?|persons?|respondents?|participants?|patients?|students?)"
    r"([_\s-]?(ids?|names?|keys?|nos?|numbers?))?$",
    re.IGNORECASE,
)
# A category of more different values is rather who wrote a text than what kind of text it is.
_MANY = 20
# Near-copies: texts of at least so many words, the share of their beginnings of sorted hashes that is one other text's.
_LEAST_WORDS, _RUN, _KEPT, _MOST_WORDS, _MOST_TEXTS = 8, 5, 8, 200, 4000
_FEW_COPIES, _SMALL_SHARE = 10, 0.05


def sounds_like_clusters(name: str) -> bool:
    """Whether a field is called like an author, a thread, or something else that texts belong to."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return _SPOKEN.search(spaced) is not None


def cluster_warnings(fields: Mapping[str, Sequence], *, adjusted: bool) -> list[str]:
    """A warning for each field that looks like an author or a thread: values that several texts have.

    **Arguments:** `fields`, the values of each; `adjusted`, whether they are covariates: then a category of many values
    counts too, whatever it is called.
    """
    warnings = []
    for name, values in fields.items():
        counts = Counter(str(value) for value in values if not is_missing(value))
        categories = any(isinstance(value, str) for value in values) and len(counts) > _MANY
        if not (sounds_like_clusters(name) or (adjusted and categories)):
            continue
        n_together = sum(n for n in counts.values() if n > 1)
        if len(counts) > 1 and n_together > len(values) / 10:
            warnings.append(
                f"the field {name!r} looks like what texts belong to ({len(counts):,} values in {len(values):,} "
                f"texts): if these are not independent, differences are claimed too easily; give it as {_FLAG}"
            )
    return warnings


def copy_warnings(texts_of_groups: Mapping[str, Iterable[str]], rng: np.random.Generator) -> list[str]:
    """A warning for each group of which many texts are near-copies of one another: form letters, threads that quote."""
    warnings = []
    for name, given in texts_of_groups.items():
        texts = list(given)
        if len(texts) > _MOST_TEXTS:
            texts = [texts[number] for number in rng.choice(len(texts), _MOST_TEXTS, replace=False)]
        n_copies = n_near_copies(texts)
        if n_copies >= _FEW_COPIES and n_copies >= _SMALL_SHARE * len(texts):
            warnings.append(
                f"{n_copies / len(texts):.0%} of the texts of group {name!r} are near-copies of others and yet count "
                f"as independent: say which belong together by {_FLAG}"
            )
    return warnings


def n_near_copies(texts: Sequence[str]) -> int:
    """How many texts share most of their runs of five words with one before them, by the smallest hashes of these.

    Texts of fewer than eight words are not looked at.
    """
    owner: dict[int, int] = {}
    n_copies = 0
    for number, text in enumerate(texts):
        words = text.casefold().split(None, _MOST_WORDS)[:_MOST_WORDS]
        if len(words) < _LEAST_WORDS:
            continue
        runs = {" ".join(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
        smallest = sorted(zlib.crc32(run.encode()) for run in runs)[:_KEPT]
        others = Counter(owner[one] for one in smallest if one in owner)
        n_copies += bool(others) and others.most_common(1)[0][1] > len(smallest) / 2
        for one in smallest:
            owner.setdefault(one, number)
    return n_copies


def split_alike(there: np.ndarray, research: float, rng: np.random.Generator) -> np.ndarray:
    """`(n,)`, true for the research split, so that each group, and each overlap of groups, is split alike.

    `there`, `(n, n_groups)`, says which texts (or clusters) are in which groups.
    """
    kinds = np.unique(there, axis=0, return_inverse=True)[1].reshape(-1)
    chosen = np.zeros(len(there), dtype=bool)
    for kind in range(int(kinds.max()) + 1):
        rows = rng.permutation(np.flatnonzero(kinds == kind))
        # A single one of a kind goes to either split, by chance.
        chosen[rows[: math.floor(research * len(rows) + rng.random())]] = True
    return chosen


def split_clusters(
    members: np.ndarray, texts: np.ndarray, research: float, least: int, names: Sequence[str], rng: np.random.Generator
) -> np.ndarray:
    """`(n_clusters,)`, true for those of the research split.

    Clusters of the same groups are split alike. Each group gets at least one cluster and `least` texts to find
    differences in, and two clusters and as many texts to test them on.

    **Arguments:** `members`, `(n_clusters, n_groups)`, how many texts of a cluster are of a group; `texts`, how many
    distinct texts each group has, `(n_groups,)`; `research`, the share of the clusters that are to be of that split.

    Raises `CorpusError` if a group has too few clusters, or too few that are large enough.
    """
    there = members > 0
    for name, n_clusters, n_texts in zip(names, there.sum(axis=0).tolist(), texts.tolist(), strict=True):
        if n_clusters < LEAST_CLUSTERS:
            raise CorpusError(
                f"group {name!r} has {n_clusters} cluster{'s' if n_clusters > 1 else ''} in {n_texts} texts, expected "
                f"at least {LEAST_CLUSTERS}: what tells groups apart may tell clusters apart; gather texts of more "
                "clusters, or choose a finer field"
            )
    for _ in range(500):
        chosen = split_alike(there, research, rng)
        n_clusters = np.stack([there[chosen].sum(axis=0), there[~chosen].sum(axis=0) - 1])
        n_texts = np.stack([members[chosen].sum(axis=0), members[~chosen].sum(axis=0)])
        if n_clusters.min() >= 1 and n_texts.min() >= least:
            return chosen
    raise CorpusError(
        f"the clusters cannot be split such that each group has {least} texts to find differences in and {least} of "
        "two clusters to test them on: some clusters hold most of the texts of a group; gather more, or choose a finer "
        "field"
    )
