"""Everything that a comparison needs, checked and put together."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from nlparam.comparing.grouping import Adjusting, Grouped, Observations, observe
from nlparam.comparing.options import SMALL, STRONG, CompareOptions, check_numbers
from nlparam.comparing.people import check_labels
from nlparam.denotation.definitions import Definition, checked_definitions, settings_of
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.labels import Labelled
from nlparam.denotation.session import DEFAULT_GOAL, Asking, Session, changed, chosen
from nlparam.errors import CorpusError
from nlparam.fitting.setup import corpus_digest
from nlparam.language.detect import language_mismatch, language_warning
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.goals import with_examples
from nlparam.language.propose.groups import AbstractGroupProposer, ContrastGroups, ListedForGroups, StateGroups
from nlparam.language.propose.listed import checked_predicates
from nlparam.language.ranker import AbstractRanker, EmbeddingRanker
from nlparam.language.ratings import Rater
from nlparam.lm.engine import Engine
from nlparam.numerics.statistics.covariates import Covariates, encode, remaining_association
from nlparam.numerics.statistics.selection import look_level
from nlparam.results.folder import digest_of_content
from nlparam.runtime.costs import Costs

GroupProposer = str | AbstractGroupProposer | Callable[[Engine], AbstractGroupProposer]
# More of the group that a covariate explains in spite of the adjustment is worth a warning.
_MOST_LEFT, _SURE = 0.02, 0.01


class CompareArguments(Asking, total=False):
    """The arguments of `nlparam.compare`, where they are explained, without the groups and the folder."""

    goal: str
    goal_examples: Sequence[str]
    embedder: str | Path | AbstractEmbedder | None
    proposer: GroupProposer | None
    judge: AbstractJudge | Callable[[Engine], AbstractJudge] | None
    form: str
    predicates: Iterable[str] | None
    definitions: Mapping[str, Definition | str | Mapping[str, Any]] | None
    ranker: AbstractRanker | None
    ratings: bool
    adjust: Adjusting | None
    clusters: Grouped | None
    repeats: str
    labels: Labelled | str | Path | None
    look: int | None
    options: CompareOptions | Mapping[str, Any] | None
    confidence: float
    level: float
    correction: str
    seed: int
    costs: Costs | None
    notes: Iterable[str]
    made_from: Mapping[str, Any] | None


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a comparison is made of. The language model is asked through `judge`, `proposer` and `rater`; `by_goal` says
    whether it is also asked if the goal is followed.
    """

    session: Session
    seen: Observations
    covariates: Covariates | None
    unadjusted: dict[str, float]
    labels: Labelled | None
    proposer: AbstractGroupProposer
    judge: AbstractJudge
    ranker: AbstractRanker | None
    rater: Rater | None
    options: CompareOptions
    settings: dict[str, Any]
    by_goal: bool

    @property
    def level(self) -> float:
        """What this look at the texts may spend of the level of the claims."""
        level, look = self.settings["level"], self.settings.get("look")
        return level if look is None else look_level(look, level=level)

    def rng(self, number: int) -> np.random.Generator:
        """The random numbers of one part of the comparison, which do not depend on those of the others."""
        return np.random.default_rng([self.settings["seed"], number])


