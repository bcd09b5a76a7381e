"""Everything that a fit needs, checked and put together: corpus, language model, judge, search."""

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.calibration import CalibrationSummary, Labelled, calibrate
from nlparam.denotation.cascade import Cascade
from nlparam.denotation.computed import Executable
from nlparam.denotation.following import GoalReader
from nlparam.denotation.goal import KINDS, Affinity, GoalFollowing, GoalRepresentation, represent
from nlparam.denotation.judge import AbstractJudge, LabelJudge
from nlparam.errors import CorpusError
from nlparam.fitting.folder import describe_model
from nlparam.fitting.search import Search, SearchOptions
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder, embed_corpus
from nlparam.language.features import NgramFeatures
from nlparam.language.goals import read_goal, with_examples
from nlparam.language.merging import Merger
from nlparam.language.phrasing import what_it_says
from nlparam.language.propose import AbstractProposer, Both, Contrast, Listed, StateThenGeneralise
from nlparam.language.statements import Stater
from nlparam.lm import load_language_model
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.numerics.core.check import check_model
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.heads.goal_map import GoalMap
from nlparam.runtime.budget import Budget, Meter
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

DEFAULT_GOAL = "what the text is about"

# Words of a text that a small model on a CPU, and any other, is shown for one judgment.
_WORDS_SMALL, _WORDS_STRONG = 60, 400
# And for one statement: what a text is can be told sooner than whether a property holds.
_WORDS_STATED = 45
# A strong model judges all texts of a corpus up to this size, and this many of a larger one.
_MOST_JUDGED_IN_FULL = 4096
# Cosine of what two candidates say from which on they say the same ("health care", "healthcare").
_SAME = 0.85
# The most judgments of a small model: so many for each predicate, and with many predicates fewer for each.
_JUDGED_EACH, _LEAST_JUDGED, _LEAST_JUDGED_EACH, _MOST_JUDGED = 180, 900, 75, 1800
# A share of the judgments (one in so many) may be spent on seeing whether the goal is followed.
_READ_AT_MOST = 8
# With a cascade the search needs no more judgments than its head: the cascade asks for the others that matter.
_JUDGED_BEFORE_CASCADE = 60


@dataclasses.dataclass(frozen=True)
class Run:
    """What a fit is made of. The language model is asked through `judge` and `search`, within `meter`."""

    model: AbstractPredicateModel
    corpus: Corpus
    data: Any
    coords: dict[str, list]
    embedder: AbstractEmbedder
    ngrams: NgramFeatures
    goal_representation: GoalRepresentation | None
    goal_map: GoalMap | None
    following: GoalFollowing | None
    judge: AbstractJudge
    cascade: Cascade | None
    calibration: CalibrationSummary | None
    search: Search
    settings: dict[str, Any]
    costs: Costs
    meter: Meter
    seed: int


