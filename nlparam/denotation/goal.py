"""What the relaxation and the head see of a text: its embedding, or where it lies with respect to the goal."""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.arrays import learned_goal_map
from nlparam.denotation.following import ANSWERS, GoalReader
from nlparam.errors import check_at_least
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.goals import Goal
from nlparam.language.likeness import SAYS_THE_SAME
from nlparam.language.phrasing import what_it_says
from nlparam.language.statements import WORDINGS, Stater
from nlparam.lm.base import AbstractLanguageModel
from nlparam.numerics.heads.goal_map import LEAST_STATEMENTS, GoalMap, Mapped, align_states
from nlparam.numerics.heads.head import Stated
from nlparam.results.page.rows import MAX_SENTENCE, Row
from nlparam.results.page.text import excerpt

KINDS = ("auto", "goal", "embedding")
# Texts that are stated, at least and for each predicate.
_N_STATED, _N_STATED_EACH = 96, 12
# Texts that are asked whether they tell what the goal asks for, texts on which wordings are tried, statements that a
# report names.
_N_ASKED, _N_TRIED, _N_REPORTED = 12, 24, 12
# Below this share of variance explained, so many times as many texts are stated: on multilingual sayings 96 statements
# explained nothing of those left out, 300 enough to be followed.
_MUCH_EXPLAINED, _TIMES_MORE = 0.1, 3
# From this share on, embeddings say what was said, as they do of languages: no states are read.
_WELL_EXPLAINED = 0.35
# Texts whose states are read at most, where the language model shows them: on two cores that takes some five minutes.
# They take this share of the seconds, calls or tokens of a budget at most.
_MOST_READ, _READ_SHARE = 600, 0.4
# Texts on which the spread of scores is measured.
_MOST_MEASURED = 4096


@dataclasses.dataclass(frozen=True)
class GoalFollowing:
    """How well a goal was followed, as far as that can be told without knowing the answers.

    **Attributes:** `aspect`, what was understood of the goal; `told`, how likely the language model says that a text
    tells what the goal asks for, in the mean of `n_asked` texts; `answering`, the share of the statements that the
    language model takes for answers to the goal; `explained`, the share of the variance of statements left out that the
    representation predicts (at most 1, below 0 if it does worse than their mean); `n_read`, how many judgments that
    took; `statements`, the most frequent ones with how often they were made, of `n_stated`; `n_states`, of how many
    texts the state was read and told more than embeddings; `n_unstated`, of how many texts nothing usable was said.
    What was not asked is `None`.
    """

    aspect: str
    told: float | None
    answering: float | None
    explained: float | None
    n_asked: int
    n_read: int
    n_stated: int
    statements: tuple[tuple[str, int], ...]
    n_states: int = 0
    n_unstated: int = 0

    def with_statements(self, stated: Sequence[str | None], answering: Mapping[str, float]) -> Self:
        """With what was said of each text, and how likely some of that answers the goal; what was not read passes."""
        said = [statement for statement in stated if statement is not None]
        n_usable = sum(answering.get(one, 1.0) >= ANSWERS for one in said)
        return dataclasses.replace(
            self,
            answering=n_usable / len(said) if answering else None,
            n_read=self.n_read + len(answering),
            n_stated=len(said),
            n_unstated=len(stated) - len(said),
            statements=tuple(collections.Counter(said).most_common(_N_REPORTED)),
        )

    def warnings(self) -> Iterator[str]:
        """What a user should know before reading the predicates."""
        if (found := self._doubt()) is not None:
            yield f"the goal was understood as: {self.aspect.rstrip('.?!')}. {found}"

    def _doubt(self) -> str | None:
        if self.told is not None and self.told < LEAST_TOLD:
            return (
                f"The texts say little of it: the language model finds it in {self.told:.0%} of {self.n_asked} texts. "
                "The predicates may be about something else, or made up; see whether the goal fits these texts"
            )
        if not self.statements:
            return f"The language model said nothing usable of the texts. {_HELP}"
        if self.n_stated < LEAST_STATED * (n_texts := self.n_stated + self.n_unstated):
            return f"Something usable was said of only {self.n_stated} of {n_texts} texts ({self._shown()}). {_HELP}"
        if self.answering is not None and self.answering < LEAST_ANSWERING:
            return f"Only {self.answering:.0%} of what was said of the texts answers it ({self._shown()}). {_HELP}"
        if self.statements[0][1] > MOST_ALIKE * self.n_stated:
            return f"The language model says nearly the same of all texts ({self._shown()}). {_HELP}"
        if self.explained is not None and self.n_stated >= _TELLING and self.explained < LEAST_EXPLAINED:
            return (
                f"What it says of one text can hardly be told from what it says of others: "
                f"{max(self.explained, 0):.0%} of the variance of statements left out is explained ({self._shown()}). "
                f"The predicates may be about something else. {_HELP}"
            )
        return None

    def _shown(self) -> str:
        return ", ".join(f'"{statement}" {n} times' for statement, n in self.statements[:4])


