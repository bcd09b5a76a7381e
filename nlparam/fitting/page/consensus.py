"""What a report says about stability: how often each predicate comes back when the fit is made from other seeds."""

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from nlparam.results.page.examples import excerpt
from nlparam.results.page.text import loss_figure

if TYPE_CHECKING:
    from nlparam.fitting.recurrence import Stability

MAX_WORDINGS = 5
MAX_ROWS = 100


class Returned(NamedTuple):
    """One predicate over the seeds: how many of them found it, as a share, too, and in which other words."""

    sentence: str
    n_seeds: int
    share: float
    correlation: float
    prevalence: float
    in_consensus: bool
    wordings: list[str]


@dataclasses.dataclass(frozen=True)
class StabilityView:
    """How stable a result is: figures over all seeds, and one line for each predicate that any of them found.

    `omitted` counts the lines beyond `MAX_ROWS`.
    """

    seeds: list[int]
    alignment: float
    losses: list[float]
    predicates: list[Returned]
    omitted: int

    @property
    def loss_lines(self) -> list[tuple[str, str]]:
        """The loss that each seed arrived at."""
        return [(f"Seed {seed}", loss_figure(loss)) for seed, loss in zip(self.seeds, self.losses, strict=False)]


def stability_view(stability: "Stability | None") -> StabilityView | None:
    """What the report says about the stability of a fit, `None` where there was one seed only."""
    if stability is None or not stability.seeds:
        return None
    lines = [
        Returned(
            sentence=excerpt(found.predicate, 300),
            n_seeds=len(set(found.seeds)),
            share=len(set(found.seeds)) / len(stability.seeds),
            correlation=float(found.correlation),
            prevalence=float(found.prevalence),
            in_consensus=bool(found.in_consensus),
            wordings=[
                excerpt(words, 120)
                for words in dict.fromkeys(found.wordings)
                if words.strip() != found.predicate.strip()
            ][:MAX_WORDINGS],
        )
        for found in stability.recurrences
    ]
    return StabilityView(
        seeds=list(stability.seeds),
        alignment=float(stability.alignment),
        losses=[float(loss) for loss in stability.losses],
        predicates=lines[:MAX_ROWS],
        omitted=max(0, len(lines) - MAX_ROWS),
    )
