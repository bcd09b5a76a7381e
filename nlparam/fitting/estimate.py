"""`nlparam.estimate`: what a fit will cost, before it is run."""

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, Unpack

import numpy as np

from nlparam.corpus.frames import Frame
from nlparam.denotation.session import Session, accepts, check_names
from nlparam.errors import LanguageModelError
from nlparam.fitting.sampling import SHARE
from nlparam.fitting.setup import FitArguments, FitRun, prepared
from nlparam.language.goals import read_goal
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.runtime.costs import Costs

# Texts on which the predicates that were tried are judged, to measure tokens and seconds of a judgment.
_TRIED_TEXTS = 8
# Contenders judged in full beside each selected predicate, and the share of rounds of refinement in which a proposal
# is, as observed in fits of the sets of `docs/reference/benchmarks.md`.
_CONTENDERS, _KEPT = 0.1, 0.5
# The share of pairs that a cascade asks for: that of a small model on 2,000 texts, see `docs/explanation/cascade.md`.
_CASCADED = 0.4

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The expected cost of a fit whose store is empty.

    **Attributes:** `judgments` and `proposals`, which are one call each; tokens; `seconds` of the whole fit; `cost` in
    the currency of the price, `None` where the budget names none. `judgments` lie between `least` and `most`, and
    `bound` says in words what sets both. The rates were measured by `n_tried` calls just now
    (what the store knew was not asked); their answers are stored, and the fit will not ask them again.
    """

    judgments: int
    proposals: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cost: float | None
    n_tried: int
    least: int = 0
    most: int = 0
    bound: str = ""

    @property
    def calls(self) -> int:
        return self.judgments + self.proposals

    def times(self, n_fits: int) -> "Estimate":
        """The expected cost of so many fits, from different seeds."""
        costs = ("judgments", "least", "most", "proposals", "prompt_tokens", "completion_tokens", "seconds", "cost")
        values = {name: getattr(self, name) for name in costs}
        return dataclasses.replace(self, **{name: v if v is None else v * n_fits for name, v in values.items()})


@accepts(FitArguments, prepared, Session)
def estimate(
    model: AbstractPredicateModel, texts: Iterable[str] | Frame, data: Any = None, **asked: Unpack[FitArguments]
) -> Estimate:
    """What `nlparam.fit` with the same arguments will cost.

    The texts are embedded and relaxed as the fit would, the predicates of one slot are proposed and judged on a few
    texts, and the rest is computed from what that took: some twenty calls of the language model, which are made
    whatever the store holds, because what it serves takes no time. Their answers are stored.

    **Arguments:** as for `nlparam.fit`, without `out` and `overwrite`.

    Raises what `nlparam.fit` raises; `LanguageModelError` if the calls that were to be measured all failed.
    """
    check_names(estimate, asked)
    with prepared(model, texts, data, only_estimate=True, **asked) as run:
        return _estimate(run)


def _estimate(run: FitRun) -> Estimate:
    search, costs = run.search, run.costs
    scores = search.start()
    numeric_seconds = costs.total_seconds
    # The first call loads a model, or waits for a server to wake: it belongs to the fit, but to no rate.
    start = time.perf_counter()
    first = [*getattr(search.proposer, "predicates", ()), run.settings["goal"]][:1]
    run.judge.judge([run.corpus.distinct[search.order[0]]], first, np.zeros((1, 2), dtype=int))
    numeric_seconds += time.perf_counter() - start
    # The first slot of the proposals that the fit will ask for: the same texts, so nothing is asked twice.
    n_open = search.n_open
    proposals, proposing = measured(costs, lambda: search.propose_for(scores[:, :1]) if n_open else [])
    rows = search.order[:_TRIED_TEXTS]
    _, judging = measured(costs, lambda: search.pool.judge_columns(range(len(search.pool.predicates)), rows))
    n_slots = scores.shape[1]
    rounds = search.options.n_rounds
    refined = min(search.options.n_slots_refined or n_open, n_open)
    n_proposals = proposing.n * (n_open + rounds * refined)
    if run.goal_representation is not None:
        n_distinct = len(run.corpus.distinct)
        n_proposals += run.goal_representation.n_calls(
            run.model.n_predicates,
            n_distinct,
            n_states=run.goal_representation.number_read(
                n_distinct, search.options.max_judgments, goal=read_goal(run.settings["goal"]), lm=run.session.lm
            ),
        )
    judgments = judgments_of(run, len(proposals), n_proposals)
    # The relaxation is repeated, with all slots but one fixed, for every slot that is refined.
    numeric_seconds += rounds * refined * costs.seconds.get("relaxation", 0.0) / max(n_slots, 1)
    return estimated(run.session, numeric_seconds, (judgments, judging), (n_proposals, proposing))


class Judgments(NamedTuple):
    """How many judgments are expected, the fewest and the most there can be, and in words what sets these."""

    expected: float
    least: float
    most: float
    bound: str


def judgments_of(run: FitRun, n_tried: int, n_proposals: float = 0.0) -> Judgments:
    """How many judgments a fit asks for: screening, judging in full, rounds of refinement, the texts at the end, and
    the cascade.

    What is locked is judged in full and leaves fewer slots; candidates of the user's own are screened as proposals are.

    A proposer that says how many candidates it gives per slot is believed; one that does not (a list of the user's own)
    gives the `n_tried` candidates that it gave for the first slot to all of them together, and none later.
    """
    options, n_distinct = run.search.options, len(run.search.corpus.distinct)
    n_slots, n_open, wishes = run.model.n_predicates, run.search.n_open, run.search.wishes
    screened = min(n_distinct, options.n_screened * run.model.n_predicates)
    in_full = max(min(options.n_judged or n_distinct, n_distinct) - screened, 0)
    refined = min(options.n_slots_refined or n_open, n_open)
    per_slot = min(getattr(run.search.proposer, "n_candidates", 0), options.n_candidates)
    n_candidates = (n_open * per_slot or n_tried) + len(wishes.candidates) if n_open else 0
    locked = len(wishes.locked) * (screened + in_full)
    expected = locked + n_candidates * screened + (1 + _CONTENDERS) * n_open * in_full
    # As many candidates as predicates, and no round that finds a better one.
    least = locked + min(n_candidates, n_open) * (screened + in_full)
    if per_slot:
        expected += options.n_rounds * refined * (per_slot * screened + _KEPT * in_full)
        n_candidates += options.n_rounds * refined * per_slot
    most = locked + n_candidates * (screened + in_full)
    if options.n_judged_finally is not None:
        finally_judged = n_slots * max(min(options.n_judged_finally, n_distinct) - screened - in_full, 0)
        expected, least, most = (n + finally_judged for n in (expected, least, most))
    bound = (
        f"the least if only {n_open} candidates come and no round finds better ones (fewer candidates take less), the "
        f"most if {n_candidates} come and all are judged on {screened + in_full:,} texts"
    )
    if not n_open:
        bound = "all predicates are locked, and nothing is searched for"
    limit = options.max_judgments or np.inf
    if most > limit:
        bound = f"the least if no round finds better candidates, the most by max_judgments, {limit:,}"
    expected, least, most = (min(n, limit) for n in (expected, least, most))
    cascaded = 0 if run.cascade is None else _CASCADED * len(run.corpus.distinct) * n_slots
    after = _judged_at_the_end(run, n_slots, most + n_proposals)
    if after:
        bound += f". Random texts at the end take up to {after:,} of them"
    everything = 0 if run.cascade is None else len(run.corpus.distinct) * n_slots
    return Judgments(int(expected + cascaded), int(least), int(most + everything + after), bound)


def _judged_at_the_end(run: FitRun, n_slots: int, n_asked: float) -> int:
    """How many judgments the intervals take at most, if so many were asked for before."""
    if isinstance(run.inference, bool):
        return int(SHARE * n_asked) if run.inference else 0
    return min(run.inference, len(run.corpus)) * n_slots


class Rates(NamedTuple):
    """What one answer took: `n` were measured, those of the store among them."""

    n: int
    prompt_tokens: float
    completion_tokens: float
    seconds: float


def measured(costs: Costs, ask: Callable[[], T]) -> tuple[T, Rates]:
    """What `ask()` returned, and what each of the answers it waited for took."""
    before, start = dataclasses.replace(costs), time.perf_counter()
    result = ask()
    n = costs.calls - before.calls
    served = costs.proposals_served + costs.judgments_served - before.proposals_served - before.judgments_served
    return result, Rates(
        n + served,
        (costs.prompt_tokens - before.prompt_tokens) / max(n, 1),
        (costs.completion_tokens - before.completion_tokens) / max(n, 1),
        (time.perf_counter() - start) / max(n, 1),
    )


def estimated(
    session: Session, seconds: float, judging: tuple[Judgments, Rates], proposing: tuple[float, Rates]
) -> Estimate:
    """The estimate for so many judgments and proposals at their rates, beside the `seconds` that arrays take.

    Raises `LanguageModelError` if none of the judgments that were measured was answered.
    """
    if judging[1].n == 0:
        raise LanguageModelError("none of the calls that were to be measured was answered: see `nlparam doctor`")
    judgments = judging[0]
    parts = ((judgments.expected, judging[1]), proposing)
    prompt = sum(n * rates.prompt_tokens for n, rates in parts)
    completion = sum(n * rates.completion_tokens for n, rates in parts)
    seconds += sum(n * rates.seconds for n, rates in parts)
    price = session.meter.budget.price
    return Estimate(
        judgments=round(judgments.expected),
        least=round(judgments.least),
        most=round(judgments.most),
        bound=judgments.bound,
        proposals=round(proposing[0]),
        prompt_tokens=round(prompt),
        completion_tokens=round(completion),
        seconds=seconds,
        cost=None if price is None else price.of(prompt, completion, seconds),
        n_tried=session.costs.calls,
    )
