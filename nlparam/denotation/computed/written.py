"""Functions that a language model writes for a predicate, and the criteria that one must meet to stand for it."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from nlparam.denotation.computed.computed import ComputedPredicate
from nlparam.denotation.computed.whitelist import RejectedSource, checked_source
from nlparam.denotation.judge import AbstractJudge
from nlparam.language.prompting import load_prompt
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine
from nlparam.numerics.heads.head import bias, log_odds_of
from nlparam.runtime.sandbox import run_predicates

_CODE = re.compile(r"```[ \t]*[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
# Texts on which a function must say the same in another process, in another order.
_REPEATED = 200
_CONFIDENCE = 0.9


@dataclasses.dataclass(frozen=True)
class Criteria:
    """What a function must meet to be believed. All of it, at once.

    **Arguments:**

    - `n_audited`: on how many texts the judge is asked, half of them texts for which the function says yes.
    - `agreement`: the least share of these texts on which they agree, on either half.
    - `lower`: what the agreement on all of them must be above with 90% confidence (Clopper-Pearson).
    - `seconds_per_text`: the most processor time that it may take for a text, on average.
    - `least_texts`: for how many texts it must say yes, and for how many no.
    - `correct_bias`: move the judge's threshold to the valley between its answers, as the fit does for a small model.
    """

    n_audited: int = 30
    agreement: float = 0.85
    lower: float = 0.8
    seconds_per_text: float = 0.001
    least_texts: int = 3
    correct_bias: bool = False


@dataclasses.dataclass(frozen=True)
class Tried:
    """A predicate, the function that was written for it (if any), and why it was not accepted; `None` if it was."""

    predicate: str
    source: str | None
    refused: str | None
    accepted: ComputedPredicate | None = None


def write_functions(engine: Engine, predicates: Sequence[str]) -> list[str | None]:
    """The sources that the language model writes for some predicates, as they come; `None` where it wrote none."""
    prompt = load_prompt("write_function")
    requests = [Request(prompt.fill(predicate=predicate), max_tokens=300) for predicate in predicates]
    answers = engine.complete_stored(requests, what="writing functions")
    return [None if answer is None else _code(answer.text) for answer in answers]


def try_functions(
    predicates: Sequence[str],
    sources: Sequence[str | None],
    texts: Sequence[str],
    judge: AbstractJudge,
    criteria: Criteria,
    *,
    rng: np.random.Generator,
) -> list[Tried]:
    """Checks, runs and audits the functions. The judge is asked about those that meet every other criterion.

    The audits of all functions are one batch of judgments.
    """
    tried = [
        _run(predicate, source, texts, criteria, rng) for predicate, source in zip(predicates, sources, strict=True)
    ]
    audits = [None if values is None else _sample(values, criteria.n_audited, rng) for _, values in tried]
    pairs = [(row, number) for number, rows in enumerate(audits) if rows is not None for row in rows]
    if not pairs:
        return [attempt for attempt, _ in tried]
    answers = judge.judge(texts, predicates, np.asarray(pairs))
    said = {pair: float(answer) for pair, answer in zip(pairs, answers, strict=True)}
    results = []
    for number, ((attempt, values), rows) in enumerate(zip(tried, audits, strict=True)):
        if rows is None or values is None:
            results.append(attempt)
        else:
            probabilities = np.asarray([said[row, number] for row in rows])
            results.append(_audited(attempt, values[rows] > 0.5, probabilities, criteria))
    return results


def _run(predicate, source, texts, criteria: Criteria, rng) -> tuple[Tried, np.ndarray | None]:
    """The function on all texts, unless something speaks against it."""

    def refuse(why: str) -> tuple[Tried, None]:
        return Tried(predicate, source, why), None

    if source is None:
        return refuse("no function was written")
    try:
        source = checked_source(source)
    except RejectedSource as error:
        return refuse(str(error))
    ran = run_predicates([source], texts)[0]
    if not np.isfinite(ran.values).all():
        return refuse(f"it fails: {ran.error}")
    n_yes = int(ran.values.sum())
    if min(n_yes, len(texts) - n_yes) < criteria.least_texts:
        return refuse(f"it says yes for {n_yes} of {len(texts)} texts")
    if ran.seconds > criteria.seconds_per_text * len(texts):
        return refuse(f"it is slow: {ran.seconds / len(texts):.2g} s a text")
    # In another process strings hash differently, so that the order of a set is another; and the order of the texts is.
    rows = rng.choice(len(texts), min(_REPEATED, len(texts)), replace=False)
    again = run_predicates([source], [texts[row] for row in rows], reverse=True)[0]
    if not np.array_equal(again.values, ran.values[rows]):
        return refuse("it says something else the second time")
    return Tried(predicate, source, None), ran.values


def _sample(values: np.ndarray, n_audited: int, rng) -> list[int]:
    """Texts for the audit, half of them with yes as far as there are as many."""
    yes, no = np.flatnonzero(values > 0.5), np.flatnonzero(values <= 0.5)
    half = n_audited // 2
    chosen = [rng.choice(side, min(half, len(side)), replace=False) for side in (yes, no)]
    return np.concatenate(chosen).tolist()


def _audited(attempt: Tried, function: np.ndarray, probabilities: np.ndarray, criteria: Criteria) -> Tried:
    from scipy.stats import binomtest

    answered = np.isfinite(probabilities)
    function, probabilities = function[answered], probabilities[answered]
    if answered.sum() < max(6, criteria.n_audited // 3) or function.all() or not function.any():
        return dataclasses.replace(attempt, refused=f"the judge answered {int(answered.sum())} questions of its audit")
    log_odds = log_odds_of(probabilities)
    agrees = (log_odds > (bias(log_odds) if criteria.correct_bias else 0.0)) == function
    on_yes, on_no = float(agrees[function].mean()), float(agrees[~function].mean())
    lower = float(binomtest(int(agrees.sum()), len(agrees), alternative="greater").proportion_ci(_CONFIDENCE).low)
    if min(on_yes, on_no) < criteria.agreement or lower < criteria.lower:
        shares = f"{on_yes:.0%} of its yes, {on_no:.0%} of its no"
        return dataclasses.replace(attempt, refused=f"the judge agrees with {shares}")
    assert attempt.source is not None
    accepted = ComputedPredicate(
        attempt.predicate, attempt.source, "function", float(agrees.mean()), lower, len(agrees)
    )
    return dataclasses.replace(attempt, accepted=accepted)


def _code(answer: str) -> str | None:
    """The code in an answer: the fenced block, else what begins with `def` or `import`."""
    fenced = _CODE.search(answer)
    code = fenced.group(1) if fenced else answer[max(0, min(_found(answer, "import re"), _found(answer, "def "))) :]
    return code.strip("\n") if "def " in code else None


def _found(answer: str, what: str) -> int:
    place = answer.find(what)
    return place if place >= 0 else len(answer)
