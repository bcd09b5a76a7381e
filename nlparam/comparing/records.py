"""What a comparison is made of: groups, observations, findings and their effects."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.numerics.statistics.effects import Effect
from nlparam.results.jsonable import AbstractNamed
from nlparam.runtime.costs import Costs

if TYPE_CHECKING:
    from nlparam.corpus.corpus import Corpus
    from nlparam.denotation.following import GoalFollowing

Estimate = Effect  # its earlier name


class OUTCOMES(AbstractNamed):
    """What became of a candidate predicate."""

    claimed = "holds more often in one group, beyond what chance explains"
    unproven = "was tested, and chance may explain the difference"
    contradicted = "was tested, and the difference points the other way than where it was proposed"
    dropped = "was dropped early: others differ more"
    passed_over = "was not among the candidates that differ most on the research split"
    repeats = "holds for the same texts as another candidate that differs more"
    unanswered = "got too few usable judgments to be tested"


@dataclasses.dataclass(frozen=True)
class Share:
    """How often a predicate holds in one group, with a confidence interval: the mean denotation of `n_judged` texts.

    `n_labels` of them have labels of people. If any, the share is corrected: as people see it, not as the judge does.
    """

    group: str
    mean: float
    low: float
    high: float
    n_judged: int
    n_labels: int = 0


@dataclasses.dataclass(frozen=True)
class Ratings:
    """How worthwhile a predicate is, as the language model rates it: 0 (not), 1 (somewhat) to 2 (very), in between too.

    `relevance` to the goal, `novelty` to a reader who knows the field, `significance` if it is true (D5, arXiv
    2302.14233, section 4.3). `None` where the model gave no usable answer.
    """

    relevance: float | None
    novelty: float | None
    significance: float | None


@dataclasses.dataclass(frozen=True)
class Example:
    """A text of a group, and the judged probability that the predicate holds for it."""

    text: str
    group: str
    probability: float


@dataclasses.dataclass(frozen=True)
class Ranking:
    """What the scores of a ranker say of a predicate, without a judge, on the validation split.

    `auroc` is the probability that a text of the group scores higher than one of the others, `p_value` that of Welch's
    test of the scores.
    """

    auroc: float
    p_value: float


@dataclasses.dataclass(frozen=True)
class Finding:
    """One candidate predicate, and what is known of it.

    **Attributes:**

    - `predicate`; `outcome`, what became of it; `reason`, the same for this predicate, in a sentence.
    - `more`: the group that it is said to hold for more often. The research split decides, so the validation split can
      disagree (`effect` below 0).
    - `screening`: the effect on the research split, where candidates compete; `None` if it was never judged there.
      It is for choosing: the best of many look better than they are.
    - `n_screened`: how many texts were judged for it there.
    - `crude`: the effect on the validation split, $V$ of D5; `None` unless it was tested.
    - `given_covariates`: the same, adjusted for the covariates; `None` without any.
    - `people`: the same (adjusted for the covariates, if any), corrected by labels of people; `None` without any.
    - `p_adjusted`: the p-value of `estimate`, adjusted for the number of predicates tested.
    - `size`: of a claim, how large the difference is, given that it was claimed. What was claimed for being large looks
      larger than it is. The interval is at the false coverage rate. `None` unless it is claimed.
    - `sensitivity`: of a claim as the judge sees it, how many more of the texts of one group than of the others it must
      answer wrongly for the claim to be explained by that: the bound of the interval that is nearer to 0.
    - `shares`: for each group, how often it holds on the validation split; empty unless it was tested.
    - `ratings`: by the language model; `None` if it was not asked.
    - `ranking`: by the scores of a ranker; `None` without one.
    - `repeats`: the candidate that holds for the same texts, for the outcome `repeats`.
    - `examples`: texts of the validation split, for each group the most and the least likely ones.
    """

    predicate: str
    outcome: OUTCOMES
    reason: str
    more: str | None = None
    screening: Effect | None = None
    n_screened: int = 0
    crude: Effect | None = None
    given_covariates: Effect | None = None
    people: Effect | None = None
    p_adjusted: float | None = None
    size: Effect | None = None
    sensitivity: float | None = None
    shares: tuple[Share, ...] = ()
    ratings: Ratings | None = None
    ranking: Ranking | None = None
    repeats: str | None = None
    examples: tuple[Example, ...] = ()

    @property
    def claimed(self) -> bool:
        """Whether a difference is claimed."""
        return self.outcome is OUTCOMES.claimed

    @property
    def tested(self) -> bool:
        """Whether it was judged on the validation split."""
        return self.crude is not None

    @property
    def estimate(self) -> Effect | None:
        """The effect that a claim rests on: as people see it where they labelled, adjusted for covariates if any."""
        return self.judged if self.people is None else self.people

    @property
    def judged(self) -> Effect | None:
        """The effect as the judge sees it, adjusted for covariates if any."""
        return self.crude if self.given_covariates is None else self.given_covariates

    @property
    def target(self) -> str:
        """Whose answers the estimate is about: "people" (as your labels see it) or "judge" (as the language model)."""
        return "judge" if self.people is None else "people"


@dataclasses.dataclass(frozen=True)
class Group:
    """A group of texts: how many it has, how many distinct ones, and how these were split.

    `n_validated` of the validation split were drawn at random to be judged; these are of `n_clusters`, where texts
    belong together.
    """

    name: str
    n_texts: int
    n_distinct: int
    n_research: int
    n_validation: int
    n_validated: int
    n_clusters: int | None = None


@dataclasses.dataclass(frozen=True)
class Units:
    """The observations: each distinct text of a group once (or each text, with `repeats="count"`).

    **Attributes:** arrays of one entry per observation: `text`, its index into `Comparison.corpus.distinct`; `group`,
    its index into `Comparison.groups`; `research`, whether it is of the research split; `validated`, whether it was
    drawn to be judged on the validation split; `cluster`, equal where texts belong together, `None` where they do not.
    """

    text: np.ndarray
    group: np.ndarray
    research: np.ndarray
    validated: np.ndarray
    cluster: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.text)

    def at(self, rows: np.ndarray) -> "Units":
        """Some of the observations."""
        return Units(**{name: column[rows] for name, column in vars(self).items() if column is not None})


@dataclasses.dataclass(frozen=True)
class ComparisonLike:
    """The fields of a `Comparison`, for what a comparison itself needs: its files and page."""

    groups: list[Group]
    goal: str
    findings: list[Finding]
    corpus: "Corpus"
    units: Units
    judgments: np.ndarray
    covariates: tuple[str, ...]
    confidence: float
    level: float
    correction: str
    warnings: list[str]
    settings: dict[str, Any]
    versions: dict[str, str]
    costs: Costs
    pictures: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unadjusted: Mapping[str, float] = dataclasses.field(default_factory=dict)
    following: "GoalFollowing | None" = None

    @property
    def claims(self) -> list[Finding]:
        """The findings that are claimed, the largest effect first."""
        return [finding for finding in self.findings if finding.claimed]

    @property
    def tested(self) -> list[Finding]:
        """The findings that were judged on the validation split."""
        return [finding for finding in self.findings if finding.tested]
