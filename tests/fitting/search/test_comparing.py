"""How candidates are compared: as a yes or a no, and the earlier of two that say the same."""

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from nlparam.denotation.pool import compared
from nlparam.fitting.search.driver import Search
from nlparam.models import Clustering, TimeSeries
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.select import select


def pool(*, correct_bias: bool) -> Any:
    return SimpleNamespace(correct_bias=correct_bias)


def of_a_story_and_of_one_kind_of_it() -> np.ndarray:
    """Denotations of 400 texts: of entertainment (a hundred), of films (thirty of these), and of all others.

    The head of films thinks it a little likelier that a text is of films if it is of music than if it is of politics.
    """
    entertainment, films, others = np.full(400, 0.15), np.full(400, 0.01), np.full(400, 0.95)
    entertainment[:100], others[:100] = 0.85, 0.05
    films[:30], films[30:100] = 0.95, 0.3
    return np.stack([films, entertainment, others], axis=1)


def test_a_predicate_that_holds_for_its_cluster_is_chosen_before_a_rarer_one():
    denotations = of_a_story_and_of_one_kind_of_it()
    model = Clustering(2)

    def chosen(columns):
        return set(select(model, to_device(columns, float), key=jax.random.key(0)).chosen.tolist())

    assert chosen(denotations) == {0, 2}, "the loss looks at the shape of a column alone"
    assert chosen(compared(model, pool(correct_bias=True), denotations)) == {1, 2}


def test_sharpened_log_odds_are_tripled_and_a_yes_stays_a_yes():
    denotations = np.asarray([0.0, 0.2, 0.5, 0.9, 1.0])
    sharp = compared(Clustering(2), pool(correct_bias=True), denotations)
    np.testing.assert_allclose(sharp, [0.0, 1 / (1 + 4**3), 0.5, 9**3 / (1 + 9**3), 1.0])


@pytest.mark.parametrize(("model", "correct_bias"), [(TimeSeries(2), True), (Clustering(2), False)])
def test_other_models_and_answers_that_are_believed_are_compared_as_they_are(model, correct_bias):
    denotations = of_a_story_and_of_one_kind_of_it()
    assert compared(model, pool(correct_bias=correct_bias), denotations) is denotations


def twin(chosen, denotations, *, in_full=(0, 1, 2), locked=(), merger: Any = "merges"):
    found = SimpleNamespace(
        pool=SimpleNamespace(is_judged=lambda column, _: column in in_full),
        rows_in_full=np.arange(60),
        locked=list(locked),
        merger=merger,
    )
    selection: Any = SimpleNamespace(chosen=np.asarray(chosen))
    return Search._twin(found, selection, [0, 1, 2], denotations)  # pyright: ignore[reportArgumentType]


def test_of_two_that_say_the_same_the_earlier_is_kept(rng):
    first = rng.random(200)
    denotations = np.stack([first, rng.random(200), np.clip(first + rng.normal(0, 0.02, 200), 0, 1)], axis=1)
    assert twin([0, 2], denotations) == 2
    assert twin([1, 2], denotations) == 2, "also where the earlier is not chosen"
    assert twin([0, 1], denotations) is None
    assert twin([-1, 1], denotations) is None
    assert twin([1, 2], denotations, in_full=(1, 2)) is None, "what is not judged in full may only look the same"
    assert twin([1, 2], denotations, locked=[2]) is None
    assert twin([0, 2], denotations, merger=None) is None, "a list of a user's own"
