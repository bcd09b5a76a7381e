"""Predicates joined by and, or, not: parsed, printed, evaluated, and every change of one part against the slow way."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlparam.errors import CorpusError, ExpressionError
from nlparam.evals.decomposition import And, Execution, Expression, Not, Or, Part, parse, repair
from nlparam.numerics.statistics.logic import balanced_weights, evaluate, one_part_edits

A, B, C = Part("is about sport"), Part("is negative"), Part("is long")

leaves = st.text(st.characters(exclude_categories=("C",)), min_size=1).map(str.strip).filter(bool).map(Part)
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda of: And(tuple(of))),
        st.lists(inner, min_size=2, max_size=3).map(lambda of: Or(tuple(of))),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"is about sport"', A),
        ('"is about sport" and "is negative"', And((A, B))),
        ('"is about sport" AND NOT "is negative"', And((A, Not(B)))),
        ('"is about sport" or "is negative" and "is long"', Or((A, And((B, C))))),
        ('("is about sport" or "is negative") and "is long"', And((Or((A, B)), C))),
        ('"is about sport" & !"is negative" | “is long”', Or((And((A, Not(B))), C))),
        ('("is about sport" and "is negative") and "is long"', And((A, B, C))),
        ('not not "is long"', Not(Not(C))),
        (r'"says \"no\"" and "a\\b"', And((Part('says "no"'), Part("a\\b")))),
        ('"and not or" or "is long"', Or((Part("and not or"), C))),
    ],
)
def test_expressions_are_read(text, expected):
    assert parse(text) == expected


@pytest.mark.slow
@given(expressions)
def test_what_is_printed_is_read_again(expression):
    read = parse(str(expression))
    # Nested conjunctions are read as one, which prints differently but once and for all.
    assert str(parse(str(read))) == str(read)
    assert read.parts == expression.parts


def test_bare_words_stand_for_what_they_name():
    assert parse("A and not (B or C)", {"A": "x", "B": "y", "C": "z"}).parts == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the end at character 1, expected a predicate"),
        ('"a" "b"', "has 'b' at character 5, expected and, or, or the end"),
        ('"a" and', "has the end at character 8, expected a predicate"),
        ('("a"', "expected a closing parenthesis"),
        ('"a" and sport', "bare word 'sport'"),
        ('"a" and "b', "cannot be read at"),
        ('" " or "a"', "an empty predicate"),
        ("__import__('os')", "bare word '__import__'"),
        ("(" * 60 + '"a"' + ")" * 60, "nested more than 40 deep"),
        ("not " * 60 + '"a"', "nested more than 40 deep"),
        (" or ".join(['"a"'] * 65), "65 parts, expected at most 64"),
        ('"' + "a" * 10_000 + '"', "10,002 characters"),
    ],
)
def test_what_cannot_be_read_is_said(text, message):
    with pytest.raises(ExpressionError, match=message):
        parse(text)


def test_a_bare_word_that_names_nothing_is_an_error_that_lists_the_names():
    with pytest.raises(ExpressionError, match="or one of A, B"):
        parse("A and D", {"A": "x", "B": "y"})


def test_parts_are_replaced_and_removed_by_their_number():
    expression = parse('"a" and (not "b" or "c") and not "d"')
    assert expression.parts == ["a", "b", "c", "d"]
    assert str(expression.replace(2, Not(Part("e")))) == '"a" and (not "b" or not "e") and not "d"'
    assert str(expression.replace(1, Not(Part("e")))) == '"a" and ("e" or "c") and not "d"'
    assert str(expression.remove(1)) == '"a" and "c" and not "d"'
    assert str(expression.remove(3)) == '"a" and (not "b" or "c")'
    assert Part("a").remove(0) is None
    assert Not(Part("a")).remove(0) is None


def test_soft_logic_is_that_of_independent_parts_and_hard_logic_its_corner():
    columns = np.asarray([[0.9, 0.2], [0.5, 0.5], [1.0, 0.0]])
    places = {"a": 0, "b": 1}
    np.testing.assert_allclose(evaluate(parse('"a" and "b"').tree(places), columns), [0.18, 0.25, 0])
    np.testing.assert_allclose(evaluate(parse('"a" or "b"').tree(places), columns), [0.92, 0.75, 1])
    np.testing.assert_allclose(evaluate(parse('"a" and not "b"').tree(places), columns), [0.72, 0.25, 1])
    for a, b in itertools.product((0.0, 1.0), repeat=2):
        corner = np.asarray([[a, b]])
        assert evaluate(parse('not ("a" and "b")').tree(places), corner)[0] == (not (a and b))
        assert evaluate(parse('not "a" or not "b"').tree(places), corner)[0] == (not (a and b))
    with pytest.raises(ExpressionError, match="'c' has no denotation"):
        parse('"a" and "c"').tree(places)


@pytest.mark.parametrize("text", ['"p0" and not "p1"', '("p0" or "p1") and not ("p2" and "p0")', '"p0"', 'not "p2"'])
def test_all_changes_of_one_part_are_what_trying_them_one_by_one_gives(text, rng):
    columns = rng.uniform(size=(80, 5))
    labels = rng.random(80) < 0.3
    weights = balanced_weights(labels)
    assert weights.sum() == pytest.approx(1)
    predicates = tuple(f"p{k}" for k in range(5))
    execution = Execution(predicates, columns, labels)
    expression = parse(text)
    edits = one_part_edits(expression.tree(execution.columns), columns, columns, labels, weights)
    for number in range(len(expression.parts)):
        for column, predicate in enumerate(predicates):
            tried = expression.replace(number, Part(predicate))
            assert edits.replaced[number, column] == pytest.approx(execution.balanced_agreement(tried))
            tried = expression.replace(number, Not(Part(predicate)))
            assert edits.negated[number, column] == pytest.approx(execution.balanced_agreement(tried))


def every_edit(expression: Expression, execution: Execution) -> list[float]:
    tried = []
    for number in range(len(expression.parts)):
        left = expression.remove(number)
        tried += [] if left is None else [left]
        for predicate in execution.predicates:
            tried += [expression.replace(number, Part(predicate)), expression.replace(number, Not(Part(predicate)))]
    return [execution.balanced_agreement(one) for one in tried]


@pytest.mark.parametrize(
    "text", ['"p0" and not "p1"', '"p0" or not ("p1" and "p2")', 'not ("p0" or not "p1") and "p2"', '"p3"']
)
def test_the_best_repair_is_the_best_of_all_and_says_what_it_gains(text, rng):
    for _ in range(10):
        labels = rng.random(60) < 0.5
        columns = np.where(rng.random((60, 4)) < 0.3, rng.random((60, 4)), labels[:, None])
        execution = Execution(tuple(f"p{k}" for k in range(4)), columns, labels)
        expression = parse(text)
        found = repair(expression, execution)
        best = max(every_edit(expression, execution))
        if found:
            assert found[0].before == pytest.approx(execution.balanced_agreement(expression))
            assert found[0].after == pytest.approx(best) == execution.balanced_agreement(found[0].expression)
            assert found[0].predicate == expression.parts[found[0].part]
        else:
            assert best <= execution.balanced_agreement(expression) + 1e-9


def test_labels_of_one_kind_and_shapes_that_do_not_fit_are_said():
    with pytest.raises(CorpusError, match="all 3 labels are True"):
        Execution(("a",), np.ones((3, 1)), np.ones(3, dtype=bool))
    with pytest.raises(CorpusError, match=r"shape \(3, 2\)"):
        Execution(("a",), np.ones((3, 2)), np.asarray([True, False, True]))
