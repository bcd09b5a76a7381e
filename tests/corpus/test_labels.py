"""Labels and numbers as users have them: what is taken, in which order, and what is refused with which words."""

import numpy as np
import pytest

from nlparam.corpus.labels import class_labels, target_numbers
from nlparam.errors import CorpusError
from nlparam.models import Classification, Difference, Regression


def masked(column):
    """A pandas column, where pandas is there; its missing values are equal to nothing, not even unequal."""
    pandas = pytest.importorskip("pandas")
    return pandas.Series(column, dtype="string" if isinstance(column[0], str) else "Int64")


@pytest.mark.parametrize(
    ("labels", "names", "codes"),
    [
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        ([10, 9, 10], ["9", "10"], [1, 0, 1]),  # by size, not by spelling
        (["10", "9", "10"], ["10", "9"], [0, 1, 0]),
        ([True, False], ["False", "True"], [1, 0]),
        ([1.0, 0.0], ["0", "1"], [1, 0]),  # whole numbers in a column that once had gaps
        ([-1, 1, -1], ["-1", "1"], [0, 1, 0]),
        (np.asarray(["x", "y"]), ["x", "y"], [0, 1]),
        (np.asarray([2, 1], np.uint8), ["1", "2"], [1, 0]),
        ([2**60 + 1, 2**60, 2**60 + 2], [str(2**60), str(2**60 + 1), str(2**60 + 2)], [1, 0, 2]),
        ([10**400, 1.0], ["1", f"1{'0' * 400}"], [1, 0]),
    ],
)
def test_classes_are_numbered_in_order(labels, names, codes):
    found = class_labels(labels, len(labels))
    assert found.names == names
    assert found.codes.tolist() == codes


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan, "", " \t"])
def test_missing_labels_are_counted_and_placed(missing):
    with pytest.raises(CorpusError, match=r"2 of 5 texts \(number 1, 3\) have no class label"):
        class_labels(["a", missing, "b", missing, "a"], 5)


def test_missing_labels_of_a_pandas_column():
    with pytest.raises(CorpusError, match=r"1 of 3 texts \(number 1\) have no class label"):
        class_labels(masked(["a", None, "b"]), 3)
    with pytest.raises(CorpusError, match=r"1 of 3 values are not finite numbers: <NA> \(text 1\)"):
        target_numbers(masked([1, None, 3]), 3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "got no class labels, expected one per text"),
        (["a"] * 4, "all 4 labels are 'a', expected at least two classes"),
        ([0.5, 1.5, 0.5, 1.5], r"got 0\.5 for text 0, expected class labels .* fit a regression"),
        ([0, 1, 2, float("inf")], "got inf for text 3"),
        (["a", "b"], "got 2 class labels for 4 texts"),
        ([1, "1", 2, 2], r"got the label '1' for text 1 and 1 for text 0, expected all strings, all numbers"),
        ([True, 1, 0, 2], r"got the label True for text 0 and 1 for text 1, expected all strings, all numbers"),
        ("abab", "got class labels of type str, expected class labels in a list"),
        ({"a", "b"}, "got class labels of type set"),
        (np.zeros((4, 1)), r"got an array of shape \(4, 1\)"),
        ([["a"], ["b"], ["a"], ["b"]], r"got an array of shape \(4, 1\)"),
        ([("a",), ("b", "c"), None, {}], "no class label"),
        ([b"a", b"b", b"a", b"b"], "got b'a' for text 0, expected class labels"),
    ],
)
def test_bad_labels_are_refused(labels, message):
    with pytest.raises(CorpusError, match=message):
        class_labels(labels, 4)


@pytest.mark.parametrize("numbers", [[1, 2, 3], ["1", "2", " 3.0 "], np.asarray([1, 2, 3], np.float32)])
def test_numbers_are_taken(numbers):
    assert target_numbers(numbers, 3).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (None, "got no numbers to predict"),
        ([1, None, 3, 4], r"1 of 4 values are not finite numbers: None \(text 1\)"),
        ([1, float("nan"), float("inf"), 4], r"2 of 4 values .* nan \(text 1\), inf \(text 2\)"),
        ([1, "two", 3, 4], r"'two' \(text 1\)"),
        ([1, 10**400, 3, 4], r"1 of 4 values are not finite numbers: 10+ \(text 1\)"),
        (["a", "b", "c", "d"], "4 of 4 values .* or fit a classification to labels"),
        ([True, False, True, False], "4 of 4 values"),
        ([2.5] * 4, r"all 4 numbers to predict are 2\.5"),
        ([1, 2, 3], "got 3 numbers to predict for 4 texts"),
        (np.ones((2, 2)), r"an array of shape \(2, 2\)"),
        ([1e9, 1e9 + 1, 1e9, 1e9 + 2], "subtract their mean"),
        ([0, 1, 2, 1e30], "divide by their standard deviation"),
        ([0, 1e-20, 2e-20, 0], "divide by their standard deviation"),
    ],
)
def test_bad_numbers_are_refused(numbers, message):
    with pytest.raises(CorpusError, match=message):
        target_numbers(numbers, 4)


def test_small_differences_of_moderate_numbers_are_kept():
    years = [1990 + i / 12 for i in range(24)]
    assert target_numbers(years, 24).tolist() == years


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (Classification(2, n_classes=3), ["a", "b", "a"], "got labels of 2 classes .* give the model n_classes=2"),
        (Classification(2), ["a", "b", "c"], "got labels of 3 classes"),
        (Difference(2), ["a", "b", "c"], r"got 3 groups .* expected two"),
        (Difference(2), ["a", "a", "a"], "expected at least two classes"),
        (Regression(2), ["a", "b", "c"], "fit a classification"),
    ],
)
def test_models_refuse_what_is_not_theirs(model, data, message):
    with pytest.raises(CorpusError, match=message):
        model.prepare(data, 3)
