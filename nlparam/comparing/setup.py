"""Everything that a comparison needs, checked and put together."""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.budget import Budget, Meter
from nlparam.comparing.covariates import Covariates, encode
from nlparam.comparing.grouping import Grouped, Observations, observe
from nlparam.comparing.options import SMALL, STRONG, CompareOptions
from nlparam.costs import Costs
from nlparam.language.detect import language_mismatch, language_name
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.language.judge import AbstractJudge, LabelJudge
from nlparam.language.lm import load_language_model
from nlparam.language.lm.base import AbstractLanguageModel
from nlparam.language.lm.engine import Engine
from nlparam.language.propose.groups import AbstractGroupProposer, ContrastGroups, ListedForGroups, StateGroups
from nlparam.language.ranker import AbstractRanker, EmbeddingRanker
from nlparam.language.ratings import Rater
from nlparam.language.store import Store
from nlparam.numerics.effects import CORRECTIONS
from nlparam.progress import Progress
from nlparam.run import DEFAULT_GOAL, corpus_digest

# Words of a text that a small model on a CPU, and any other, is shown for one judgment.
_WORDS_SMALL, _WORDS_STRONG = 60, 400

GroupProposer = str | AbstractGroupProposer | Callable[[Engine], AbstractGroupProposer]


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a comparison is made of. The language model is asked through `judge`, `proposer` and `rater`."""

    seen: Observations
    covariates: Covariates | None
    goal: str
    embedder: AbstractEmbedder
    proposer: AbstractGroupProposer
    judge: AbstractJudge
    ranker: AbstractRanker | None
    rater: Rater | None
    options: CompareOptions
    store: Store
    costs: Costs
    meter: Meter
    progress: Progress
    settings: dict[str, Any]
    confidence: float
    level: float
    correction: str
    seed: int


@contextlib.contextmanager
def set_up(
    groups: Grouped,
    *,
    goal: str = DEFAULT_GOAL,
    lm: str | Path | AbstractLanguageModel = "embedded",
    embedder: str | Path | AbstractEmbedder | None = None,
    proposer: GroupProposer | None = None,
    judge: AbstractJudge | Callable[[Engine], AbstractJudge] | None = None,
    form: str = "single",
    predicates: Iterable[str] | None = None,
    ranker: AbstractRanker | None = None,
    ratings: bool = True,
    adjust: Mapping[str, Grouped] | None = None,
    repeats: str = "once",
    options: CompareOptions | Mapping[str, Any] | None = None,
    confidence: float = 0.95,
    level: float = 0.05,
    correction: str = "bh",
    budget: Budget | None = None,
    store: str | Path | Store | None = None,
    timeout: float = 60.0,
    seed: int = 0,
    check: Callable[[dict[str, Any]], None] | None = None,
    progress: Progress | None = None,
    costs: Costs | None = None,
    notes: Iterable[str] = (),
    made_from: Mapping[str, Any] | None = None,
) -> Iterator[Setup]:
    """What a comparison is made of, for the `with` block; see `nlparam.compare` for the arguments and errors.

    `check` is called with the settings before anything is computed.
    """
    check_numbers(confidence, level, correction)
    if not goal.strip():
        raise ValueError("got an empty goal, expected what the predicates are to be about, in a few words")
    if predicates is not None and proposer is not None:
        raise ValueError("got both predicates and a proposer, expected one of the two: predicates are not proposed")
    listed = None if predicates is None else _listed(predicates)
    progress = Progress() if progress is None else progress
    language_model = load_language_model(lm, timeout=timeout)
    options = _options(options, language_model.strong, listed)
    seen = observe(
        groups,
        adjust,
        research=options.research,
        n_validated=options.n_validated,
        repeats=repeats,
        rng=np.random.default_rng([seed, 0]),
    )
    covariates = _covariates(seen) if seen.columns else None
    seen.warnings[:0] = notes
    # What is compared need not be text: a judge of the user's own may be given references to something else.
    if judge is None and (mismatch := language_mismatch(goal, seen.corpus.distinct)) is not None:
        seen.warnings.append(
            f"the goal seems to be {language_name(mismatch.goal)} and the texts {language_name(mismatch.texts)}: "
            "small language models follow a goal better in the language of the texts"
        )
    costs = Costs() if costs is None else costs
    meter = Meter(costs, budget)
    opened = store if isinstance(store, Store) else Store(store)
    engine = Engine(language_model, store=opened, costs=costs, timeout=timeout, progress=progress, meter=meter)
    with opened if opened is not store else contextlib.nullcontext(), engine:
        the_judge = _judge(judge, engine, opened, costs, form, progress)
        the_proposer = ListedForGroups(listed) if listed is not None else _proposer(proposer, engine)
        the_embedder = embedder if isinstance(embedder, AbstractEmbedder) else SentenceTransformerEmbedder(embedder)
        rater = Rater(engine) if ratings else None
        if isinstance(ranker, EmbeddingRanker) and ranker.store is None:
            ranker = dataclasses.replace(ranker, store=opened)
        settings = {
            "goal": goal,
            "lm": _without_password(lm) if isinstance(lm, str) else str(getattr(lm, "identity", lm)),
            "embedder": str(getattr(the_embedder, "name_or_path", None) or "minilm"),
            "proposer": the_proposer.identity,
            "predicates": listed,
            "judge": the_judge.identity,
            "ranker": None if ranker is None else ranker.identity,
            "ratings": None if rater is None else rater.identity,
            "adjust": sorted(seen.columns),
            "repeats": repeats,
            "confidence": confidence,
            "level": level,
            "correction": correction,
            "groups": [group.name for group in seen.groups],
            "corpus": corpus_digest(seen.corpus, seen.units.group),
            "options": dataclasses.asdict(options),
            "seed": seed,
        } | dict(made_from or {})
        if check is not None:
            check(settings)
        yield Setup(
            seen=seen,
            covariates=covariates,
            goal=goal,
            embedder=the_embedder,
            proposer=the_proposer,
            judge=the_judge,
            ranker=ranker,
            rater=rater,
            options=options,
            store=opened,
            costs=costs,
            meter=meter,
            progress=progress,
            settings=settings,
            confidence=confidence,
            level=level,
            correction=correction,
            seed=seed,
        )


def check_numbers(confidence: float, level: float, correction: str) -> None:
    """Raises `ValueError` for levels outside (0, 1) and an unknown correction."""
    for name, value in (("confidence", confidence), ("level", level)):
        if not 0 < value < 1:
            raise ValueError(f"got {name}={value}, expected a number between 0 and 1")
    if correction not in CORRECTIONS:
        raise ValueError(f"got correction={correction!r}, expected one of {', '.join(CORRECTIONS)}")


def _covariates(seen: Observations) -> Covariates:
    """The covariates of what is to be tested: found out before anything is paid for."""
    rows = np.flatnonzero(seen.units.validated)
    columns = {name: [values[row] for row in rows] for name, values in seen.columns.items()}
    return encode(columns, seen.units.group[rows], [group.name for group in seen.groups])


def _listed(predicates: Iterable[str]) -> list[str]:
    by_case = {predicate.strip().casefold(): predicate.strip() for predicate in predicates if predicate.strip()}
    if not by_case:
        raise ValueError("got no predicates, expected at least one")
    return list(by_case.values())


def _options(
    given: CompareOptions | Mapping[str, Any] | None, strong: bool, listed: list[str] | None
) -> CompareOptions:
    if isinstance(given, CompareOptions):
        return given
    given = {} if given is None else dict(given)
    names = [field.name for field in dataclasses.fields(CompareOptions)]
    unknown = sorted(given.keys() - set(names))
    if unknown:
        raise ValueError(f"got options {', '.join(unknown)}, expected some of {', '.join(names)}")
    default = STRONG if strong else SMALL
    if listed is not None:
        # Who has hypotheses wants them tested.
        given.setdefault("n_kept", len(listed))
    return dataclasses.replace(default, **given)


def _judge(judge, engine: Engine, store: Store, costs: Costs, form: str, progress: Progress) -> AbstractJudge:
    if isinstance(judge, AbstractJudge):
        return judge
    if judge is not None:
        return judge(engine)
    n_words = _WORDS_STRONG if engine.lm.strong else _WORDS_SMALL
    return LabelJudge(engine, store, costs, n_words=n_words, form=form, progress=progress)


def _proposer(proposer: GroupProposer | None, engine: Engine) -> AbstractGroupProposer:
    if isinstance(proposer, AbstractGroupProposer):
        return proposer
    strategies: dict[str, Callable[[Engine], AbstractGroupProposer]] = {
        "contrast": ContrastGroups,
        "state": StateGroups,
    }
    name = ("contrast" if engine.lm.strong else "state") if proposer is None else proposer
    if isinstance(name, str):
        if name not in strategies:
            raise ValueError(f"got proposer={name!r}, expected one of {', '.join(strategies)} or a proposer of groups")
        return strategies[name](engine)
    return name(engine)


def _without_password(lm: str) -> str:
    # What http://user:password@host has before the host does not belong into a file that is passed on.
    return re.sub(r"(?<=://)[^/@]*@", "", lm)
