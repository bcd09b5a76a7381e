"""Candidates for the children of a node: from the statements of its texts, under the goal."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.language.embed import AbstractEmbedder
from nlparam.language.lm.base import Request
from nlparam.language.lm.engine import Engine
from nlparam.language.paths import PathStater
from nlparam.language.phrasing import Phraser
from nlparam.language.prompting import load_prompt
from nlparam.language.propose import AbstractProposer
from nlparam.language.similarity import SimilarityJudge
from nlparam.language.statements import category_of

# Stated texts that a slot is named by.
_N_NAMED_BY = 10
# A node with fewer stated texts has more of its texts stated.
LEAST_STATED = 24
# Cosines of embedded predicates from which on they are the same without asking, and from which on they are compared.
_SAME, _PERHAPS = 0.92, 0.6


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

    def name(self, row: int, level: int) -> str:
        """What a text is on a level (0 for the children of the root), or on its last one if that comes before."""
        path = self.paths[row]
        return path[min(level, len(path) - 1)]

    def below(self, row: int, level: int) -> str:
        """What a text is from a level on, as one phrase."""
        path = self.paths[row]
        return ", ".join(path[min(level, len(path) - 1) :])


@dataclasses.dataclass(frozen=True)
class Proposed:
    """Candidates, the most promising first, and those that were merged into one of them (`same_as[merged] = kept`)."""

    predicates: list[str]
    same_as: dict[str, str]


@dataclasses.dataclass
class NodeProposer:
    """Proposes the children of a node.

    The texts of the node that were stated speak for the slots they score highly in. For each slot there is the category
    that their names have in common, and the names themselves, the frequent ones first. A strong language model is also
    shown the texts of each slot (`contrast`).
    """

    engine: Engine
    embedder: AbstractEmbedder
    phraser: Phraser
    statements: Statements
    goal: str
    n_compared: int
    contrast: AbstractProposer | None = None

    def __post_init__(self):
        self.generalise = load_prompt("generalise")
        self.similarity = SimilarityJudge(self.engine)

    @property
    def identity(self) -> str:
        parts = [self.statements.stater.identity, self.generalise.version, self.phraser.identity]
        return " ".join(parts if self.contrast is None else [*parts, self.contrast.identity])

    def propose(
        self,
        rows: np.ndarray,
        scores: np.ndarray,
        *,
        level: int,
        path: Sequence[str],
        excluded: Sequence[str],
        n_candidates: int,
        rng: np.random.Generator,
    ) -> Proposed:
        """At most `n_candidates` predicates for the texts `rows`, `(n_rows, n_slots)` scores of which are given.

        `path` are the predicates from the first level down to the node; they and those `excluded` are not proposed.
        """
        goal = self.goal if not path else f"{self.goal}, of texts for which this holds: {path[-1]}"
        categories = self._categories(rows, scores, level, goal)
        known = {predicate.casefold() for predicate in (*path, *excluded)}
        predicates = self.phraser.phrase(categories)
        if self.contrast is not None:
            there: list[int] = rows.tolist()
            texts = [self.statements.texts[row] for row in there]
            proposals = self.contrast.propose(texts, scores, goal=goal, avoid=list(path), rng=rng)
            predicates = _round_robin([*proposals, predicates])
        fresh = list({p.casefold(): p for p in predicates if p.casefold() not in known}.values())
        return self._merged(fresh, [*path, *excluded], n_candidates)

    def _categories(self, rows: np.ndarray, scores: np.ndarray, level: int, goal: str) -> list[str]:
        """For each slot in turn what its names have in common, then the names, and those frequent in the whole node."""
        stated = self.statements.usable(rows)
        if not stated:
            return []
        of_stated = scores[stated]
        best = of_stated.argmax(axis=1)
        slots: list[list[str]] = []
        for slot in range(scores.shape[1]):
            members = np.flatnonzero(best == slot)
            members = members[np.argsort(-of_stated[members, slot], kind="stable")][:_N_NAMED_BY]
            slots.append([self.statements.name(int(rows[stated[member]]), level) for member in members])
        named = [names for names in slots if names]
        requests = [
            Request(self.generalise.fill(goal=goal, statements="\n".join(f"- {n}" for n in names)), max_tokens=12)
            for names in named
        ]
        answers = self.engine.complete_stored(requests, what="generalising")
        general = [None if answer is None else category_of(answer.text) for answer in answers]
        overall = collections.Counter(self.statements.name(int(rows[position]), level) for position in stated)
        lists = [
            [*([category] if category is not None else []), *_frequent(collections.Counter(names))]
            for category, names in zip(general, named, strict=True)
        ]
        return _round_robin([*lists, [name for name, n in overall.most_common() if n > 1]])

    def _merged(self, predicates: list[str], taken: Sequence[str], n_candidates: int) -> Proposed:
        """Without those that mean the same as an earlier one, or as one of those `taken`."""
        if not predicates:
            return Proposed([], {})
        vectors = self.embedder.embed([*taken, *predicates])
        cosines = vectors @ vectors.T
        n_taken, n_compared = len(taken), 0
        kept: list[int] = []
        same_as: dict[str, str] = {}
        for number in range(n_taken, len(vectors)):
            if len(kept) == n_candidates:
                break
            others = [*range(n_taken), *kept]
            alike = sorted((o for o in others if cosines[number, o] >= _PERHAPS), key=lambda o: -cosines[number, o])
            twin = next((o for o in alike if cosines[number, o] >= _SAME), None)
            if twin is None and alike and n_compared < self.n_compared:
                n_compared += 1
                pair = (predicates[number - n_taken], [*taken, *predicates][alike[0]])
                if self.similarity.judge([pair])[0] == 1.0:
                    twin = alike[0]
            if twin is None:
                kept.append(number)
            elif twin >= n_taken:
                same_as[predicates[number - n_taken]] = predicates[twin - n_taken]
        return Proposed([predicates[number - n_taken] for number in kept], same_as)


def _frequent(counts: collections.Counter[str]) -> list[str]:
    return [name for name, _ in counts.most_common()]


def _round_robin(lists: Sequence[Sequence[str]]) -> list[str]:
    longest = max((len(one) for one in lists), default=0)
    return list(dict.fromkeys(one[rank] for rank in range(longest) for one in lists if rank < len(one)))
