"""What a taxonomy will cost, before it is grown."""

import time

import numpy as np

from nlparam.errors import LanguageModelError
from nlparam.fitting.estimate import Estimate, Judgments, estimated, measured
from nlparam.numerics.core.sample import judging_order
from nlparam.taxonomies.dividing import Divider
from nlparam.taxonomies.options import efforts
from nlparam.taxonomies.setup import stating_order
from nlparam.taxonomies.tree import Growing

# Texts that are stated and judged to measure what one call takes.
_TRIED = 8
# Calls for phrasing in the whole tree, and for seeing whether the goal is followed, about.
_PHRASED, _READ = 6, 60


def estimate_growth(growing: Growing) -> Estimate:
    """What growing the tree will cost, from a few calls that are measured; their answers are stored.

    Raises `LanguageModelError` if none of them is answered.
    """
    divider, depth = growing.divider, growing.depth
    run, options, statements = divider.run, divider.options, divider.proposer.statements
    n_texts = len(divider.represented)
    began = time.perf_counter()
    rows = stating_order(options, n_texts, seed=run.seed)[:_TRIED]
    # The first call loads a model, or waits for a server to wake: it belongs to the tree, but to no rate.
    run.judge.judge(run.corpus.distinct, [run.settings["goal"]], np.asarray([[rows[0], 0]]))
    numeric = time.perf_counter() - began + run.costs.seconds.get("embedding", 0.0)
    _, stating = measured(run.costs, lambda: statements.state(rows))
    names = [statements.paths[rows[position]][0] for position in statements.usable(rows)]
    predicates = [f"is about {name}" for name in dict.fromkeys(names)][:4] or [run.settings["goal"]]
    order = judging_order(divider.represented @ divider.represented[rows[:2]].T, rng=np.random.default_rng(run.seed))
    pairs = np.asarray([(row, column) for row in order[:_TRIED] for column in range(len(predicates))])
    _, judging = measured(run.costs, lambda: run.judge.judge(run.corpus.distinct, predicates, pairs))
    if stating.n == 0:
        raise LanguageModelError("none of the calls that were to be measured was answered: see `nlparam doctor`")
    least, most = divider.children
    n_children = (least + min(most, 2 * least + 2)) / 2
    expected, n_nodes = _judgments(divider, depth, n_children)
    bounds = [_judgments(divider, depth, float(n))[0] for n in (least, most)]
    bound = f"the least and the most as nodes have {least} to {most} children; fewer if nodes cannot be divided"
    once_more = 0.0
    if growing.more is not None:
        once_more = max(_judgments(divider, 1, float(n))[0] for n in (least, most))
        bound += f"; where the first level is uncertain, it is divided anew with {options.most_stated} statements"
    judgments = Judgments(expected, min(expected, *bounds), max(expected, *bounds) + once_more, bound)
    n_stated = min(options.first_stated, n_texts) * statements.stater.n_levels + _READ
    n_proposals = n_stated + _PHRASED + n_nodes * (most + options.n_compared)
    return estimated(run.session, numeric, (judgments, judging), (n_proposals, stating))


def _judgments(divider: Divider, depth: int, n_children: float) -> tuple[float, float]:
    """How many judgments a tree takes if its nodes have so many children, and how many nodes are divided."""
    options, most, n_texts = divider.options, divider.children[1], len(divider.represented)
    n_judgments, n_divided = 0.0, 0.0
    for level in range(depth):
        n_nodes = n_children**level
        size = n_texts / n_nodes
        if size < options.least_texts:
            break
        effort = efforts(round(size), n_texts, options)
        # Most nodes of real corpora leave a gap that is looked at once more. Of divisions that are as likely all
        # predicates are judged to the half, about as many as there may be children; then what is chosen in full.
        n_considered = effort.n_candidates + effort.n_sought
        n_rivals = min(most, n_considered)
        per_node = n_considered * effort.n_screened + n_rivals * (effort.n_half - effort.n_screened)
        per_node += min(n_children + effort.n_sought, n_considered) * (effort.n_judged - effort.n_half)
        n_judgments += n_nodes * per_node
        n_divided += n_nodes
    return n_judgments, n_divided