@contextlib.contextmanager
def set_up(
    groups: Grouped,
    *,
    goal: str = DEFAULT_GOAL,
    goal_examples: Sequence[str] = (),
    embedder: str | Path | AbstractEmbedder | None = None,
    proposer: GroupProposer | None = None,
    judge: AbstractJudge | Callable[[Engine], AbstractJudge] | None = None,
    form: str = "single",
    predicates: Iterable[str] | None = None,
    definitions: Mapping[str, Definition | str | Mapping[str, Any]] | None = None,
    ranker: AbstractRanker | None = None,
    ratings: bool = True,
    adjust: Adjusting | None = None,
    clusters: Grouped | None = None,
    repeats: str = "once",
    labels: Labelled | str | Path | None = None,
    look: int | None = None,
    options: CompareOptions | Mapping[str, Any] | None = None,
    confidence: float = 0.95,
    level: float = 0.05,
    correction: str = "bh",
    seed: int = 0,
    costs: Costs | None = None,
    notes: Iterable[str] = (),
    made_from: Mapping[str, Any] | None = None,
    check: Callable[[dict[str, Any]], None] | None = None,
    **asked: Unpack[Asking],
) -> Iterator[Setup]:
    """What a comparison is made of, for the `with` block; see `nlparam.compare` for the arguments and errors.

    `check` is called with the settings before anything is computed.
    """
    goal = with_examples(goal, goal_examples)
    check_numbers(confidence, level, correction, look)
    if not goal.strip():
        raise ValueError("got an empty goal, expected what the predicates are to be about, in a few words")
    if predicates is not None and proposer is not None:
        raise ValueError("got both predicates and a proposer, expected one of the two: predicates are not proposed")
    listed = None if predicates is None else _listed(predicates)
    defined = checked_definitions(definitions, listed)
    if defined and judge is not None:
        raise ValueError("got definitions and a judge of your own, expected one of the two: give them to the judge")
    session = Session(embedder=embedder, costs=costs, **asked)
    default = STRONG if session.policy.strong else SMALL
    if listed is not None:  # who has hypotheses wants them tested
        default = dataclasses.replace(default, n_kept=len(listed))
    the_options = changed(default, options)
    given_labels = None if labels is None else Labelled.given(labels)
    seen = observe(
        groups,
        adjust,
        clusters=clusters,
        prose=made_from is None,
        research=the_options.research,
        n_validated=the_options.n_validated,
        repeats=repeats,
        rng=np.random.default_rng([seed, 0]),
    )
    covariates, left = _covariates(seen) if seen.columns else (None, {})
    if given_labels is not None:
        check_labels(given_labels, seen.corpus.distinct, listed)
    seen.warnings[:0] = notes
    # What is compared need not be text: a judge of the user's own may be given references to something else.
    if judge is None and (mismatch := language_mismatch(goal, seen.corpus.distinct)) is not None:
        seen.warnings.append(language_warning(mismatch))
    with session:
        strategies = {"contrast": ContrastGroups, "state": StateGroups}
        if listed is not None:
            the_proposer = ListedForGroups(listed)
        else:
            the_proposer = chosen(proposer, strategies, AbstractGroupProposer, session, "a proposer of groups")
        the_judge = session.judge(form=form, definitions=defined) if judge is None else judge
        the_judge = the_judge if isinstance(the_judge, AbstractJudge) else the_judge(session.engine)
        if isinstance(ranker, EmbeddingRanker) and ranker.store is None:
            ranker = dataclasses.replace(ranker, store=session.store)
        rater = Rater(session.engine) if ratings else None
        embeds = the_proposer.n_shown > 0 and the_options.n_directions > 0
        settings = {
            "goal": goal,
            "lm": session.lm_name,
            "embedder": session.embedder_name,
            # Which texts are shown depends on it, where they are embedded at all.
            "embedder_identity": session.embedder.identity if embeds else None,
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
            "options": dataclasses.asdict(the_options),
            "seed": seed,
        } | dict(made_from or {})
        # A comparison without them has the settings that it had before there were any.
        optional = {
            "clusters": None if clusters is None else corpus_digest(seen.corpus, seen.units.cluster),
            "labels": None if given_labels is None else _digest(given_labels),
            "look": look,
        }
        settings |= settings_of(defined) | {name: value for name, value in optional.items() if value is not None}
        if check is not None:
            check(settings)
        yield Setup(
            session,
            seen,
            covariates,
            left,
            given_labels,
            the_proposer,
            the_judge,
            ranker,
            rater,
            the_options,
            settings,
            # References to something else than text, and captions, tell little themselves.
            by_goal=goal != DEFAULT_GOAL and listed is None and judge is None and made_from is None,
        )


def _covariates(seen: Observations) -> tuple[Covariates, dict[str, float]]:
    """The covariates of what is to be tested, and what each still says of the groups, given the adjustment: a share
    from 0 to 1. Both are known before anything is paid for.

    Raises `CorpusError` for a covariate that is constant, has missing numbers, has too many categories, or says which
    group a text is of, so that nothing can be compared at equal values.
    """
    rows = np.flatnonzero(seen.units.validated)
    columns = {name: [values[row] for row in rows] for name, values in seen.columns.items()}
    groups = seen.units.group[rows]
    for name, values in columns.items():
        _check_separable(encode({name: values}, len(rows)), groups, seen, f"the covariate {name!r} says")
    covariates = encode(columns, len(rows))
    _check_separable(covariates, groups, seen, f"the covariates {', '.join(map(repr, columns))} together say")
    found = remaining_association(covariates, columns, groups, seen.n_groups)
    seen.warnings.extend(
        f"the covariate {name!r} still says which group a text is of, given the adjustment ({left.share:.0%} of what "
        "is left): the groups have few texts of equal values, and adjusted differences may be its own; compare texts "
        "of a range that both have"
        for name, left in found.items()
        if left.share > _MOST_LEFT and left.p_value <= _SURE
    )
    return covariates, {name: left.share for name, left in found.items()}


def _check_separable(covariates: Covariates, groups: np.ndarray, seen: Observations, subject: str) -> None:
    """Raises `CorpusError` if differences between groups cannot be estimated beside covariates: either is made up of
    the other."""
    ones, members = np.ones((len(groups), 1)), np.eye(seen.n_groups)[groups]
    without = np.linalg.matrix_rank(np.hstack([ones, covariates.matrix]))
    if np.linalg.matrix_rank(np.hstack([members, covariates.matrix])) != without + seen.n_groups - 1:
        raise CorpusError(
            f"{subject} which of the groups {', '.join(repr(group.name) for group in seen.groups)} a text is of: its "
            "effect and that of the group cannot be told apart; leave it out"
        )


def _digest(labels: Labelled) -> str:
    return digest_of_content(sorted(zip(labels.texts, labels.predicates, labels.labels, strict=True)))


def _listed(predicates: Iterable[str]) -> list[str]:
    # Of two that differ in case only, as it was written last.
    by_case = {one.casefold(): one for one in map(str.strip, checked_predicates(predicates)) if one}
    if not by_case:
        raise ValueError("got no predicates, expected at least one")
    return list(by_case.values())