@contextlib.contextmanager
def prepared(
    model: AbstractPredicateModel,
    texts: Iterable[str],
    data: Any = None,
    *,
    goal: str = DEFAULT_GOAL,
    goal_examples: Iterable[str] = (),
    lm: str | Path | AbstractLanguageModel = "embedded",
    embedder: str | Path | AbstractEmbedder | None = None,
    proposer: str | AbstractProposer | Callable[[Engine], AbstractProposer] | None = None,
    judge: AbstractJudge | Cascade | None = None,
    form: str = "single",
    calibration: str | Path | Labelled | None = None,
    predicates: Iterable[str] | None = None,
    options: SearchOptions | Mapping[str, Any] | None = None,
    representation: str | GoalRepresentation = "auto",
    executable: bool | Executable = False,
    budget: Budget | None = None,
    store: str | Path | Store | None = None,
    timeout: float = 60.0,
    seed: int = 0,
    only_estimate: bool = False,
    check: Callable[[dict[str, Any]], None] | None = None,
    progress: Progress | None = None,
) -> Iterator[Run]:
    """A run for the `with` block, with the texts embedded; see `nlparam.fit` for the arguments and errors.

    `check` is called with the settings before anything is computed; with `only_estimate` the language model states no
    texts for the goal representation, and answers what is asked of it whatever the store holds.
    """
    goal = with_examples(goal, tuple(goal_examples))
    read = read_goal(goal)
    corpus = Corpus.from_texts(texts)
    _check(corpus, model)
    data, coords = model.prepare(data, len(corpus))
    check_model(model, data, len(corpus))
    progress = Progress() if progress is None else progress
    costs = Costs()
    meter = Meter(costs, budget)
    language_model = load_language_model(lm, timeout=timeout)
    the_embedder = embedder if isinstance(embedder, AbstractEmbedder) else SentenceTransformerEmbedder(embedder)
    cascade = judge if isinstance(judge, Cascade) else None
    goal_representation = _representation(representation, goal=goal, listed=predicates is not None)
    options = _options(options, default_options(model, corpus, language_model, cascade=cascade is not None))
    labelled = Labelled.read(calibration) if isinstance(calibration, str | Path) else calibration
    opened = store if isinstance(store, Store) else Store(store)
    with (
        opened if opened is not store else contextlib.nullcontext(),
        Engine(language_model, store=opened, costs=costs, timeout=timeout, progress=progress, meter=meter) as engine,
        contextlib.ExitStack() as measuring,
    ):
        n_words = _WORDS_STRONG if language_model.strong else _WORDS_SMALL
        if judge is None or isinstance(judge, Cascade):
            judge = LabelJudge(engine, opened, costs, n_words=n_words, form=form, progress=progress)
        summary = None
        if labelled is not None:
            with costs.stage("calibration"):
                judge, summary = calibrate(judge, labelled)
        if only_estimate:
            measuring.enter_context(opened.unread())
        stater = Stater(engine, n_words=n_words if language_model.strong else _WORDS_STATED)
        by_name = predicates is None and (proposer is None or isinstance(proposer, str))
        the_proposer = _proposer(proposer, predicates, engine, stater)
        computing = executable if isinstance(executable, Executable) else Executable() if executable else None
        if computing is not None:
            judge, the_proposer = computing.around(judge, the_proposer, engine, correct_bias=options.correct_bias)
        settings = {
            "goal": goal,
            "lm": _without_password(lm) if isinstance(lm, str) else str(getattr(lm, "identity", lm)),
            "lm_identity": language_model.identity,
            "embedder": str(getattr(the_embedder, "name_or_path", None) or "minilm"),
            "embedder_identity": the_embedder.identity,
            "proposer": the_proposer.identity,
            "judge": judge.identity,
            "form": form,
            "n_words": n_words,
            "representation": None if goal_representation is None else dataclasses.asdict(goal_representation),
            "cascade": None if cascade is None else dataclasses.asdict(cascade),
            "executable": None if computing is None else dataclasses.asdict(computing),
            "corpus": corpus_digest(corpus, data),
            "options": dataclasses.asdict(options),
            "seed": seed,
        }
        if check is not None:
            check(describe_model(model) | settings)
        with costs.stage("embedding"):
            embeddings = embed_corpus(corpus.distinct, the_embedder, opened, costs=costs, progress=progress)
            ngrams = NgramFeatures.fit(corpus.distinct)
        goal_map, following = None, None
        if goal_representation is not None and not only_estimate:
            with costs.stage("goal representation"):
                goal_map, following = goal_representation.learn(
                    corpus,
                    embeddings,
                    ngrams,
                    goal=read,
                    stater=stater,
                    reader=_reader(engine, opened, costs, progress, n_words),
                    embedder=the_embedder,
                    n_clusters=model.n_predicates,
                    seed=seed,
                    most_read=None if options.max_judgments is None else options.max_judgments // _READ_AT_MOST,
                )
        if following is not None and options.max_judgments is not None:
            options = dataclasses.replace(options, max_judgments=max(options.max_judgments - following.n_read, 2))
        represented = represent(goal_map, corpus.distinct, embeddings, ngrams)
        search = Search(
            model,
            corpus,
            represented,
            data,
            goal=goal,
            proposer=the_proposer,
            judge=judge,
            options=options,
            costs=costs,
            meter=meter,
            progress=progress,
            seed=seed,
            merger=_merger(engine, the_embedder) if by_name else None,
            affinity=Affinity(the_embedder, represented) if by_name and options.correct_bias else None,
        )
        yield Run(
            model=model,
            corpus=corpus,
            data=data,
            coords=coords,
            embedder=the_embedder,
            ngrams=ngrams,
            goal_representation=goal_representation,
            goal_map=goal_map,
            following=following,
            judge=judge,
            cascade=cascade,
            calibration=summary,
            search=search,
            settings=settings,
            costs=costs,
            meter=meter,
            seed=seed,
        )


