"""The choice among the candidates of a node: what is certain counts, not what may hold for any text."""

import numpy as np

from nlparam.numerics.core.divide import matched, shifted
from nlparam.taxonomies.covers import Covers
from nlparam.taxonomies.options import TaxonomyOptions


def test_two_halves_at_random_do_not_pass_for_a_cover(rng):
    known = np.where(np.eye(3)[rng.integers(3, size=300)] > 0, 0.8, 0.1) + rng.normal(size=(300, 3)) * 0.02
    noise = rng.normal(size=(300, 1)) * 0.02
    denotations = np.concatenate([0.5 + noise, 0.5 - noise, known], axis=1)
    covers = Covers(shifted(denotations, matched(denotations)), np.ones(300), TaxonomyOptions())
    two, three = covers.of_each_number(2, 3, locked=[], seed=0)
    assert set(two) < {2, 3, 4}
    assert three == [2, 3, 4]
    assert covers.of_each_number(2, 2, locked=[0, 1], seed=0) == [[0, 1]]