# Below these a user is warned: the mean probability that a text tells what is asked (goals that have nothing to do with
# the texts had 0.00 to 0.05, others 0.69 and more; 1.5B), the share of texts of which something was said (three goals
# of the benchmark have less than half, the others 0.83 and more), the share of answers among the statements, the share
# of one and the same statement above which they say nothing, and the share of variance of statements left out that is
# explained (goals that were followed well had 0.17 and more, others 0.03 and less).
LEAST_TOLD, LEAST_STATED, LEAST_ANSWERING, MOST_ALIKE, LEAST_EXPLAINED = 0.35, 0.5, 0.5, 0.8, 0.05
# What fewer statements explain of one another is chance.
_TELLING = 64


_HELP = "Examples of answers help (--goal-example, goal_examples=), and so does a stronger language model"


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
    embeddings; by default as many as may be judged, at most 600. Where other texts lie is predicted.
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
        """Of how many texts the state is read. Under a goal of several parts texts are asked different things."""
        if lm.states is None or len(goal.parts) > 1:
            return 0
        most = min(_MOST_READ, most_judged or _MOST_READ) if self.n_read is None else self.n_read
        return min(most, n_distinct)

    def n_calls(self, n_predicates: int, n_distinct: int) -> int:
        """How many short answers that takes: each text is stated once, and a few of them in each of the wordings."""
        return min(self.number_stated(n_predicates), n_distinct) + (len(WORDINGS) - 1) * min(_N_TRIED, n_distinct)

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
        # Of few judgments most are left for the predicates.
        n_asked = _N_ASKED if most_read is None else min(_N_ASKED, max(most_read // 2, 1))
        told = reader.told(texts[:n_asked], goal)
        nothing_said = _unstated(goal, told)
        stater.choose_wording(texts[:_N_TRIED], goal=goal.text, n_groups=n_clusters)
        features = map_features(embeddings, ngram_features)
        learned, answering, states = Learned(None, nothing_said), dict[str, float](), dict[int, np.ndarray]()
        for n_stated in (first, _TIMES_MORE * first):
            rows, texts = order[:n_stated], [corpus.distinct[row] for row in order[:n_stated]]
            stated = stater.state(texts, goal=goal.text)
            said = [statement for statement in stated if statement is not None]
            most = None if most_read is None else most_read - len(told) - len(answering)
            answering |= reader.answering(said, goal, most=most)
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
            given = embeddings, features, rows[usable], np.stack([embedded[statement] for statement in statements])
            options = {"n_clusters": n_clusters, "seed": seed, "kept": kept}
            by_statements = learned_goal_map(*given, **options)
            known, (goal_map, explained) = None, by_statements
            # First of the texts that were stated: where embeddings tell as much, of no others.
            for n_read in (min(n_stated, n_states), n_states) if explained < _WELL_EXPLAINED else ():
                unread = np.setdiff1d(order[:n_read], list(states))
                states |= _states(stater, corpus.distinct, unread, goal)
                if np.isin(rows[usable], list(states)).sum() < LEAST_STATEMENTS:
                    break
                known = align_states(np.stack([*states.values()]), np.asarray([*states]), *given[2:])
                goal_map, explained = learned_goal_map(*given, known=known, **options)
                if goal_map.share == 0.0:
                    known, (goal_map, explained) = None, by_statements
                    break
            n_used = 0 if known is None else len(known.rows)
            learned = Learned(goal_map, dataclasses.replace(following, explained=explained, n_states=n_used), known)
            if self.n_stated is not None or explained >= _MUCH_EXPLAINED or len(rows) == len(order):
                break
        return learned


def _states(stater: Stater, texts: Sequence[str], rows: np.ndarray, goal: Goal) -> dict[int, np.ndarray]:
    """The states of the texts in some rows, as far as a part of the budget goes."""
    if not len(rows):
        return {}
    with stater.engine.meter.at_most(_READ_SHARE):
        states = stater.states([texts[int(row)] for row in rows], goal=goal.text)
    return {row: state for row, state in zip(rows.tolist(), states, strict=True) if state is not None}


def following_rows(following: GoalFollowing | None) -> list[Row]:
    """How well a goal was followed; nothing if that is not known."""
    if following is None:
        return []
    shares = (
        (f"Texts that tell it (of {following.n_asked})", following.told),
        (f"Statements that answer it (of {following.n_stated})", following.answering),
        ("Explained of statements left out", following.explained),
    )
    shown = ", ".join(f"{excerpt(statement, 60)} ({n})" for statement, n in following.statements[:6])
    return [
        Row("Goal understood as", excerpt(following.aspect, MAX_SENTENCE)),
        *[Row(label, f"{max(share, 0.0):.0%}") for label, share in shares if share is not None],
        *([Row("Frequent statements", shown)] if shown else []),
        *([Row("Texts of which nothing usable was said", f"{following.n_unstated:,}")] if following.n_unstated else []),
        *([Row("Texts whose state was read", f"{following.n_states:,}")] if following.n_states else []),
    ]


def goal_following(reader: GoalReader, goal: Goal, texts: Sequence[str], said: Sequence[str]) -> GoalFollowing:
    """How well a goal was followed in what was said of texts, the first few of which are asked whether they tell it."""
    told = _unstated(goal, reader.told(texts[:_N_ASKED], goal))
    return told.with_statements(said, reader.answering(said, goal))


def _unstated(goal: Goal, told: np.ndarray) -> GoalFollowing:
    """What is known before any text is stated."""
    known = told[np.isfinite(told)]
    return GoalFollowing(
        goal.aspect, float(known.mean()) if len(known) else None, None, None, len(known), len(told), 0, ()
    )


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
