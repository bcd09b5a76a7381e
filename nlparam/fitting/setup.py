"""Everything that a fit needs, checked and put together: corpus, language model, judge, search."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import jax
import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.frames import Frame, texts_of
from nlparam.denotation.calibration import CalibrationSummary
from nlparam.denotation.cascade import Cascade
from nlparam.denotation.computed import Executable
from nlparam.denotation.definitions import Definition, checked_definitions, settings_of
from nlparam.denotation.following import GoalFollowing
from nlparam.denotation.goal import Affinity, GoalRepresentation, Sayings, follows, represent
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.labels import Labelled
from nlparam.denotation.policy import policy_of
from nlparam.denotation.session import DEFAULT_GOAL as DEFAULT_GOAL
from nlparam.denotation.session import Asking, Run, Session, changed, chosen
from nlparam.errors import CorpusError
from nlparam.fitting.folder import describe_model
from nlparam.fitting.sampling import checked_round
from nlparam.fitting.search import Search, SearchOptions
from nlparam.fitting.split import Split, split_texts
from nlparam.fitting.wishes import Barrier, Embed, Wishes
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.goals import Goal, read_goal, with_examples
from nlparam.language.likeness import SAYS_THE_SAME
from nlparam.language.merging import Merger
from nlparam.language.phrasing import Phraser, what_it_says
from nlparam.language.propose import AbstractProposer, Both, Contrast, Filled, Listed, StateThenGeneralise
from nlparam.language.propose.base import without
from nlparam.language.propose.listed import checked_predicates
from nlparam.language.statements import Stater
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.engine import Engine
from nlparam.numerics.core.check import check_class, check_model
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.heads.goal_map import GoalMap

# A strong model judges all texts of a corpus up to this size, and this many of a larger one.
_MOST_JUDGED_IN_FULL = 4096
# The most judgments of a small model: so many for each predicate, and with many predicates fewer for each.
_JUDGED_EACH, _LEAST_JUDGED, _LEAST_JUDGED_EACH, _MOST_JUDGED = 180, 900, 75, 1800
# The share of them that is left to the rounds, which find what was said of no text before.
_RESERVED_FOR_ROUNDS = 0.25
# A share of the judgments (one in so many) may be spent on seeing whether the goal is followed.
_READ_AT_MOST = 8
# With a cascade the search needs no more judgments than its head: the cascade asks for the others that matter.
_JUDGED_BEFORE_CASCADE = 60


class FitArguments(Asking, total=False):
    """The arguments of `nlparam.fit`, where they are explained, without the texts and the folder."""

    text_field: str | None
    goal: str
    goal_examples: Iterable[str]
    embedder: str | Path | AbstractEmbedder | None
    proposer: str | AbstractProposer | Callable[[Engine], AbstractProposer] | None
    judge: AbstractJudge | Cascade | None
    form: str
    calibration: str | Path | Labelled | None
    predicates: Iterable[str] | None
    definitions: Mapping[str, Definition | str | Mapping[str, Any]] | None
    locked: Iterable[str] | None
    excluded: Iterable[str] | None
    candidates: Iterable[str] | None
    options: SearchOptions | Mapping[str, Any] | None
    representation: str | GoalRepresentation
    executable: bool | Executable
    clusters: Sequence[Any] | str | None
    held_out: float | None
    inference: bool | int
    seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitRun(Run):
    """What a fit is made of. The language model is asked through `judge` and `search`, within `meter`.

    The search sees the texts that are not held out, which are its own corpus; `represented`, `(n_distinct,
    represented_dim)`, are all texts. `explains` says whether the model explains something beside the texts, and says
    what a part of it is.
    """

    split: Split
    explains: bool
    represented: np.ndarray
    inference: bool | int
    model: AbstractPredicateModel
    data: Any
    coords: dict[str, list]
    goal_representation: GoalRepresentation | None
    goal_map: GoalMap | None
    following: GoalFollowing | None
    cascade: Cascade | None
    calibration: CalibrationSummary | None
    search: Search


@contextlib.contextmanager
def prepared(
    model: AbstractPredicateModel,
    texts: Iterable[str] | Frame,
    data: Any = None,
    *,
    text_field: str | None = None,
    goal: str = DEFAULT_GOAL,
    goal_examples: Iterable[str] = (),
    embedder: str | Path | AbstractEmbedder | None = None,
    proposer: str | AbstractProposer | Callable[[Engine], AbstractProposer] | None = None,
    judge: AbstractJudge | Cascade | None = None,
    form: str = "single",
    calibration: str | Path | Labelled | None = None,
    predicates: Iterable[str] | None = None,
    definitions: Mapping[str, Definition | str | Mapping[str, Any]] | None = None,
    locked: Iterable[str] | None = None,
    excluded: Iterable[str] | None = None,
    candidates: Iterable[str] | None = None,
    options: SearchOptions | Mapping[str, Any] | None = None,
    representation: str | GoalRepresentation = "auto",
    executable: bool | Executable = False,
    clusters: Sequence[Any] | str | None = None,
    held_out: float | None = None,
    inference: bool | int = True,
    seed: int = 0,
    only_estimate: bool = False,
    check: Callable[[dict[str, Any]], None] | None = None,
    **asked: Unpack[Asking],
) -> Iterator[FitRun]:
    """A run for the `with` block, with the texts embedded; see `nlparam.fit` for the arguments and errors.

    `check` is called with the settings before anything is computed; with `only_estimate` the language model states no
    texts for the goal representation, and answers what is asked of it whatever the store holds.
    """
    check_class(model)
    goal = with_examples(goal, tuple(goal_examples))
    predicates = None if predicates is None else checked_predicates(predicates)
    defined = checked_definitions(definitions, predicates)
    if defined and isinstance(judge, AbstractJudge):
        raise ValueError("got definitions and a judge of your own, expected one of the two: give them to the judge")
    read = read_goal(goal)
    texts, (data, clusters) = texts_of(texts, text_field, data, clusters)
    corpus = Corpus.from_texts(texts)
    _check(corpus, model)
    wishes = Wishes.given(model.n_predicates, locked=locked, excluded=excluded, candidates=candidates)
    if predicates is not None and wishes.candidates:
        raise ValueError("got `candidates` and `predicates`, expected only one: with `predicates` nothing is proposed")
    data, coords = model.prepare(data, len(corpus))
    check_model(model, data, len(corpus))
    # A model that does not say what a part of its data is may need all of them, in their order.
    divisible = type(model).subsample is not AbstractPredicateModel.subsample
    explains = divisible and bool(jax.tree.leaves(data))
    split = split_texts(
        corpus, share=held_out, explains=explains, clusters=clusters, rng=np.random.default_rng([seed, 1])
    )
    searched_model, searched, searched_data = _searched(model, corpus, data, split)
    inference = checked_round(inference)
    session = Session(embedder=embedder, **asked)
    cascade = judge if isinstance(judge, Cascade) else None
    goal_representation = None
    if follows(representation, goal != DEFAULT_GOAL and predicates is None):
        goal_representation = representation if isinstance(representation, GoalRepresentation) else GoalRepresentation()
    search_options = changed(default_options(model, searched, session.lm, cascade=cascade is not None), options)
    with session:
        engine, n_words = session.engine, session.policy.n_words
        the_judge, summary = session.calibrated(
            judge if isinstance(judge, AbstractJudge) else session.judge(form=form, definitions=defined), calibration
        )
        if only_estimate:
            session.unread()
        stater = Stater(engine, n_words=session.policy.n_words_stated, with_states=goal_representation is not None)
        by_name = predicates is None and (proposer is None or isinstance(proposer, str))
        the_proposer = Listed(predicates) if predicates is not None else _proposer(proposer, session, stater)
        computing = executable if isinstance(executable, Executable) else Executable() if executable else None
        if computing is not None:
            the_judge, the_proposer = computing.around(
                the_judge, the_proposer, engine, correct_bias=search_options.correct_bias
            )
        settings = {
            "goal": goal,
            "lm": session.lm_name,
            "lm_identity": session.lm.identity,
            "embedder": session.embedder_name,
            "embedder_identity": session.embedder.identity,
            "proposer": the_proposer.identity,
            "judge": the_judge.identity,
            "form": form,
            "n_words": n_words,
            "representation": None if goal_representation is None else dataclasses.asdict(goal_representation),
            "cascade": None if cascade is None else dataclasses.asdict(cascade),
            "executable": None if computing is None else dataclasses.asdict(computing),
            **wishes.as_settings(),
            "corpus": corpus_digest(corpus, data),
            "options": dataclasses.asdict(search_options),
            "held_out": float(split.held_out.mean()),
            "clusters": None if split.clusters is None else hashlib.sha256(split.clusters.tobytes()).hexdigest(),
            "inference": inference,
            "seed": seed,
        } | settings_of(defined)
        if check is not None:
            check(describe_model(model) | settings)
        embeddings, embedder = session.embed(corpus.distinct), session.stored_embedder
        ngrams, ngram_features = session.ngrams(corpus.distinct)
        rows = slice(None) if not split.any else corpus.rows_of(searched.distinct)
        goal_map, following, known = None, None, None
        if goal_representation is not None and not only_estimate:
            most = search_options.max_judgments
            with session.costs.stage("goal representation"):
                goal_map, following, known = goal_representation.learn(
                    searched,
                    embeddings[rows],
                    ngram_features[rows],
                    goal=read,
                    stater=stater,
                    reader=session.goal_reader(),
                    embedder=embedder,
                    n_clusters=model.n_predicates,
                    seed=seed,
                    most_read=None if most is None else most // _READ_AT_MOST,
                    n_states=goal_representation.number_read(len(searched.distinct), most, goal=read, lm=session.lm),
                    kept=session.keeps,
                )
            if most is not None:
                search_options = dataclasses.replace(search_options, max_judgments=max(most - following.n_read, 2))
        if known is not None:
            known = known._replace(rows=np.arange(len(embeddings))[rows][known.rows])
        represented = represent(goal_map, embeddings, ngram_features, known)
        if read.complete and by_name and not explains:
            with session.costs.stage("proposing"):
                wishes = _with_answers(wishes, read.parts[0], model.n_predicates, engine)
        search = Search(
            searched_model,
            searched,
            represented[rows],
            searched_data,
            goal=goal,
            ngrams=ngrams,
            ngram_features=ngram_features[rows],
            proposer=the_proposer,
            judge=the_judge,
            options=search_options,
            costs=session.costs,
            meter=session.meter,
            progress=session.progress,
            seed=seed,
            merger=Merger(engine, _saying(embedder), n_compared=0, same=SAYS_THE_SAME) if by_name else None,
            affinity=Affinity(embedder, represented[rows]) if by_name and search_options.correct_bias else None,
            sayings=Sayings(embedder, stater.names) if search_options.correct_bias else None,
            wishes=wishes,
            barrier=Barrier(wishes.excluded, _saying(embedder), same=SAYS_THE_SAME) if wishes.excluded else None,
        )
        yield FitRun(
            session=session,
            split=split,
            explains=explains,
            represented=represented,
            inference=inference,
            model=model,
            corpus=corpus,
            data=data,
            coords=coords,
            embeddings=embeddings,
            ngrams=ngrams,
            ngram_features=ngram_features,
            goal_representation=goal_representation,
            goal_map=goal_map,
            following=following,
            judge=the_judge,
            cascade=cascade,
            calibration=summary,
            search=search,
            settings=settings,
            seed=seed,
        )


def _with_answers(wishes: Wishes, goal: Goal, n_predicates: int, engine: Engine) -> Wishes:
    """The wishes with the answers that a goal lists ("the tone: praise or complaint") locked, if there are slots for
    all of them."""
    answers = Phraser(engine, goal.text).phrase(goal.examples, complete=True)
    locked = (*wishes.locked, *without(answers, (*wishes.locked, *wishes.excluded)))
    return wishes if len(locked) > n_predicates else dataclasses.replace(wishes, locked=locked)


def default_options(
    model: AbstractPredicateModel, corpus: Corpus, language_model: AbstractLanguageModel, *, cascade: bool = False
) -> SearchOptions:
    """A small model on a CPU judges a few texts and is corrected; a strong one judges all of a moderate corpus.

    With a cascade, which judges what must be judged at the end, the search itself judges few.
    """
    if not policy_of(language_model).strong:
        most = min(_JUDGED_EACH * model.n_predicates, max(_LEAST_JUDGED, _LEAST_JUDGED_EACH * model.n_predicates))
        return SearchOptions(
            n_judged_finally=_JUDGED_EACH, max_judgments=min(most, _MOST_JUDGED), reserved=_RESERVED_FOR_ROUNDS
        )
    few = len(corpus.distinct) <= _MOST_JUDGED_IN_FULL
    return SearchOptions(
        n_rounds=3,
        n_screened=-(-256 // model.n_predicates),
        n_judged=_JUDGED_BEFORE_CASCADE if cascade else None if few else _MOST_JUDGED_IN_FULL,
        correct_bias=False,
    )


def _searched(
    model: AbstractPredicateModel, corpus: Corpus, data: Any, split: Split
) -> tuple[AbstractPredicateModel, Corpus, Any]:
    """The model, texts and data that predicates are chosen on."""
    if not split.any:
        return model, corpus, data
    rows = np.flatnonzero(~split.held_out)
    searched = Corpus.from_texts(corpus.texts[row] for row in rows.tolist())
    _check(searched, model)
    model, data = model.subsample(data, to_device(rows), len(corpus))
    return model, searched, data


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


def _proposer(proposer: Any, session: Session, stater: Stater) -> AbstractProposer:
    strategies: dict[str, Callable[[Engine], AbstractProposer]] = {
        "contrast": Contrast,
        "state": lambda engine: Filled(StateThenGeneralise(engine, stater=stater), Contrast(engine), session.answered),
        "both": lambda engine: Both((StateThenGeneralise(engine, stater=stater), Contrast(engine))),
    }
    return chosen(proposer, strategies, AbstractProposer, session, "a proposer")


def _saying(embedder: AbstractEmbedder) -> Embed:
    """Embeds predicates by what they say: most begin alike."""

    def said(predicates: Sequence[str]) -> np.ndarray:
        return embedder.embed([what_it_says(predicate) for predicate in predicates])

    return said
