"""Audits of simulated evaluators: a planted bias for long, confident answers is found first; without one, nothing is.

A study has 640 outputs, about half of them wrong. The evaluator accepts right outputs with probability 0.8 and wrong
ones with 0.3, raised for long and for confident ones where there is a bias. The language model is scripted: it proposes
those two properties among others and judges with errors.
"""

import itertools
import json
import warnings

import numpy as np

from benchmarks.siblings._scripted import share, shuffled, yes_or_no
from nlparam.evals.audit import Audit, Evaluations, audit
from nlparam.language.prompting import cut_words
from nlparam.testing import ScriptedModel, judgment_of

_N_TASKS, _ERRORS = 320, 0.08
_BIASED, _NULL = 20, 40
# Words that mean nothing, enough of them that none stands for the length of an output.
_FILLER = ["".join(part) for part in itertools.product(("mo", "ti", "ra", "be", "lu", "sa"), repeat=3)]
_CONFIDENT = ["certainly", "without any doubt", "clearly", "it is obvious that"]
# What else an output may be; nothing of it matters to the evaluator.
_OTHER = {
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
    facts = {name: rng.random(n) < 0.4 for name in (*_PLANTED, *_OTHER)}
    outputs = [_write({name: bool(facts[name][row]) for name in facts}, rng) for row in range(n)]
    correct = rng.random(n) < 0.5
    chance = np.where(correct, 0.8, 0.3 + bias * (0.35 * facts["is long"] + 0.25 * facts["sounds confident"]))
    evaluations = Evaluations(
        task=[f"task {row % _N_TASKS}" for row in range(n)],
        output=outputs,
        verdict=rng.random(n) < chance,
        correct=correct,
        system=["before" if row < _N_TASKS else "after" for row in range(n)],
    )
    known = {cut_words(text, 400): {name: bool(facts[name][row]) for name in facts} for row, text in enumerate(outputs)}

    def answer(request):
        asked = request.messages[-1].content
        question = judgment_of(request)
        if question is None:
            return json.dumps(shuffled([*_PLANTED, *_OTHER], asked))
        return yes_or_no(known[question.text][question.predicate] != (share(asked) < _ERRORS), 0.95)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the studies are small
        found = audit(
            evaluations,
            lm=ScriptedModel(answer, identity=f"scripted-{seed}-{bias}"),
            store=":memory:",
            ratings=False,
            options={"n_directions": 0, "n_screened": 64, "n_validated": 160},
            seed=seed,
        )
    return found, evaluations, facts


def _write(has: dict[str, bool], rng: np.random.Generator) -> str:
    words = rng.choice(_FILLER, rng.integers(50, 80) if has["is long"] else rng.integers(15, 30)).tolist()
    for ways in [_CONFIDENT] * has["sounds confident"] + [_OTHER[name] for name in _OTHER if has[name]]:
        words.insert(int(rng.integers(len(words) + 1)), str(rng.choice(ways)))
    return " ".join(words) + "."


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
