"""Records as JSON, and read again by their types."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from nlparam.results.jsonable import AbstractNamed, from_json, jsonable, read_fields


class Measured(NamedTuple):
    value: float
    n: int = 1


@dataclasses.dataclass(frozen=True)
class Record:
    name: str
    found: tuple[Measured, ...]
    by_name: Mapping[str, Measured]
    best: Measured | None
    column: np.ndarray
    kinds: Sequence[str] = ()
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Custom:
    words: str

    @classmethod
    def from_dict(cls, kept):
        return cls(" ".join(kept["words"]))


class Ended(AbstractNamed):
    done = "nothing is left to do"


MADE = Record(
    "a",
    (Measured(1.5), Measured(math.nan, 2)),
    {"b": Measured(2.0)},
    None,
    np.asarray([0.5, math.nan]),
    ("x",),
    {"k": 1},
)


def test_what_is_written_is_read_again():
    kept = json.loads(json.dumps(jsonable(MADE), allow_nan=False))
    read = from_json(Record, kept)
    assert jsonable(read) == kept
    assert isinstance(read.found, tuple)
    assert math.isnan(read.found[1].value)
    assert read.best is None
    np.testing.assert_array_equal(read.column, MADE.column)


def test_other_fields_are_passed_over_and_lacking_ones_are_as_by_default():
    assert from_json(list[Measured], [{"value": None, "more": 3}])[0].n == 1
    with pytest.raises(TypeError, match="value"):
        from_json(Measured, {"n": 3})


def test_a_value_that_is_no_record_is_refused():
    kept = jsonable(MADE) | {"best": 3}
    with pytest.raises(TypeError, match="got 3, expected the fields of a Measured"):
        from_json(Record, kept)
    # What was read already stays.
    assert from_json(Record, kept | {"best": MADE.found[0]}).best is MADE.found[0]


def test_a_record_may_read_itself():
    assert from_json(list[Custom], [{"words": ["a", "b"]}]) == [Custom("a b")]
    assert read_fields(Custom, {"words": "a b"}) == Custom("a b")


def test_an_outcome_is_kept_by_its_name():
    assert jsonable({"result": Ended.done}) == {"result": "done"}
    assert from_json(list[Ended | None], ["done", None, Ended.done]) == [Ended.done, None, Ended.done]
    with pytest.raises(KeyError):
        from_json(Ended, "nothing is left to do")
