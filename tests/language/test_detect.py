"""In which language texts are: what has no words is in none."""

import pytest

from nlparam.language.detect import Mismatch, language_mismatch, main_language

ENGLISH = "The customers complain about the late delivery of their parcels."
GERMAN = "Die Kunden beschweren sich über die späte Lieferung ihrer Pakete."


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        ([ENGLISH] * 9, "en"),
        ([GERMAN] * 9, "de"),
        ([" " * 900 + GERMAN] * 9, "de"),
        ([GERMAN] * 3 + ["2024", "!!!", "https://example.org/page"] * 9, "de"),
        (["2024", "12:30", "!!!", ""] * 9, None),
        ([ENGLISH, GERMAN] * 9, None),
        ([], None),
    ],
)
def test_the_language_of_most_texts(texts, language):
    assert main_language(texts) == language


def test_a_goal_in_another_language_is_told_only_of_texts_with_words():
    goal = "what the customer complains about in the message"
    assert language_mismatch(goal, [GERMAN] * 9) == Mismatch("en", "de")
    assert language_mismatch(goal, [ENGLISH] * 9) is None
    assert language_mismatch(goal, ["2024", "!!!"] * 9) is None
    assert language_mismatch("topic", [GERMAN] * 9) is None
