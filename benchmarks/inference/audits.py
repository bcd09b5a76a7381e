"""Audits of an evaluator: a style that goes with a system, and covariates that matter to nobody."""

import numpy as np

from benchmarks.inference.scenarios import CLAIMED_AT, LEVEL, Found, scenario
from benchmarks.inference.worlds import TableJudge, quiet, silent, texts_of
from nlparam.evals.audit import Evaluations, audit

_N_TASKS, _N_PREDICATES, _N_COVARIATES = 1000, 6, 6


def _evaluations(rng, texts, systems, tasks, chance, covariates=None) -> Evaluations:
    """Outputs of which half are right; of the wrong ones the evaluator accepts each with its chance."""
    correct = rng.random(len(texts)) < 0.5
    return Evaluations(
        task=[f"task {task}" for task in tasks.tolist()],
        output=texts,
        verdict=rng.random(len(texts)) < np.where(correct, 0.8, chance),
        correct=correct,
        system=[("one", "another")[system] for system in systems.tolist()],
        covariates={} if covariates is None else covariates,
    )


@scenario("audit", "the accepted system writes in another style, 2,000 outputs", name="audit-style")
def style(rng, *, planted=False):
    """The evaluator likes one system, and one task more than another. Planted: it also likes a property."""
    system, task = np.repeat([0, 1], _N_TASKS), np.tile(np.arange(_N_TASKS), 2)
    texts = texts_of(2 * _N_TASKS)
    easy = rng.normal(0, 0.1, _N_TASKS)[task]
    held = {f"property {k}": rng.random(len(texts)) < 0.3 for k in range(1, _N_PREDICATES)}
    held |= {"style": rng.random(len(texts)) < np.where(system == 0, 0.2, 0.7)}
    liked = 0.25 * held["property 1"] if planted else 0.0
    evaluations = _evaluations(rng, texts, system, task, np.clip(0.25 + 0.3 * system + easy + liked, 0, 1))
    with quiet():
        found = audit(
            evaluations,
            lm=silent(),
            judge=TableJudge(texts, held),
            predicates=list(held),
            ratings=False,
            store=":memory:",
            level=CLAIMED_AT,
            confidence=LEVEL,
            options={"n_directions": 0, "n_validated": 500},
            seed=int(rng.integers(2**31)),
        )
    claims = [] if found.comparison is None else [finding.predicate for finding in found.comparison.claims]
    return Found(claimed="property 1" in claims if planted else bool(claims))


@scenario("audit", "six covariates that matter to nobody, 2,000 outputs", name="audit-covariates")
def covariates(rng, *, planted=False):
    system, task = np.repeat([0, 1], _N_TASKS), np.tile(np.arange(_N_TASKS), 2)
    values = {f"covariate {k}": rng.normal(size=len(task)) for k in range(_N_COVARIATES)}
    chance = 0.35 + 0.2 * system + (0.1 * values["covariate 0"] if planted else 0.0)
    columns = {name: column.tolist() for name, column in values.items()}
    texts = texts_of(len(task))
    found = audit(_evaluations(rng, texts, system, task, np.clip(chance, 0, 1), columns), predicates=False)
    claimed = {one.covariate for one in found.effects if getattr(one, "p_adjusted", one.p_value) <= CLAIMED_AT}
    return Found(claimed="covariate 0" in claimed if planted else bool(claimed))
