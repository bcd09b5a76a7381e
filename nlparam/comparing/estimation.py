"""What a comparison will cost, before it is made."""

import time
from typing import Unpack

import numpy as np

from nlparam.comparing.driver import choose_panels, propose
from nlparam.comparing.grouping import Grouped
from nlparam.comparing.setup import CompareArguments, Setup, set_up
from nlparam.denotation.session import Session, accepts, check_names
from nlparam.errors import LanguageModelError
from nlparam.fitting.estimate import Estimate, Judgments, estimated, measured

# Texts of each group on which the tried candidates are judged.
_TRIED = 4
# The share of proposals that no other panel has made, and that of the candidates behind the best that stay in the race,
# as observed in the runs of `docs/how-to/compare.md`.
_NEW, _STAY = 0.7, 0.6


@accepts(CompareArguments, set_up, Session)
def estimate_comparison(groups: Grouped, **asked: Unpack[CompareArguments]) -> Estimate:
    """What `nlparam.compare` with the same arguments (without `out` and `overwrite`) will cost.

    The predicates of one panel are proposed and judged on a few texts, and the rest is computed from what that took:
    some twenty calls, which are made whatever the store holds; their answers are stored. Raises what `nlparam.compare`
    raises.
    """
    check_names(estimate_comparison, asked)
    with set_up(groups, **asked) as setup:
        setup.session.unread()
        return _estimate(setup)


def _estimate(setup: Setup) -> Estimate:
    seen, options, costs = setup.seen, setup.options, setup.session.costs
    start = time.perf_counter()
    panels = choose_panels(setup)
    numeric = time.perf_counter() - start
    candidates, proposing = measured(costs, lambda: propose(setup, panels[:1]))
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
    _, judging = measured(costs, lambda: setup.judge.judge(seen.corpus.distinct, candidates, pairs[1:]))
    judgments = _judgments(setup, n_candidates)
    n_kept = min(options.n_kept, n_candidates)
    n_rated = 3 * n_kept if setup.rater is not None else 0
    # A proposal takes several calls where texts are stated first; each panel takes as many.
    expected, least, most, bound = judgments
    judgments = Judgments(expected + n_rated, least + n_rated, most + n_rated, bound)
    return estimated(setup.session, numeric, (judgments, judging), (proposing.n * len(panels), proposing))


def _judgments(setup: Setup, n_candidates: int) -> Judgments:
    """How many judgments screening and testing take."""
    options, groups = setup.options, setup.seen.groups
    if setup.ranker is not None:
        n_candidates = min(n_candidates, options.n_raced)
    n_kept = min(options.n_kept, n_candidates)
    first = sum(min(options.n_first, group.n_research) for group in groups)
    later = sum(min(options.n_screened, group.n_research) for group in groups) - first
    always = n_candidates * first + n_kept * sum(group.n_validated for group in groups)
    expected, least, most = (
        round(always + (n_kept + share * (n_candidates - n_kept)) * max(later, 0)) for share in (_STAY, 0, 1)
    )
    bound = (
        f"the least if only the {n_kept} best of {n_candidates} candidates stay in the race, the most if all do; with "
        "more or fewer candidates, as many more or fewer"
    )
    return Judgments(expected, least, most, bound)
