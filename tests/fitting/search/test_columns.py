"""On which texts candidates are screened."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from nlparam.fitting.search.columns import _screening


def search(n_screening: int, n_predicates: int, scores: np.ndarray | None) -> Any:
    """A search over 200 texts, of which candidates are as near to them as `scores` say."""
    return SimpleNamespace(
        pool=SimpleNamespace(predicates=["is about rain", "is about trains", "is about tea"]),
        order=np.arange(200)[::-1],
        n_screening=n_screening,
        model=SimpleNamespace(n_predicates=n_predicates),
        affinity=None if scores is None else SimpleNamespace(scores=lambda *_: scores),
    )


def test_all_candidates_are_screened_on_the_same_texts_where_these_are_enough(rng):
    for known in (search(12, 4, rng.normal(size=(200, 3))), search(6, 20, None)):
        ((columns, rows),) = _screening(known)
        assert list(columns) == [0, 1, 2]
        np.testing.assert_array_equal(rows, known.order[: known.n_screening])


def test_fewer_texts_than_predicates_are_half_near_to_each_candidate(rng):
    scores = rng.normal(size=(200, 3))
    parts = _screening(search(10, 20, scores))
    assert [list(columns) for columns, _ in parts] == [[0], [1], [2]]
    for column, (_, rows) in enumerate(parts):
        assert set(range(195, 200)) <= set(rows.tolist()), "the texts that all are screened on"
        high = np.setdiff1d(rows, np.arange(195, 200))
        # They are spread over the highest twentieth: the very highest may tell one story.
        assert len(high) >= 4
        assert np.isin(high, np.argsort(-scores[:, column])[:10]).all()
