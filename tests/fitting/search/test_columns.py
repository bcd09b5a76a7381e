"""On which texts candidates are screened."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from nlparam.fitting.search.columns import _confirmed, _screening
from nlparam.numerics.core.select import Selection


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


def confirming(asked: list[int], swap_losses: list[list[float]]) -> tuple[Any, Selection, list[Any]]:
    """A search whose budget is spent, with four candidates judged on so many of 20 texts, and what it chose."""
    there = np.arange(20)[:, None] < np.asarray(asked)
    chosen_again: list[Any] = []

    def select(start, *, among):
        chosen_again.append((start, sorted(among)))
        return Selection(np.asarray([0, 1]), 1.01, 0, np.zeros((2, 4)), np.zeros(2))

    found = SimpleNamespace(
        pool=SimpleNamespace(asked=there, correct_bias=True),
        rows_in_full=np.arange(20),
        usable_columns=lambda: [0, 1, 2, 3],
        options=SimpleNamespace(contention=0.05),
        select=select,
        record=lambda *_: None,
    )
    return found, Selection(np.asarray([0, 3]), 1.0, 0, np.asarray(swap_losses), np.zeros(2)), chosen_again


def test_what_few_judgments_speak_for_gives_way_to_what_is_about_as_good():
    losses = [[np.inf, 1.2, 1.3, np.inf], [np.inf, 1.04, 1.2, np.inf]]
    found, selection, again = confirming([20, 12, 20, 5], losses)
    assert _confirmed(found, selection).chosen.tolist() == [0, 1]
    assert again == [([0, -1], [0, 1, 2])]


def test_what_few_judgments_speak_for_is_kept_if_nothing_is_as_good():
    losses = [[np.inf, 1.2, 1.3, np.inf], [np.inf, 1.06, 1.2, np.inf]]
    for asked in ([20, 12, 20, 5], [20, 20, 20, 10], [3, 3, 3, 3]):
        found, selection, again = confirming(asked, losses)
        assert _confirmed(found, selection) is selection
        assert not again
