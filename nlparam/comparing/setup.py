"""Everything that a comparison needs, checked and put together."""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.comparing.arguments import Arguments, GroupProposer
from nlparam.comparing.covariates import Covariates, encode
from nlparam.comparing.grouping import Grouped, Observations, observe
from nlparam.comparing.options import SMALL, STRONG, CompareOptions
from nlparam.denotation.judge import AbstractJudge, LabelJudge
from nlparam.fitting.setup import corpus_digest
from nlparam.language.detect import language_mismatch, language_warning
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.language.propose.groups import AbstractGroupProposer, ContrastGroups, ListedForGroups, StateGroups
from nlparam.language.ranker import AbstractRanker, EmbeddingRanker
from nlparam.language.ratings import Rater
from nlparam.lm import load_language_model
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.budget import Meter
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

# Words of a text that a small model on a CPU, and any other, is shown for one judgment.
_WORDS_SMALL, _WORDS_STRONG = 60, 400


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a comparison is made of. The language model is asked through `judge`, `proposer` and `rater`."""

    seen: Observations
    covariates: Covariates | None
    asked: Arguments
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

    def rng(self, number: int) -> np.random.Generator:
        """The random numbers of one part of the comparison, which do not depend on those of the others."""
        return np.random.default_rng([self.asked.seed, number])


@contextlib.contextmanager
def set_up(
    groups: Grouped, asked: Arguments, *, check: Callable[[dict[str, Any]], None] | None = None
) -> Iterator[Setup]:
    """What a comparison is made of, for the `with` block; see `nlparam.compare` for the errors.

    `check` is called with the settings before anything is computed.
    """
    listed = None if asked.predicates is None else _listed(asked.predicates)
    progress = Progress() if asked.progress is None else asked.progress
    language_model = load_language_model(asked.lm, timeout=asked.timeout)
    options = _options(asked.options, language_model.strong, listed)
    seen = observe(
        groups,
        asked.adjust,
        research=options.research,
        n_validated=options.n_validated,
        repeats=asked.repeats,
        rng=np.random.default_rng([asked.seed, 0]),
    )
    covariates = _covariates(seen) if seen.columns else None
    seen.warnings[:0] = asked.notes
    # What is compared need not be text: a judge of the user's own may be given references to something else.
    if asked.judge is None and (mismatch := language_mismatch(asked.goal, seen.corpus.distinct)) is not None:
        seen.warnings.append(language_warning(mismatch))
    costs = Costs() if asked.costs is None else asked.costs
    meter = Meter(costs, asked.budget)
    store = asked.store if isinstance(asked.store, Store) else Store(asked.store)
    engine = Engine(language_model, store=store, costs=costs, timeout=asked.timeout, progress=progress, meter=meter)
    with store if store is not asked.store else contextlib.nullcontext(), engine:
        judge = _judge(asked, engine, store, costs, progress)
        proposer = ListedForGroups(listed) if listed is not None else _proposer(asked.proposer, engine)
        embedder, ranker = asked.embedder, asked.ranker
        if not isinstance(embedder, AbstractEmbedder):
            embedder = SentenceTransformerEmbedder(embedder)
        rater = Rater(engine) if asked.ratings else None
        if isinstance(ranker, EmbeddingRanker) and ranker.store is None:
            ranker = dataclasses.replace(ranker, store=store)
        settings = {
            "goal": asked.goal,
            "lm": _named(asked.lm),
            "embedder": str(getattr(embedder, "name_or_path", None) or "minilm"),
            "proposer": proposer.identity,
            "predicates": listed,
            "judge": judge.identity,
            "ranker": None if ranker is None else ranker.identity,
            "ratings": None if rater is None else rater.identity,
            "adjust": sorted(seen.columns),
            "repeats": asked.repeats,
            "confidence": asked.confidence,
            "level": asked.level,
            "correction": asked.correction,
            "groups": [group.name for group in seen.groups],
            "corpus": corpus_digest(seen.corpus, seen.units.group),
            "options": dataclasses.asdict(options),
            "seed": asked.seed,
        } | dict(asked.made_from or {})
        if check is not None:
            check(settings)
        yield Setup(
            seen=seen,
            covariates=covariates,
            asked=asked,
            embedder=embedder,
            proposer=proposer,
            judge=judge,
            ranker=ranker,
            rater=rater,
            options=options,
            store=store,
            costs=costs,
            meter=meter,
            progress=progress,
            settings=settings,
        )


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


def _judge(asked: Arguments, engine: Engine, store: Store, costs: Costs, progress: Progress) -> AbstractJudge:
    if isinstance(asked.judge, AbstractJudge):
        return asked.judge
    if asked.judge is not None:
        return asked.judge(engine)
    n_words = _WORDS_STRONG if engine.lm.strong else _WORDS_SMALL
    return LabelJudge(engine, store, costs, n_words=n_words, form=asked.form, progress=progress)


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


def _named(lm: str | Path | AbstractLanguageModel) -> str:
    if not isinstance(lm, str):
        return str(getattr(lm, "identity", lm))
    # What http://user:password@host has before the host does not belong into a file that is passed on.
    return re.sub(r"(?<=://)[^/@]*@", "", lm)
