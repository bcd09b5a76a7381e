"""How a comparison is made: how much is shown, judged and tested."""

import dataclasses

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
        for name in ("n_kept", "n_first", "n_screened", "n_raced"):
            if getattr(self, name) < 1:
                raise ValueError(f"got {name}={getattr(self, name)}, expected at least 1")
        if self.n_validated < 2:
            raise ValueError(f"got n_validated={self.n_validated}, expected at least 2")
        for name in ("n_directions", "n_examples"):
            if getattr(self, name) < 0:
                raise ValueError(f"got {name}={getattr(self, name)}, expected at least 0")
        for name in ("research", "failure_probability", "least_alike"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"got {name}={getattr(self, name)}, expected a number between 0 and 1")


# A small model on a CPU answers two or three questions a second.
SMALL = CompareOptions(n_directions=3, n_kept=6, n_first=12, n_screened=40, n_validated=80)
STRONG = CompareOptions()


def check_numbers(confidence: float, level: float, correction: str, look: int | None = None) -> None:
    """Raises `ValueError` for levels outside (0, 1), an unknown correction, and a look below 1."""
    if look is not None and look < 1:
        raise ValueError(f"got look={look}, expected at least 1: this one counts")
    for name, value in (("confidence", confidence), ("level", level)):
        if not 0 < value < 1:
            raise ValueError(f"got {name}={value}, expected a number between 0 and 1")
    if correction not in CORRECTIONS:
        raise ValueError(f"got correction={correction!r}, expected one of {', '.join(CORRECTIONS)}")
