"""How candidates are compared: by the chance that they hold, and the earlier of two that say the same."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nlparam.fitting.search.twins import twin
from nlparam.models import Clustering, TimeSeries
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.select import Selection, select, slot_losses


def columns() -> np.ndarray:
    """Denotations of 400 texts by heads: of entertainment (a hundred), of films (thirty of these), of China (no text),
    and of all others.

    The head of films thinks it a little likelier that a text is of films if it is of music than if it is of politics;
    that of China finds a text of music a little less unlikely.
    """
    entertainment, films, china, others = np.full(400, 0.15), np.full(400, 0.01), np.full(400, 0.01), np.full(400, 0.95)
    entertainment[:100], others[:100], china[:100] = 0.85, 0.05, 0.2
    films[:30], films[30:100] = 0.95, 0.3
    return np.stack([china, films, entertainment, others], axis=1)


def chosen(model, denotations) -> set[int]:
    return set(select(model, to_device(denotations, float), key=jax.random.key(0)).chosen.tolist())


def test_a_predicate_that_holds_for_its_cluster_is_chosen_before_one_that_does_not():
    model = Clustering(2)
    assert chosen(model, columns()[:, [0, 2, 3]]) == {0, 2}, "the density looks at the shape of a column alone"
    for others in ([0, 2, 3], [1, 2, 3], [0, 1, 2, 3]):
        assert chosen(model.for_chances(), columns()[:, others]) == {others.index(2), others.index(3)}


def test_of_a_yes_and_a_no_both_losses_are_the_same(rng):
    held = to_device((rng.random((200, 5)) < 0.3).astype(float), float)
    model = Clustering(3)
    for one in (model, model.for_chances()):
        np.testing.assert_allclose(one.profile_loss(held[:, :3]), model.profile_loss(held[:, :3]), rtol=1e-6)
    given = {"data": None, "chosen": [0, 1, 2], "slot": 1}
    np.testing.assert_allclose(
        slot_losses(model.for_chances(), held, **given), slot_losses(model, held, **given), rtol=1e-5
    )
    assert np.isfinite(model.for_chances().profile_loss(jnp.zeros((20, 3)))), "no predicate holds for any text"


def test_swaps_by_chances_are_those_of_sets_fitted_anew(rng):
    held, model = to_device(rng.random((150, 6)), float), Clustering(3).for_chances()
    losses = slot_losses(model, held, None, chosen=[0, 1, 2], slot=2)
    for candidate in (3, 4, 5):
        anew = float(model.profile_loss(held[:, jnp.asarray([0, 1, candidate])]))
        assert losses[candidate] == pytest.approx(anew, rel=1e-5)


def test_models_of_data_and_models_of_a_users_own_are_compared_as_they_are():
    class Own(Clustering):
        pass

    for model in (TimeSeries(2), Own(2)):
        assert model.for_chances() is model


def selection(chosen: list[int], *, costs: list[float], swaps: Any = ()) -> Selection:
    losses = np.full((len(chosen), 3), np.inf)
    for slot, column, loss in swaps:
        losses[slot, column] = loss
    return Selection(np.asarray(chosen), 1.0, 0, losses, np.asarray(costs))


def test_of_two_that_say_the_same_the_earlier_is_kept_if_it_is_about_as_good(rng):
    first = rng.random(200)
    alike = np.stack([first, rng.random(200), np.clip(first + rng.normal(0, 0.02, 200), 0, 1)], axis=1)
    for worse_by, superfluous in ((-0.1, 2), (0.005, 2), (0.1, None)):
        found = twin(selection([1, 2], costs=[0.5, 0.5], swaps=[(1, 0, 1.0 + worse_by)]), [0, 1, 2], alike)
        assert found == superfluous, "the earlier one is not chosen"
    for costs, superfluous in (([0.5, 0.4], 2), ([0.4, 0.405], 2), ([0.4, 0.5], 0)):
        assert twin(selection([0, 2], costs=costs), [0, 1, 2], alike) == superfluous, "both are chosen"
    assert twin(selection([0, 1], costs=[0.5, 0.5]), [0, 1, 2], alike) is None, "a later one is there, unchosen"
    assert twin(selection([0, 2], costs=[0.5, 0.4]), [0, 1, 2], alike, kept=[2]) is None
    assert twin(selection([0, 2], costs=[0.5, 0.4]), [1, 2], alike[:, 1:]) is None, "one cannot be compared"
    assert twin(selection([-1, -1], costs=[0.0, 0.0]), [0, 1, 2], alike) is None
