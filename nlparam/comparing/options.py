"""How a comparison is made: how much is shown, judged and tested."""

import dataclasses

from nlparam.errors import check_at_least, check_fractions, check_one_of
from nlparam.numerics.statistics.effects import CORRECTIONS


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Settings of `nlparam.compare`. The defaults of the counts are for a strong language model; a small one gets less.

    **Arguments:**

    - `research`: the share of the texts that is for proposing and screening; the rest is for testing.
    - `n_directions`: how many directions are relaxed to choose what a proposer is shown, beside random texts.
    - `n_kept`: how many predicates are tested on the validation split, at most.
    - `n_first`, `n_screened`: on how many texts of each group (of the research split) every candidate is judged, and
      those that are still in the race at most.
    - `n_validated`: on how many texts of each group a predicate is tested.
    - `failure_probability`: how often, at a look, a candidate may be taken for worse than an equal one. It is dropped
      only if it seems worse than each of `n_kept` others.
    - `least_alike`: candidates whose answers correlate so highly are taken to say the same; only the better is tested.
    - `n_raced`: how many candidates a ranker lets through to the judge, if there is one.
    - `n_examples`: how many texts of each group are kept for a finding, for and against.
    """

    research: float = 0.4
    n_directions: int = 4
    n_kept: int = 8
    n_first: int = 16
    n_screened: int = 128
    n_validated: int = 500
    failure_probability: float = 0.05
    least_alike: float = 0.9
    n_raced: int = 24
    n_examples: int = 4

    def __post_init__(self):
        check_at_least(1, n_kept=self.n_kept, n_first=self.n_first, n_screened=self.n_screened, n_raced=self.n_raced)
        check_at_least(2, n_validated=self.n_validated)
        check_at_least(0, n_directions=self.n_directions, n_examples=self.n_examples)
        check_fractions(
            research=self.research, failure_probability=self.failure_probability, least_alike=self.least_alike
        )


# A small model on a CPU answers two or three questions a second.
SMALL = CompareOptions(n_directions=3, n_kept=6, n_first=12, n_screened=40, n_validated=80)
STRONG = CompareOptions()


def check_numbers(confidence: float, level: float, correction: str, look: int | None = None) -> None:
    """Raises `ValueError` for levels outside (0, 1), an unknown correction, and a look below 1."""
    if look is not None and look < 1:
        raise ValueError(f"got look={look}, expected at least 1: this one counts")
    check_fractions(confidence=confidence, level=level)
    check_one_of(CORRECTIONS, correction=correction)