def default_options(
    model: AbstractPredicateModel, corpus: Corpus, language_model: AbstractLanguageModel, *, cascade: bool = False
) -> SearchOptions:
    """A small model on a CPU judges a few texts and is corrected; a strong one judges all of a moderate corpus.

    With a cascade, which judges what must be judged at the end, the search itself judges few.
    """
    if not language_model.strong:
        most = min(_JUDGED_EACH * model.n_predicates, max(_LEAST_JUDGED, _LEAST_JUDGED_EACH * model.n_predicates))
        return SearchOptions(n_judged_finally=_JUDGED_EACH, max_judgments=min(most, _MOST_JUDGED))
    few = len(corpus.distinct) <= _MOST_JUDGED_IN_FULL
    return SearchOptions(
        n_rounds=3,
        n_slots_refined=None,
        n_screened=-(-256 // model.n_predicates),
        n_judged=_JUDGED_BEFORE_CASCADE if cascade else None if few else _MOST_JUDGED_IN_FULL,
        correct_bias=False,
    )


def _representation(given: str | GoalRepresentation, *, goal: str, listed: bool) -> GoalRepresentation | None:
    """The goal representation, or `None` for the embeddings as they are.

    "auto" is the goal representation if there is a goal to follow, and proposals for it to improve.
    """
    if isinstance(given, GoalRepresentation):
        return given
    if given not in KINDS:
        raise ValueError(f"got representation={given!r}, expected one of {', '.join(KINDS)} or a GoalRepresentation")
    follow = given == "goal" or (given == "auto" and goal != DEFAULT_GOAL and not listed)
    return GoalRepresentation() if follow else None


def _options(given: SearchOptions | Mapping[str, Any] | None, default: SearchOptions) -> SearchOptions:
    if isinstance(given, SearchOptions):
        return given
    given = {} if given is None else given
    names = [field.name for field in dataclasses.fields(SearchOptions)]
    unknown = sorted(given.keys() - set(names))
    if unknown:
        raise ValueError(f"got options {', '.join(unknown)}, expected some of {', '.join(names)}")
    return dataclasses.replace(default, **given)


def _without_password(lm: str) -> str:
    # What http://user:password@host has before the host does not belong into a file that is passed on.
    return re.sub(r"(?<=://)[^/@]*@", "", lm)


def corpus_digest(corpus: Corpus, data: Any) -> str:
    """The content address of the texts in their order, and of the data."""
    digest = hashlib.sha256()
    for text in corpus.texts:
        encoded = text.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    for leaf in jax.tree.leaves(data):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def _check(corpus: Corpus, model: AbstractPredicateModel) -> None:
    n_distinct = len(corpus.distinct)
    if len(corpus) == 0:
        raise CorpusError("got no texts, expected at least as many as predicates: check the file and its filter")
    if n_distinct < max(model.n_predicates, 2):
        raise CorpusError(
            f"got {n_distinct} distinct texts that are not blank (of {len(corpus)}), expected at least "
            f"{max(model.n_predicates, 2)} for {model.n_predicates} predicates: give more texts or fewer predicates"
        )


def _proposer(
    proposer: str | AbstractProposer | Callable[[Engine], AbstractProposer] | None,
    predicates: Iterable[str] | None,
    engine: Engine,
    stater: Stater,
) -> AbstractProposer:
    if predicates is not None:
        return Listed(tuple(predicates))
    if isinstance(proposer, AbstractProposer):
        return proposer
    name = ("contrast" if engine.lm.strong else "state") if proposer is None else proposer
    if not isinstance(name, str):
        return name(engine)
    strategies: dict[str, Callable[[], AbstractProposer]] = {
        "contrast": lambda: Contrast(engine),
        "state": lambda: StateThenGeneralise(engine, stater=stater),
        "both": lambda: Both((StateThenGeneralise(engine, stater=stater), Contrast(engine))),
    }
    if name not in strategies:
        raise ValueError(f"got proposer={name!r}, expected one of {sorted(strategies)} or a proposer")
    return strategies[name]()


def _merger(engine: Engine, embedder: AbstractEmbedder) -> Merger:
    """Candidates are compared by what they say: most begin alike."""

    def said(predicates: Sequence[str]) -> np.ndarray:
        return embedder.embed([what_it_says(predicate) for predicate in predicates])

    return Merger(engine, said, n_compared=0, same=_SAME)


def _reader(engine: Engine, store: Store, costs: Costs, progress: Progress, n_words: int) -> GoalReader:
    tells, answers = (
        LabelJudge(engine, store, costs, n_words=n_words, progress=progress, question=question)
        for question in ("tells", "answers")
    )
    return GoalReader(tells, answers)
