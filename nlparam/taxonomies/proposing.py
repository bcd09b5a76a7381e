"""Candidates for the children of a node: from the statements of its texts, under the goal."""

import collections
import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.denotation.goal import Affinity, saying
from nlparam.language.asking import ask
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.likeness import distinct
from nlparam.language.merging import Merged, Merger
from nlparam.language.paths import PathStater
from nlparam.language.phrasing import Phraser, what_it_says
from nlparam.language.prompting import load_prompt
from nlparam.language.propose import AbstractProposer
from nlparam.language.propose.both import in_turn
from nlparam.language.statements import category_of
from nlparam.language.subcategories import Subcategories
from nlparam.lm.engine import Engine
from nlparam.numerics.core.cover import facility_location

# So many names of a group are shown at most, and there are so many names for each group at least.
_N_NAMED_BY, _LEAST_NAMES = 10, 3
# What a more specific name counts, against the one above it.
_RANK_WEIGHT = 0.5
# A node with fewer stated texts has more of its texts stated.
LEAST_STATED = 24
# So many times the candidates that are judged are looked for; those that lie best among the texts are kept, and of what
# was said so often the most frequent, half as many.
_PROPOSED, _OFTEN = 2, 2


@dataclasses.dataclass
class Statements:
    """What the texts of a corpus are under the goal, each stated once for all nodes of a tree.

    `paths[row]` are the names of a distinct text from general to specific; texts that gave no usable answer have `()`.
    """

    stater: PathStater
    goal: str
    texts: Sequence[str]
    paths: dict[int, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def state(self, rows: np.ndarray) -> None:
        """Has some texts stated that are not yet, as far as the budget goes."""
        missing: list[int] = [row for row in rows.tolist() if row not in self.paths]
        stated = self.stater.state([self.texts[row] for row in missing], goal=self.goal)
        self.paths |= dict(zip(missing, stated, strict=True))

    def usable(self, rows: np.ndarray) -> list[int]:
        """Which of some rows have a name, as positions in `rows`."""
        return [position for position, row in enumerate(rows.tolist()) if self.paths.get(row)]

    def names(self, row: int, level: int, ancestors: Container[str] = ()) -> tuple[str, ...]:
        """What a text is below a node on `level` (0 for the root), from general to specific.

        Of its path that is what comes after the last name that says the same as a predicate above (`ancestors`), else
        what comes after as many names as there are levels above. Empty if there is nothing more specific.
        """
        path = self.paths[row]
        start = max((number + 1 for number, name in enumerate(path) if name in ancestors), default=level)
        return path[start:]


@dataclasses.dataclass
class NodeProposer:
    """Proposes the children of a node.

    The texts of the node that were stated have names below it: those that are frequent are candidates, the more general
    ones before the more specific. Names that lie near one another add the category that they have in common, and the
    language model names the usual subcategories of what the node says. A strong language model is also shown the texts
    of each slot (`contrast`). Of all these, those are kept that lie near to the texts, and near to different ones
    (`affinity`).
    """

    engine: Engine
    embedder: AbstractEmbedder
    statements: Statements
    affinity: Affinity
    goal: str
    n_compared: int
    contrast: AbstractProposer | None = None

    def __post_init__(self):
        self.generalise, self.phraser = load_prompt("generalise"), Phraser(self.engine, self.goal)
        # What is near to a predicate above is below it more often than not: only candidates are compared.
        self.merger = Merger(self.engine, self.embedder.embed, self.n_compared)
        self.subcategories = Subcategories(self.engine)

    def propose(
        self,
        rows: np.ndarray,
        scores: np.ndarray,
        *,
        path: Sequence[str],
        excluded: Sequence[str],
        n_candidates: int,
        rng: np.random.Generator,
    ) -> Merged:
        """At most `n_candidates` predicates for the texts `rows`, `(n_rows, n_slots)` scores of which are given.

        `path` are the predicates from the first level down to the node; they and those `excluded` are not proposed.
        """
        goal = self.goal if not path else f"{self.goal}, of texts for which this holds: {path[-1]}"
        weights = self._weights(rows, path)
        categories = self._categories(weights, scores.shape[1], path, goal)
        known = {predicate.casefold() for predicate in (*path, *excluded)}
        predicates = self.phraser.phrase(categories)
        phrased = dict(zip(categories, predicates, strict=True))
        if self.contrast is not None:
            there: list[int] = rows.tolist()
            texts = [self.statements.texts[row] for row in there]
            proposals = self.contrast.propose(texts, scores, goal=goal, avoid=list(path), rng=rng)
            predicates = in_turn([*proposals, predicates])
        fresh = distinct(predicate for predicate in predicates if predicate.casefold() not in known)
        merged = self.merger.merge(fresh, taken=[*path, *excluded], most=_PROPOSED * n_candidates)
        if len(merged.predicates) <= n_candidates:
            return merged
        often = [phrased[name] for name in list(weights)[: n_candidates // 2] if weights[name] >= _OFTEN]
        said = dict.fromkeys(merged.same_as.get(predicate, predicate) for predicate in often)
        fixed = [merged.predicates.index(predicate) for predicate in said if predicate in merged.predicates]
        nearest = facility_location(self.affinity.scores(rows, merged.predicates), n_candidates, fixed=fixed)
        kept = [merged.predicates[number] for number in sorted(nearest.tolist())]
        same_as = {predicate: twin for predicate, twin in merged.same_as.items() if twin in kept}
        return Merged(kept, same_as)

    def _weights(self, rows: np.ndarray, path: Sequence[str]) -> dict[str, float]:
        """How often each name was said of the texts below the node that `path` leads to, the frequent ones first."""
        stated = self.statements.usable(rows)
        weights: dict[str, float] = collections.defaultdict(float)
        for names in self.named(rows[stated], path) if stated else ():
            for rank, name in enumerate(names):
                weights[name] += _RANK_WEIGHT**rank
        return dict(sorted(weights.items(), key=lambda item: -item[1]))

    def _categories(self, weights: Mapping[str, float], n_slots: int, path: Sequence[str], goal: str) -> list[str]:
        """The names that are frequent among the texts, and between them what names that are alike have in common."""
        usual = self.subcategories.name(what_it_says(path[-1]), goal=self.goal) if path else []
        groups = self._groups(weights, n_slots)
        shown = [{"goal": goal, "statements": "\n".join(f"- {n}" for n in names)} for names in groups]
        general = ask(self.engine, self.generalise, shown, category_of, what="generalising", max_tokens=12)
        frequent = list(weights)
        # Two frequent names for each general one.
        named_general = [name for name in general if name is not None]
        return in_turn([frequent[::2], frequent[1::2], usual, named_general])

    def _groups(self, weights: Mapping[str, float], n_groups: int) -> list[list[str]]:
        """Names that lie near one another, the frequent ones first; of several names each, the heaviest first."""
        names = list(weights)
        if len(names) < 2 * _LEAST_NAMES:
            return [names] if len(names) > 1 else []
        from sklearn.cluster import KMeans

        counts = np.asarray([weights[name] for name in names])
        kind: Any = KMeans
        means = kind(min(n_groups, len(names) // _LEAST_NAMES), n_init=3, random_state=0)
        labels = means.fit_predict(self.embedder.embed(names), sample_weight=counts)
        groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        groups.sort(key=lambda members: -counts[members].sum())
        return [
            [names[n] for n in members[np.argsort(-counts[members], kind="stable")][:_N_NAMED_BY]]
            for members in groups
            if len(members) > 1
        ]

    def named(self, rows: np.ndarray, path: Sequence[str]) -> list[tuple[str, ...]]:
        """What stated texts are below the node that `path` leads to; `()` where nothing more specific was said."""
        ancestors = self._saying(path, {name for row in rows.tolist() for name in self.statements.paths[row]})
        return [self.statements.names(row, len(path), ancestors) for row in rows.tolist()]

    def _saying(self, path: Sequence[str], names: Iterable[str]) -> set[str]:
        """Which names say the same as a predicate above."""
        names = sorted(names)
        if not path or not names:
            return set()
        same = saying(self.embedder.embed, names, path)
        return {name for name, row in zip(names, same, strict=True) if row.any()}
