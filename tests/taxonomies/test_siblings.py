"""The choice among the candidates of a node: what tells where texts lie counts, not what may hold for any of them."""

import numpy as np
import pytest

from nlparam.numerics.core.divide import HeldOut, matched, shifted
from nlparam.taxonomies.options import TaxonomyOptions
from nlparam.taxonomies.siblings import Siblings


@pytest.fixture
def planted(rng):
    """Halves of 300 texts at random that may hold for any of them (0 and 1), parts that are known (2 to 4), one of them
    once more (5), one that is rare (6), and what divisions tell of where the texts lie.
    """
    labels = rng.integers(3, size=300)
    known = np.where(np.eye(3)[labels] > 0, 0.8, 0.1) + rng.normal(size=(300, 3)) * 0.02
    noise, rare = rng.normal(size=(300, 1)) * 0.02, np.where(np.arange(300) < 3, 0.9, 0.0)[:, None]
    denotations = np.concatenate([0.5 + noise, 0.5 - noise, known, known[:, :1], rare], axis=1)
    denotations = shifted(denotations, matched(denotations))
    told = HeldOut(rng.normal(size=(300, 5)) * 0.3 + np.eye(5)[labels] * 3)
    siblings = Siblings(denotations, np.ones(300), TaxonomyOptions())
    return siblings, lambda division: told.gain(denotations[:, division])


def test_halves_at_random_do_not_pass_for_a_division(planted):
    siblings, gain = planted
    (two, _), (three, of_three) = siblings.of_each_number(gain, 2, 3, locked=[])
    assert set(two) < {2, 3, 4, 5}
    assert three in ([2, 3, 4], [3, 4, 5])
    assert of_three.mean == pytest.approx(gain(three).mean)


def test_what_is_locked_is_chosen_and_the_bounds_hold_for_the_others(planted):
    siblings, gain = planted
    assert [division for division, _ in siblings.of_each_number(gain, 2, 2, locked=[0, 6])] == [[0, 6]]
    numbers = [len(division) for division, _ in siblings.of_each_number(gain, 2, 8, locked=[6])]
    assert numbers == [2, 3, 4, 5, 6]  # two that are the same are not siblings
    assert not any(6 in division for division, _ in siblings.of_each_number(gain, 2, 8, locked=[]))


def test_where_so_many_are_not_possible_there_are_as_many_as_there_can_be(planted):
    siblings, gain = planted
    assert [len(division) for division, _ in siblings.of_each_number(gain, 7, 8, locked=[])] == [5]
    alone = Siblings(siblings.denotations[:, 2:3], siblings.weights, siblings.options)
    assert alone.of_each_number(lambda _: gain([2]), 2, 3, locked=[]) == []
    assert [division for division, _ in alone.of_each_number(lambda _: gain([2]), 2, 3, locked=[0])] == [[0]]
