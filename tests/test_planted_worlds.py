"""The planted worlds of the benchmark of explanations: rules read inputs in other words too."""

import itertools

import pytest

from benchmarks.siblings._worlds import WORLDS


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.task)
def test_a_world_reads_what_it_writes(world):
    for subject, held in itertools.product(world.subjects, itertools.product((True, False), repeat=3)):
        assert world.read(world.text(subject, held)) == held


@pytest.mark.parametrize(
    ("number", "text", "held"),
    [
        (0, "A blender that has lost its receipt; the box isn't sealed anymore.", (False, False, None)),
        (0, "A toaster with the receipt, unopened, and it was not on sale.", (True, True, False)),
        (0, "A sofa. No receipt, an intact box, half price.", (False, True, True)),
        (1, "The soil of the palm is wet; its leaves are drooping; no blooms.", (False, True, False)),
        (1, "The palm isn't dry; it is blooming.", (False, None, True)),
        (2, "No other reader has reserved it; she doesn't owe a fee; a new book.", (True, True, True)),
        (2, "A thesaurus that has been reserved; the reader has unpaid fees; it is worn.", (False, False, False)),
        (2, "An essay that has not been reserved; the reader has no open fees.", (True, True, None)),
        (3, "A pie ordered yesterday; to the countryside; without frosting.", (False, False, False)),
        (3, "A pie ordered three days in advance, near the shop, iced.", (True, True, True)),
        (4, "Storms are forecast; three members signed up; it ends with coffee.", (False, False, True)),
        (4, "The walk to the tower has sunny weather, and 12 people signed up.", (True, True, None)),
        (4, "Ice cream.", (None, None, None)),
    ],
)
def test_other_words(number, text, held):
    assert WORLDS[number].read(text) == held


def test_a_rule_decides_where_enough_is_known():
    shop = WORLDS[0]
    assert shop.decided("A lamp without receipt.", (0, 1)) is False
    assert shop.decided("A lamp with its receipt.", (0, 1)) is None
    assert shop.decided("A lamp with its receipt, box sealed.", (0, 1)) is True
