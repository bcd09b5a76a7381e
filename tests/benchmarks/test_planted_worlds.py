"""What the benchmarks plant for a language model: worlds whose rules read other words too, and compounds of notes."""

import itertools

import pytest

from benchmarks.siblings._compounds import notes, planted
from benchmarks.siblings.simulatability import WORLDS
from nlparam.lm.scripted import ScriptedModel


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


def test_a_rule_takes_what_is_not_said_not_to_hold():
    shop = WORLDS[0]
    assert not shop.decided("A lamp without receipt.", (0, 1))
    assert not shop.decided("A lamp with its receipt.", (0, 1))
    assert shop.decided("A lamp with its receipt, box sealed.", (0, 1))


def test_planted_compounds_are_taken_apart_and_repaired_with_a_perfect_judge():
    holds = {note.text: note.holds for note in notes(48)}

    def answer(request):
        prompt = request.messages[-1].content
        if request.labels is None:
            return "none" if "worst fault" in prompt else "[]"
        text, _, question = prompt.rpartition("\n\nProperty: ")
        return "yes" if question.removesuffix(". Yes or no?") in holds[text.removeprefix("Text: ")] else "no"

    found = planted(ScriptedModel(answer), 48, ":memory:", n_compounds=2)
    assert found["agreement"] == found["balanced_agreement"] == 1
    assert found["planted_errors"] > 0
    assert found["repaired_in_that_part_alone"] >= 0.9
    assert set(found["right_by_predicate"].values()) == {1.0}
