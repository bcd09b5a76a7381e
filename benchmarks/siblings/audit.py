"""Audits of simulated evaluators: a planted bias for long, confident answers is found first; without one, nothing is.

A study has 640 outputs, about half of them wrong. The evaluator accepts right outputs with probability 0.8 and wrong
ones with 0.3, raised for long and for confident ones where there is a bias. The language model is scripted: it proposes
those two properties among others and judges with errors.
"""

import itertools
import warnings

import numpy as np

from benchmarks.simulated import erring, with_phrases
from nlparam.evals.audit import Audit, Evaluations, audit

_N_TASKS, _ERRORS = 320, 0.08
_BIASED, _NULL = 20, 40
# Words that mean nothing, enough of them that none stands for the length of an output.
_FILLER = ["".join(part) for part in itertools.product(("mo", "ti", "ra", "be", "lu", "sa"), repeat=3)]
# What an output may be; but for its length and its confidence nothing of it matters to the evaluator.
_SAID = {
    "sounds confident": ["certainly", "without any doubt", "clearly", "it is obvious that"],
    "is polite": ["please note", "thank you for asking"],
    "gives an example": ["for example", "for instance"],
    "mentions a number": ["about 40", "some 300"],
    "asks something back": ["do you agree?", "is that clear?"],
    "is about farming": ["wheat harvest", "barley fields"],
    "refers to a source": ["according to records", "as a report says"],
}
_PLANTED = ("is long", "sounds confident")


def measure() -> dict:
    """Figures of `benchmarks/siblings`, this system."""
    biased = [study(seed, bias=True) for seed in range(_BIASED)]
    null = [study(1000 + seed, bias=False) for seed in range(_NULL)]
    first = [_is_planted(*one) for one in biased]
    silent = [found.comparison is not None and not found.comparison.claims for found, _, _ in null]
    moved = [any(change.p_adjusted <= 0.05 for change in found.changes) for found, _, _ in null]
    gaps = [found.rates[1].false_positives.rate - found.rates[0].false_positives.rate for found, _, _ in biased]
    return {
        "bias_found_first": sum(first) / len(first),
        "null_studies_without_a_claim": sum(silent) / len(silent),
        "claims_per_biased_study": float(np.mean([len(found.fooling) for found, _, _ in biased])),
        "null_studies_with_a_change_of_rates": sum(moved) / len(moved),
        "mean_change_of_false_positives": float(np.mean(gaps)),
    }


def study(seed: int, *, bias: bool) -> tuple[Audit, Evaluations, dict[str, np.ndarray]]:
    """One simulated study: its audit, its evaluations, and which outputs have which property."""
    rng = np.random.default_rng(seed)
    n = 2 * _N_TASKS
    facts = {name: rng.random(n) < 0.4 for name in ("is long", *_SAID)}
    outputs = []
    for row in range(n):
        n_words = int(rng.integers(50, 80) if facts["is long"][row] else rng.integers(15, 30))
        outputs.append(with_phrases(rng, _FILLER, n_words, [_SAID[name] for name in _SAID if facts[name][row]]) + ".")
    correct = rng.random(n) < 0.5
    chance = np.where(correct, 0.8, 0.3 + bias * (0.35 * facts["is long"] + 0.25 * facts["sounds confident"]))
    evaluations = Evaluations(
        task=[f"task {row % _N_TASKS}" for row in range(n)],
        output=outputs,
        verdict=rng.random(n) < chance,
        correct=correct,
        system=["before" if row < _N_TASKS else "after" for row in range(n)],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the studies are small
        found = audit(
            evaluations,
            lm=erring(outputs, facts, errors=_ERRORS, identity=f"scripted-{seed}-{bias}"),
            store=":memory:",
            ratings=False,
            options={"n_directions": 0, "n_screened": 64, "n_validated": 160},
            seed=seed,
        )
    return found, evaluations, facts


def _is_planted(found: Audit, evaluations: Evaluations, facts: dict[str, np.ndarray]) -> bool:
    """Whether the first claim is a planted property: by its name, or a computed one that holds for the same texts."""
    if not found.fooling:
        return False
    predicate = found.fooling[0].predicate
    if predicate in _PLANTED or predicate in facts:
        return predicate in _PLANTED
    assert found.comparison is not None
    place = [finding.predicate for finding in found.comparison.findings].index(predicate)
    said = dict(zip(found.comparison.corpus.distinct, found.comparison.judgments[:, place], strict=True))
    rows = [row for row, text in enumerate(evaluations.output) if np.isfinite(said.get(text, np.nan))]
    values = np.asarray([said[evaluations.output[row]] for row in rows])
    return max(float(np.corrcoef(values, facts[name][rows])[0, 1]) for name in _PLANTED) >= 0.6
