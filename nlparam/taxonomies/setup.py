"""What trees are made with: a session, and what divides the nodes of a new tree, or of one that is there."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.definitions import Definitions, kept_definitions
from nlparam.denotation.goal import Affinity, represent
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.labels import Labelled
from nlparam.denotation.policy import SMALL
from nlparam.denotation.session import DEFAULT_GOAL, Run, Running, Session
from nlparam.errors import LanguageModelError
from nlparam.fitting.setup import corpus_digest
from nlparam.language.paths import MOST_LEVELS, PathStater
from nlparam.language.phrasing import ParallelForm
from nlparam.language.propose import Contrast
from nlparam.language.statements import Stater
from nlparam.lm import load_language_model
from nlparam.lm.base import AbstractLanguageModel, Completion, Request
from nlparam.numerics.heads.goal_map import GoalMap
from nlparam.runtime.costs import Costs
from nlparam.taxonomies.dividing import Divider
from nlparam.taxonomies.options import TaxonomyOptions
from nlparam.taxonomies.proposing import NodeProposer, Statements
from nlparam.taxonomies.result import Taxonomy

# A tree of one level chooses among general and more specific names, too.
_LEAST_LEVELS = 2


class AskingAgain(Running, total=False):
    """How the language model of a taxonomy that is there is asked; it must be the same one, and judge alike."""

    lm: str | Path | AbstractLanguageModel | None
    calibration: str | Path | Labelled | None


@contextlib.contextmanager
def session_for(
    taxonomy: Taxonomy,
    *,
    lm: str | Path | AbstractLanguageModel | None = None,
    calibration: str | Path | Labelled | None = None,
    asks: bool = True,
    costs: Costs | None = None,
    definitions: Definitions | None = None,
    **asked: Unpack[Running],
) -> Iterator[tuple[Session, AbstractJudge]]:
    """A session with the language model of a taxonomy, by default where it was, and its judge.

    It judges as before: the same prompt, part of a text, calibration, and definitions unless others are given. Unless
    it `asks`, the language model is looked for only when it is needed after all.

    Raises `LanguageModelError` if the language model or the calibration is another.
    """
    settings, the_lm = taxonomy.settings, taxonomy.settings["lm"] if lm is None else lm
    if not asks:
        the_lm = NotBefore(the_lm, taxonomy, timeout=asked.get("timeout", 60.0))
    session = Session(lm=the_lm, embedder=taxonomy.denoter.embedder, costs=costs, **asked)
    with session:
        _check_same(taxonomy, "lm_identity", session.lm.identity)
        defined = kept_definitions(settings) if definitions is None else definitions
        judge = session.judge(
            n_words=int(settings["n_words"]), form=settings.get("form", "single"), definitions=defined
        )
        judge, _ = session.calibrated(judge, calibration)
        _check_same(taxonomy, "judge", judge.identity)
        yield session, judge


@contextlib.contextmanager
def dividing(
    taxonomy: Taxonomy,
    texts: Sequence[str],
    *,
    asks: bool,
    definitions: Definitions | None = None,
    **asked: Unpack[AskingAgain],
) -> Iterator[Divider]:
    """What divides nodes of a taxonomy that is there, over its texts or more: its embedder, n-grams, goal
    representation and judge; no text is stated before something is to be proposed. Raises as `session_for` does.
    """
    settings, corpus, denoter = taxonomy.settings, Corpus.from_texts(texts), taxonomy.denoter
    least, most = map(int, settings["children"])
    with session_for(taxonomy, asks=asks, definitions=definitions, **asked) as (session, judge):
        run = Run(
            session=session,
            corpus=corpus,
            embeddings=session.embed(corpus.distinct),
            ngrams=denoter.ngrams,
            ngram_features=denoter.ngrams.transform(corpus.distinct),
            judge=judge,
            settings=settings | {"corpus": corpus_digest(corpus, None), "embedder_identity": session.embedder.identity},
            seed=int(settings["seed"]),
        )
        yield make_divider(run, TaxonomyOptions(**settings["options"]), (least, most), goal_map=denoter.goal_map)


def stater_of(session: Session, goal: str, depth: int) -> PathStater:
    """What states the texts for a tree of so many levels. Whatever is said answers the goal that nobody gave."""
    stater = Stater(session.engine, n_words=session.policy.n_words_stated)
    n_levels = min(max(depth, _LEAST_LEVELS), MOST_LEVELS)
    return PathStater(stater, n_levels=n_levels, answers=None if goal == DEFAULT_GOAL else session.answered)


def stating_order(options: TaxonomyOptions, n_texts: int, *, seed: int) -> np.ndarray:
    """The distinct texts of a corpus in the order in which they are stated, as far as that goes."""
    return np.random.default_rng([seed, options.first_stated]).permutation(n_texts)


def make_divider(
    run: Run,
    options: TaxonomyOptions,
    limits: tuple[int, int],
    *,
    goal_map: GoalMap | None,
    statements: Statements | None = None,
) -> Divider:
    """What divides the nodes of a tree; without `statements`, texts are stated when something is to be proposed."""
    corpus, goal, engine = run.corpus, run.settings["goal"], run.session.engine
    if statements is None:
        statements = Statements(stater_of(run.session, goal, int(run.settings["depth"])), goal, corpus.distinct)
    represented = represent(goal_map, run.embeddings, run.ngram_features)
    proposer = NodeProposer(
        engine=engine,
        embedder=run.stored_embedder,
        statements=statements,
        affinity=Affinity(run.stored_embedder, represented),
        goal=goal,
        n_compared=options.n_compared,
        contrast=Contrast(engine) if run.session.policy.strong else None,
    )
    return Divider(
        run=run,
        proposer=proposer,
        parallel=ParallelForm(engine, run.stored_embedder.embed),
        goal_map=goal_map,
        represented=represented,
        shared=np.concatenate([represented, run.ngram_features], axis=1),
        options=options,
        children=limits,
    )


class NotBefore(AbstractLanguageModel):
    """The language model of a tree where nothing should have to be asked: looked for when something is after all."""

    keeps_time = True  # as servers do; a model in this process needs no limit

    def __init__(self, spec: str | Path | AbstractLanguageModel, taxonomy: Taxonomy, *, timeout: float):
        self.identity = taxonomy.settings["lm_identity"]
        self.strong = int(taxonomy.settings["n_words"]) > SMALL.n_words
        self._spec, self._taxonomy, self._timeout = spec, taxonomy, timeout
        self._found: AbstractLanguageModel | None = None

    @property
    def in_process(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride] - known when it is found
        return self._found is not None and self._found.in_process

    @property
    def steps(self) -> int | None:
        return None if self._found is None else self._found.steps

    async def complete(self, request: Request) -> Completion:
        if self._found is None:
            self._found = load_language_model(self._spec, timeout=self._timeout)
            _check_same(self._taxonomy, "lm_identity", self._found.identity)
        return await self._found.complete(request)

    async def aclose(self) -> None:
        if self._found is not None:
            await self._found.aclose()


_REMEDIES = {
    "lm_identity": "give the one that the taxonomy was made with (lm=, --lm)",
    "judge": "give the calibration that the taxonomy was made with (calibration=, --calibration), or use the same "
    "version of nlparam",
}


def _check_same(taxonomy: Taxonomy, setting: str, identity: str) -> None:
    """Raises `LanguageModelError` if a language model or a judge is not the one that a taxonomy was made with."""
    expected = taxonomy.settings[setting]
    if identity != expected:
        what = "judge" if setting == "judge" else "language model"
        raise LanguageModelError(f"the {what} here is {identity!r}, expected {expected!r}: {_REMEDIES[setting]}")
