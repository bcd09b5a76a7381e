"""One small real result of each sibling system, of texts of any kind: scripted models, no sandbox, no weights."""

import dataclasses
import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

import nlparam
from nlparam import Explanation
from nlparam.denotation.judge import LabelJudge
from nlparam.evals.audit import Audit, Evaluations, audit
from nlparam.evals.audit.audit import SIDES
from nlparam.evals.code import CodeProblem, probe
from nlparam.evals.code import Evaluation as Executed
from nlparam.evals.decomposition import Decomposed
from nlparam.evals.simulatability import Simulatability
from nlparam.guard import Attack, Benign, evaluate
from nlparam.guard import Evaluation as GuardEvaluation
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from nlparam.runtime.sandbox import Verdict
from tests.helpers.guard_parts import benign_texts, scripted, trained
from tests.helpers.handmade_results import make_comparison
from tests.helpers.planted_compound import COMPOUND, LABELS, TEXTS, WORDS
from tests.helpers.planted_compound import WRONG as WRONG_PARTS
from tests.helpers.planted_explanations import BROAD, TRUE, VACUOUS, WRONG, request_text, shop
from tests.helpers.planted_explanations import Oracle as Reader


def simulated(texts: Sequence[str] = ()) -> Simulatability:
    """Four explanations of a shop's rule; each of the `texts` is also an explanation, of which nobody makes anything.

    The counterfactuals end with one of the texts.
    """
    reader, endings = Reader(), itertools.cycle(texts)

    def answer(request):
        said = reader(request)
        if request.labels is not None or not texts:
            return said
        return json.dumps([f"{item} {next(endings)}" for item in json.loads(str(said))])

    given = [TRUE, BROAD, WRONG, VACUOUS, *texts]
    rows = [Explanation(request_text("clock", True, False), "yes", one) for one in given]
    return nlparam.simulate(
        rows,
        model=shop,
        lm=ScriptedModel(answer),
        answers=("yes", "no"),
        task="A shop says whether it takes an item back.",
        similarities=("bleu", "jaccard"),
        store=":memory:",
    )


def _with(items: list[str], texts: Sequence[str]) -> list[str]:
    return [f"{item} {texts[n % len(texts)]}" if texts else item for n, item in enumerate(items)]


def decomposed(texts: Sequence[str] = ()) -> Decomposed:
    """A compound of sport and bad mood, taken apart well and badly; each corpus text ends with one of the `texts`."""

    def answer(request):
        prompt = request.messages[-1].content
        if request.labels is not None:
            text, _, question = prompt.rpartition("Property: ")
            yes = WORDS.get(question.removesuffix(". Yes or no?"), "calmly") in text.casefold()
            return {"yes": 0.9, "no": 0.1} if yes else {"yes": 0.1, "no": 0.9}
        if "one of its parts is:" in prompt:
            return json.dumps(["is about money", "is long"])
        if "Criticism:" in prompt:
            return "I am not sure."
        if "Name the worst fault" in prompt:
            return texts[0] if texts else "Part B is not about mood."
        return (WRONG_PARTS, "A: is about sport\nFormula: A and (")[request.seed % 2]

    return nlparam.decompose(
        COMPOUND,
        _with(TEXTS, texts),
        LABELS,
        lm=ScriptedModel(answer),
        n_proposals=2,
        expressions=['"is about sport" and not ("is negative" or "is long")', '"is about sport" and "is negative"'],
        store=":memory:",
    )


def audited(texts: Sequence[str] = ()) -> Audit:
    """Two systems, of which the later fools more often, two covariates, and predicates of what fools."""
    n, rng = 400, np.random.default_rng(0)
    systems = ("before", texts[0] if texts else "after")
    seconds = rng.exponential(60, n)
    correct = np.arange(n) % 4 < 2
    fooled = np.where(np.arange(n) % 2 == 0, 0.2, 0.6) + np.where(seconds < 40, 0.2, 0.0)
    evaluations = Evaluations(
        task=[f"task {i}" for i in range(n)],
        output=[f"an output of {i}" for i in range(n)],
        verdict=rng.random(n) < np.where(correct, 0.8, fooled),
        correct=correct,
        system=[systems[i % 2] for i in range(n)],
        covariates={"seconds": seconds.tolist(), "effort": rng.choice(["low", "high"], n).tolist()},
    )
    measured = audit(evaluations, predicates=False)
    comparison = make_comparison(groups=SIDES[measured.side], predicates=[*texts, "is long", "is sure"][:10])
    return dataclasses.replace(measured, comparison=comparison, notes=[*measured.notes, *texts[:2]])


def guarded(texts: Sequence[str] = ()) -> GuardEvaluation:
    """A trained guard evaluated on its held-out styles, on benign traffic, and on hard texts, also the `texts`."""
    guard = trained()
    attacks = [Attack(e.text, e.role, e.rule if e.restricted else "", e.attack) for e in guard.examples if e.held_out]
    hard = [*texts, "match minister shares market film season", "Zephyr Telecom has offers for customers who switched"]
    style = texts[0] if texts else "disguised"
    # Whatever the guard says of a text, it is wrong about one of the two.
    attacks += [Attack(text, "input", rule, style) for text in hard for rule in ("dosage", "")]
    costs = Costs()
    with Store(":memory:") as store, Engine(scripted()[0], store=store, costs=costs) as engine:
        judge = LabelJudge(engine, store, costs)
        traffic = Benign.from_texts([*benign_texts(300, seed=3), "take two tablets daily, one spoon of syrup twice"])
        return evaluate(guard, traffic, attacks=attacks, judge=judge, engine=engine, store=store)


def executed(texts: Sequence[str] = ()) -> tuple[Executed, dict[str, Any]]:
    """Solutions of originals and of perturbed problems in two libraries; the failures say, and are, the `texts`."""
    problems, verdicts, code = [], [], []
    rng = np.random.default_rng(1)
    kinds = ("Surface", "Semantic", "Difficult-Rewrite")
    for number in range(60):
        library = ("Numpy", texts[0] if texts else "Pandas")[number % 2]
        for place, kind in enumerate(("Origin", kinds[number % 3])):
            problems.append(
                CodeProblem(
                    f"{number}.{place}", "a problem", "", None, library, kind, f"{number}.{place}", f"{number}.0"
                )
            )
            passed = bool(rng.random() < (0.8, (0.75, 0.45, 0.2)[number % 3])[place])
            failure = texts[number % len(texts)] if texts else "arrays differ in 3 places"
            form = None if number % 7 else False
            error = None if passed else f"AssertionError: {failure}"
            verdicts.append(Verdict(passed, form if passed else None, "the form is ruled out" if form else error))
            code.append(f"result = a * {number}  # {failure}")
    verdicts[-1] = Verdict(False, None, "the tests need a package", broken=True)
    found = Executed(problems, code, verdicts, frozenset({"landlock", "seccomp"}))
    return found, {"probe": probe(found)}


MAKERS = {
    "simulated": simulated,
    "decomposed": decomposed,
    "audited": audited,
    "guarded": guarded,
    "executed": lambda texts=(): executed(texts)[0],
}


def report_of(name: str, texts: Sequence[str] = ()) -> str:
    """The report of one of `MAKERS`."""
    if name != "executed":
        return MAKERS[name](texts).report()
    result, more = executed(texts)
    return result.report(**more)
