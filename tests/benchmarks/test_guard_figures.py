"""The figures of the guard's benchmark, from an evaluation made by hand."""

import pytest

from benchmarks.siblings.guard import MAX_REFUSALS, figures
from nlparam.guard.result import Evaluation
from nlparam.numerics.statistics.rates import rate


def test_rates_of_an_evaluation_are_written_out():
    evaluation = Evaluation(
        rules={"weather": {"detection": rate(8, 10), "auroc": 0.9, "auroc_knn": 0.8, "auroc_zero_shot": None}},
        styles={"plain": rate(8, 10)},
        auroc=0.9,
        auroc_knn=0.8,
        auroc_zero_shot=None,
        permitted=rate(1, 4),
        refusals=rate(10, 1000, exact=True),
        released=0.1,
        overhead={"screening": 0.01},
        mistakes=(),
        guard={},
        settings={},
    )
    found = figures(evaluation)
    assert (found["auroc"], found["released"], found["overhead"]) == (0.9, 0.1, {"screening": 0.01})
    assert found["permitted"] == evaluation.as_dict()["permitted"]
    assert found["refusals"]["target"] == MAX_REFUSALS
    assert found["refusals"]["points_off"] == pytest.approx(0.5)
    assert found["refusals"].keys() > evaluation.as_dict()["refusals"].keys()
