"""What the relaxation and the head see of a text: its embedding, or where it lies with respect to the goal."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.arrays import learned_goal_map
from nlparam.denotation.following import ANSWERS, GoalFollowing, GoalReader, unstated
from nlparam.errors import check_at_least
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.goals import Goal
from nlparam.language.likeness import SAYS_THE_SAME
from nlparam.language.phrasing import what_it_says
from nlparam.language.statements import WORDINGS, Stater
from nlparam.lm.base import AbstractLanguageModel
from nlparam.numerics.heads.goal_map import LEAST_STATEMENTS, GoalMap, LearnedMap, Mapped, align_states
from nlparam.numerics.heads.head import Stated

KINDS = ("auto", "goal", "embedding")
# Texts that are stated, at least and for each predicate.
_N_STATED, _N_STATED_EACH = 96, 12
# Texts on which wordings are tried.
_N_TRIED = 24
# Below this share of variance explained, so many times as many texts are stated: on multilingual sayings 96 statements
# explained nothing of those left out, 300 enough to be followed.
_MUCH_EXPLAINED, _TIMES_MORE = 0.1, 3
# From this share on, embeddings say what was said, as they do of languages: no states are read.
_WELL_EXPLAINED = 0.35
# Texts whose states are read at most, if the language model shows them: on two cores that takes four to nine minutes.
# They take this share of the seconds, calls or tokens of a budget at most.
_MOST_READ, _READ_SHARE = 600, 0.4
# Texts on which the spread of scores is measured.
_MOST_MEASURED = 4096


class Learned(NamedTuple):
    """The goal representation, `None` where too few statements were usable, how well the goal was followed, and where
    texts lie whose states were read."""

    goal_map: GoalMap | None
    following: GoalFollowing
    known: Mapped | None = None


@dataclasses.dataclass(frozen=True)
class GoalRepresentation:
    """The goal representation (see `nlparam.numerics.heads.goal_map`), learned from statements of a sample of the
    texts.

    **Arguments:** `n_stated`, how many texts the language model states, one short call each; by default 96, and with
    many predicates twelve for each; then three times as many where these explain little of one another. `n_read`, the
    states of how many texts are read, one call each, where the language model shows them and they tell more than
    embeddings; by default as many as may be judged, at most 600, and none of a strong model. Where other texts lie is
    predicted.
    """

    n_stated: int | None = None
    n_read: int | None = None

    def __post_init__(self):
        if self.n_read is not None:
            check_at_least(0, n_read=self.n_read)
        if self.n_stated is not None and self.n_stated < LEAST_STATEMENTS:
            raise ValueError(f"got n_stated={self.n_stated}, expected at least {LEAST_STATEMENTS}")

    def number_stated(self, n_predicates: int) -> int:
        """How many texts are stated for so many predicates at first: three times as many where these explain little."""
        return max(_N_STATED, _N_STATED_EACH * n_predicates) if self.n_stated is None else self.n_stated

    def number_read(self, n_distinct: int, most_judged: int | None, *, goal: Goal, lm: AbstractLanguageModel) -> int:
        """Of how many texts the state is read. Under a goal of several parts texts are asked different things. What a
        strong model is about to say, beside what it says, was not measured: it is read where `n_read` is given."""
        if lm.states is None or len(goal.parts) > 1:
            return 0
        most = 0 if lm.strong else min(_MOST_READ, most_judged or _MOST_READ)
        return min(most if self.n_read is None else self.n_read, n_distinct)

    def n_calls(self, n_predicates: int, n_distinct: int, *, n_states: int = 0) -> int:
        """How many short calls that takes: each text is stated once, and a few of them in each of the wordings. Of
        `n_states` texts the state is read, which comes with what is stated."""
        n_stated = min(self.number_stated(n_predicates), n_distinct)
        return max(n_stated, n_states) + (len(WORDINGS) - 1) * min(_N_TRIED, n_distinct)

    def learn(
        self,
        corpus: Corpus,
        embeddings: np.ndarray,
        ngram_features: np.ndarray,
        *,
        goal: Goal,
        stater: Stater,
        reader: GoalReader,
        embedder: AbstractEmbedder,
        n_clusters: int,
        seed: int,
        order: np.ndarray | None = None,
        phrases: Callable[[Sequence[str]], Sequence[str]] | None = None,
        most_read: int | None = None,
        n_states: int = 0,
        kept: bool = False,
    ) -> Learned:
        """Has a random sample of the texts stated and learns the map from those statements that answer the goal.

        `order` are the rows of distinct texts as they are stated, by default at random. `phrases` gives what is
        embedded of texts that were stated, by default their statements. `most_read` is the most judgments that may be
        spent on seeing whether the goal is followed; `n_states`, the states of how many texts are read (`number_read`);
        `kept` keeps the map in the cache.

        Raises `LanguageModelError` if the language model cannot be asked.
        """
        first = self.number_stated(n_clusters)
        if order is None:
            order = np.random.default_rng([seed, first]).permutation(len(corpus.distinct))
        texts = [corpus.distinct[row] for row in order[:first]]
        nothing_said = unstated(reader, goal, texts, most=most_read)
        stater.choose_wording(texts[:_N_TRIED], goal=goal.text, n_groups=n_clusters)
        features = map_features(embeddings, ngram_features)
        learned, answering = Learned(None, nothing_said), dict[str, float]()
        states = _States(stater, goal, corpus.distinct)
        for n_stated in (first, _TIMES_MORE * first):
            rows, texts = order[:n_stated], [corpus.distinct[row] for row in order[:n_stated]]
            stated = stater.state(texts, goal=goal.text)
            said = [statement for statement in stated if statement is not None]
            most = None if most_read is None else most_read - nothing_said.n_read - len(answering)
            answering |= reader.answering(said, goal, known=answering, most=most)
            usable = np.asarray([one is not None and answering.get(one, 1.0) >= ANSWERS for one in stated], dtype=bool)
            # What was not asked, as the budget was spent, is not unusable.
            asked = stated if stater.engine.meter.spent is None else said
            following = nothing_said.with_statements(asked, answering)
            if np.count_nonzero(usable) < LEAST_STATEMENTS:
                return Learned(None, following)
            statements = [one for one, use in zip(stated, usable, strict=True) if one is not None and use]
            if phrases is not None:
                statements = phrases([text for text, use in zip(texts, usable, strict=True) if use])
            distinct = list(dict.fromkeys(statements))
            embedded = dict(zip(distinct, embedder.embed(distinct), strict=True))
            of_stated = rows[usable], np.stack([embedded[statement] for statement in statements])
            options = {"n_clusters": n_clusters, "seed": seed, "kept": kept}
            learn_map = functools.partial(learned_goal_map, embeddings, features, *of_stated, **options)
            by_statements, by_states = learn_map(), None
            if by_statements.explained < _WELL_EXPLAINED:
                # First of the texts that were stated: where embeddings tell as much, of no others.
                samples = order[: min(n_stated, n_states)], order[:n_states]
                by_states = states.map_by(samples, *of_stated, learn_map)
            (goal_map, explained), known = by_states or (by_statements, None)
            n_used = 0 if known is None else len(known.rows)
            # States explain what is said next even if it is a guess, so they are no sign of a goal that is followed.
            following = dataclasses.replace(following, explained=by_statements.explained, n_states=n_used)
            learned = Learned(goal_map, following, known)
            if self.n_stated is not None or explained >= _MUCH_EXPLAINED or len(rows) == len(order):
                break
        return learned


@dataclasses.dataclass
class _States:
    """Reads what the language model is about to say of some of the `texts`, of each once, and learns maps from that."""

    stater: Stater
    goal: Goal
    texts: Sequence[str]
    read: dict[int, np.ndarray] = dataclasses.field(default_factory=dict, init=False)

    def map_by(
        self,
        samples: Iterable[np.ndarray],
        stated: np.ndarray,
        statements: np.ndarray,
        learn_map: Callable[..., LearnedMap],
    ) -> tuple[LearnedMap, Mapped] | None:
        """The map that is learned from the states of all samples, and where their texts lie; `None`, and no further
        sample is read, as soon as embeddings tell as much.
        """
        found = None
        for sample in samples:
            unread = np.setdiff1d(sample, list(self.read))
            if found is not None and not len(unread):
                break  # all of it was learned from
            self._read(unread)
            if np.isin(stated, list(self.read)).sum() < LEAST_STATEMENTS:
                return None
            known = align_states(np.stack([*self.read.values()]), np.asarray([*self.read]), stated, statements)
            found = learn_map(known=known), known
            if found[0].goal_map.share == 0.0:
                return None
        return found

    def _read(self, rows: np.ndarray) -> None:
        """Reads the states of the texts in some rows, as far as a part of the budget goes."""
        if len(rows):
            with self.stater.engine.meter.at_most(_READ_SHARE):
                states = self.stater.states([self.texts[int(row)] for row in rows], goal=self.goal.text)
            found = zip(rows.tolist(), states, strict=True)
            self.read |= {row: state for row, state in found if state is not None}


def follows(representation: "str | GoalRepresentation", wanted: bool) -> bool:
    """Whether texts are represented by the goal. `wanted` decides for "auto": is there a goal that predicates which are
    yet to be proposed can follow? Raises `ValueError` for an unknown name."""
    if isinstance(representation, GoalRepresentation):
        return True
    if representation not in KINDS:
        raise ValueError(
            f"got representation={representation!r}, expected one of {', '.join(KINDS)} or a GoalRepresentation"
        )
    return representation == "goal" or (representation == "auto" and wanted)


def represent(
    goal_map: GoalMap | None, embeddings: np.ndarray, ngram_features: np.ndarray, known: Mapped | None = None
) -> np.ndarray:
    """`(n_texts, represented_dim)` unit vectors: the embeddings themselves where there is no map. `known` are texts
    whose states were read."""
    if goal_map is None or goal_map.share == 0.0:
        return embeddings
    return goal_map.represent(embeddings, map_features(embeddings, ngram_features), known)


def map_features(embeddings: np.ndarray, ngram_features: np.ndarray) -> np.ndarray:
    """`(n_texts, n_features)`, what the map sees of a text."""
    return np.concatenate([embeddings, ngram_features], axis=1)


@dataclasses.dataclass(frozen=True)
class Affinity:
    """Cosines of texts and predicates, in the space in which texts are represented.

    `represented` is `(n_texts, represented_dim)`: embeddings of texts, of what would be stated of them, or both beside
    one another. What a predicate says is embedded like a statement, and is as near to each part.
    """

    embedder: AbstractEmbedder
    represented: np.ndarray

    def directions(self, predicates: Sequence[str]) -> np.ndarray:
        """`(represented_dim, n_predicates)`."""
        embedded = self.embedder.embed([what_it_says(predicate) for predicate in predicates])
        n_parts = self.represented.shape[1] // embedded.shape[1]
        return np.tile(embedded, n_parts).T

    def scores(self, rows: np.ndarray, predicates: Sequence[str]) -> np.ndarray:
        """`(n_rows, n_predicates)`: the higher, the more likely a predicate holds."""
        return self.represented[rows] @ self.directions(predicates)

    def guesses(self, rows: np.ndarray, predicates: Sequence[str], n_features: int) -> np.ndarray:
        """`(n_features, n_predicates)` for `nlparam.numerics.heads.head.fit_head`, the representation being the
        first of the features: the scores of the texts `rows` have a standard deviation of one."""
        directions = self.directions(predicates)
        step = -(-len(rows) // _MOST_MEASURED)
        spread = (self.represented[rows[::step]] @ directions).std(axis=0)
        guesses = np.zeros((n_features, len(predicates)), dtype=np.float32)
        guesses[: len(directions)] = directions / np.where(spread > 0, spread, 1)
        return guesses


@dataclasses.dataclass
class Sayings:
    """Of which texts that were stated under the goal just that was said which a predicate says.

    **Arguments:** `names`, what was said of a text, nothing if it was not stated.
    """

    embedder: AbstractEmbedder
    names: Callable[[str], Sequence[str]]
    _vectors: dict[str, np.ndarray] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def of(self, texts: Sequence[str], predicates: Sequence[str]) -> Stated:
        """As `nlparam.numerics.heads.head.fit_head` takes it."""
        names = {row: said for row, text in enumerate(texts) if (said := self.names(text))}
        if not names:
            return Stated(np.zeros(0, dtype=int), np.zeros((0, len(predicates)), dtype=bool))
        alike = saying(self._embedded, [one for said in names.values() for one in said], predicates)
        starts = np.cumsum([0, *map(len, names.values())])[:-1]
        return Stated(np.asarray(list(names)), np.logical_or.reduceat(alike, starts, axis=0))

    def _embedded(self, words: Sequence[str]) -> np.ndarray:
        new = [one for one in dict.fromkeys(words) if one not in self._vectors]
        self._vectors |= zip(new, self.embedder.embed(new), strict=True) if new else {}
        return np.stack([self._vectors[one] for one in words])


def saying(embed: Callable[[Sequence[str]], np.ndarray], names: Sequence[str], predicates: Sequence[str]) -> np.ndarray:
    """`(n_names, n_predicates)` booleans: whether a name is what a predicate says ("sport", "is about sports")."""
    vectors = embed([*names, *map(what_it_says, predicates)])
    return vectors[: len(names)] @ vectors[len(names) :].T >= SAYS_THE_SAME
