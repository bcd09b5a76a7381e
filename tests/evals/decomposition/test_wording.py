"""What a predicate says by its own and, or, not."""

import pytest

from nlparam.evals.decomposition import parse
from nlparam.evals.decomposition.reduce import shortest, truth_function
from nlparam.evals.decomposition.wording import readings, repeats, simplified


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("is about sport and negative", ['"is about sport" and "is negative"']),
        ("about sport and negative", ['"is about sport" and "is negative"']),
        ("is about sports or about technology, but nothing else", ['"is about sports" or "is about technology"']),
        (
            "is about business or politics, not about sports",
            ['("is about business" or "is about politics") and not "is about sports"'],
        ),
        (
            "praises the food but doesn't mention the price",
            ['"praises the food" and not "mentions the price"'],
        ),
        ("is neither positive nor about music", ['not "is positive" and not "is about music"']),
        ("is not about sport or travel", ['not ("is about sport" or "is about travel")']),
        (
            "is about food, games or travel and is negative",
            ['("is about food" or "is about games" or "is about travel") and "is negative"'],
        ),
        ("asks a question or is a letter and is personal", ['"asks a question" or ("is a letter" and "is personal")']),
        # What is left out is a guess where it is open: whether it is right is for execution to say.
        (
            "is about sport, and written in German",
            ['"is about sport" and "is written in German"', '"is about sport" and "is about written in German"'],
        ),
        ("is about food and sad", ['"is about food" and "is about sad"', '"is about food" and "is sad"']),
        ("is about food or games", ['"is about food" or "is about games"']),
        (
            "is about sport and music",
            ['"is about sport" and "is about music"', '"is about sport" and "is music"'],
        ),
        ("has no title", ['not "has title"']),
        ("is about rock music", []),
        ("is about sport and nothing else", []),
        ('quotes "and" or "or"', []),
        ("", []),
        ("and", []),
        ("but not", []),
        (", or not", []),
        ("is about sport yet about", ['"is about sport" and "is about"']),
        ("is neither , nor about sport", ['not "is about sport"']),
    ],
)
def test_readings(predicate, expected):
    found = readings(predicate)
    assert [str(one) for one in found] == [str(parse(one)) for one in expected]


def test_readings_are_few():
    assert len(readings("is about " + " and ".join(["music", "traffic", "magic", "logic", "comic"]))) == 4


def test_compound_parts_are_taken_apart_and_not_not_is_nothing():
    whole = "is about sport and negative"
    assert str(simplified(parse('not "is not sad" and "is long or old"'), whole)) == (
        '"is sad" and ("is long" or "is old")'
    )
    assert str(simplified(parse('"is sad" and "is sad and is long"'), whole)) == '"is sad" and "is long"'
    assert str(simplified(parse('"is about sport and nothing else"'), whole)) == '"is about sport"'
    with pytest.raises(ValueError, match="says the whole again"):
        simplified(parse('"is negative sports" or "is long"'), whole)
    # By itself it is not taken apart, which is no repetition.
    assert str(simplified(parse('"is negative sport"'), whole)) == '"is negative sport"'


def test_what_repeats():
    assert repeats("Negative sports", "is about sport and negative")
    assert not repeats("is negative", "is about sport and negative")
    assert not repeats("is about a long train", "is about a train")  # one word says too little to go by
    assert repeats("is about a train", "is about a Train")


def test_of_equivalent_decompositions_the_shortest_stays():
    long = parse('("a" or "b") and "a" or ("a" or "b") and "b"')
    short, other = parse('"b" or "a"'), parse('"a" and "b"')
    assert shortest([long, short, other]) == {long: short, short: short, other: other}
    assert truth_function(long) == truth_function(short) != truth_function(other)
    absorbed, opposite = parse('("a" or "b") and "a"'), parse('not "a" and not ("a" and "b")')
    assert shortest([absorbed, opposite]) == {absorbed: parse('"a"'), opposite: parse('not "a"')}
    always = parse('"a" or not "a"')
    assert shortest([always]) == {always: None}
    many = parse(" and ".join(f'"{number}"' for number in range(12)))
    assert shortest([many]) == {many: many}
