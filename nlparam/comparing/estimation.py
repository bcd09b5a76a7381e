"""What a comparison will cost, before it is made."""

import time
from typing import Any

import numpy as np

from nlparam.comparing.arguments import Arguments
from nlparam.comparing.driver import choose_panels, propose
from nlparam.comparing.grouping import Grouped
from nlparam.comparing.setup import Setup, set_up
from nlparam.errors import LanguageModelError
from nlparam.fitting.estimate import Estimate
from nlparam.runtime.costs import Costs

# Texts of each group on which the tried candidates are judged.
_TRIED = 4
# The share of proposals that no other panel has made, and that of the candidates behind the best that stay in the race,
# as observed in the runs of `docs/how-to/compare.md`.
_NEW, _STAY = 0.7, 0.6


def estimate_comparison(groups: Grouped, **arguments: Any) -> Estimate:
    """What `nlparam.compare` with the same arguments (without `out` and `overwrite`) will cost.

    The predicates of one panel are proposed and judged on a few texts, and the rest is computed from what that took:
    some twenty calls, which are made whatever the store holds; their answers are stored. Raises what `nlparam.compare`
    raises.
    """
    with set_up(groups, Arguments(**arguments)) as setup, setup.store.unread():
        return _estimate(setup)


def _estimate(setup: Setup) -> Estimate:
    seen, options, costs = setup.seen, setup.options, setup.costs
    start = time.perf_counter()
    panels = choose_panels(setup)
    numeric = time.perf_counter() - start
    proposing = _Rate(costs)
    candidates = propose(setup, panels[:1])
    proposing.stop()
    n_candidates = len(candidates)
    if not candidates:
        raise LanguageModelError("the language model proposed no usable predicate for the first panel that was tried")
    if len(panels) > 1:
        n_candidates = round(n_candidates * (1 + _NEW * (len(panels) - 1)))
    units = seen.units
    texts = np.concatenate(
        [units.text[units.research & (units.group == group)][:_TRIED] for group in range(seen.n_groups)]
    )
    pairs = np.stack(np.meshgrid(texts, np.arange(len(candidates)), indexing="ij"), axis=-1).reshape(-1, 2)
    # The first call loads a model, or waits for a server to wake: it belongs to no rate.
    start = time.perf_counter()
    setup.judge.judge(seen.corpus.distinct, candidates, pairs[:1])
    numeric += time.perf_counter() - start
    judging = _Rate(costs)
    setup.judge.judge(seen.corpus.distinct, candidates, pairs[1:])
    judging.stop()
    n_judgments = _n_judgments(setup, n_candidates)
    n_kept = min(options.n_kept, n_candidates)
    n_rated = 3 * n_kept if setup.rater is not None else 0
    # A proposal takes several calls where texts are stated first; each panel takes as many.
    n_proposals = proposing.n * len(panels)
    prompt = proposing.prompt_tokens * n_proposals + judging.prompt_tokens * (n_judgments + n_rated)
    completion = proposing.completion_tokens * n_proposals + judging.completion_tokens * (n_judgments + n_rated)
    seconds = numeric + proposing.seconds * n_proposals + judging.seconds * (n_judgments + n_rated)
    price = setup.meter.budget.price
    return Estimate(
        judgments=n_judgments + n_rated,
        proposals=n_proposals,
        prompt_tokens=round(prompt),
        completion_tokens=round(completion),
        seconds=seconds,
        cost=None if price is None else price.of(prompt, completion, seconds),
        n_tried=costs.calls,
    )


def _n_judgments(setup: Setup, n_candidates: int) -> int:
    """How many judgments screening and testing are expected to take."""
    options, groups = setup.options, setup.seen.groups
    if setup.ranker is not None:
        n_candidates = min(n_candidates, options.n_raced)
    n_kept = min(options.n_kept, n_candidates)
    first = sum(min(options.n_first, group.n_research) for group in groups)
    later = sum(min(options.n_screened, group.n_research) for group in groups) - first
    staying = n_kept + _STAY * (n_candidates - n_kept)
    return round(n_candidates * first + staying * max(later, 0) + n_kept * sum(group.n_validated for group in groups))


class _Rate:
    """What one answer takes, from when it is made until `stop`: calls and answers of the store both count."""

    def __init__(self, costs: Costs):
        self.costs = costs
        self.before, self.began = self._counts(), time.perf_counter()

    def stop(self) -> None:
        calls, served, prompt, completion = (after - b for after, b in zip(self._counts(), self.before, strict=True))
        self.n = calls + served
        self.prompt_tokens, self.completion_tokens = prompt / max(calls, 1), completion / max(calls, 1)
        self.seconds = (time.perf_counter() - self.began) / max(calls, 1)

    def _counts(self) -> tuple[int, int, int, int]:
        costs = self.costs
        served = costs.proposals_served + costs.judgments_served
        return costs.calls, served, costs.prompt_tokens, costs.completion_tokens
