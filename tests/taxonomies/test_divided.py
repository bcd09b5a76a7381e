"""What dividing a node ends with: the order of its children, and how a head agrees with judgments left out."""

import numpy as np
import pytest

from nlparam.numerics.heads.head import Head, HeadFit
from nlparam.taxonomies.divided import Divided, agreement


def test_the_largest_child_comes_first_by_all_texts():
    denotations = np.asarray([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    head = Head(np.asarray([[1.0, 2.0]]), np.asarray([3.0, 4.0]), 1.0, np.zeros(2))
    divided = Divided(["is a", "is b"], ["was a", "was b"], denotations, [1.0, 0.5], head=head)
    assert divided.largest_first(np.ones(3)).predicates == ["is a", "is b"]
    # The third text occurs five times.
    by_all = divided.largest_first(np.asarray([1, 1, 5]))
    assert (by_all.predicates, by_all.judged_as, by_all.agreement) == (["is b", "is a"], ["was b", "was a"], [0.5, 1.0])
    assert np.array_equal(by_all.denotations, denotations[:, ::-1])
    assert by_all.head is not None
    assert by_all.head.intercepts.tolist() == [4.0, 3.0]


def test_agreement_counts_judgments_left_out_on_either_side():
    head = Head(np.zeros((1, 1)), np.zeros(1), 1.0, np.zeros(1))
    fitted = HeadFit(head, [np.asarray([0.9, 0.4, 0.6, 0.2])], [np.asarray([1.0, 1.0, 1.0, 0.0])], 1.0)
    assert agreement(fitted) == [0.75]
    # Log-odds lower by one: what was left out at 0.6 is on the other side of even odds.
    assert agreement(fitted, np.asarray([1.0])) == [pytest.approx(0.5)]
