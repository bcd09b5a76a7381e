"""Inputs as people have them."""

import pytest

from benchmarks.people.inputs import INPUTS, verdict

# These say too little, or in too many ways, to be read without a word of their owner.
REFUSED = {"csv-missing-texts", "pdf", "jsonl-cut-off", "dates-excel-serial", "dates-ambiguous"}


def test_there_are_sixty():
    assert len({item.name for item in INPUTS}) == len(INPUTS) == 60


@pytest.mark.parametrize("item", INPUTS, ids=lambda item: item.name)
def test_an_input_is_read_right_or_refused_with_the_way_out(item):
    kind, said = verdict(item)
    assert kind == ("refused" if item.name in REFUSED else "read"), said
