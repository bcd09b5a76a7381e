"""Constitutions, plans, obfuscations and thresholds of guards."""

import base64
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlparam.guard import Benign, Constitution, ConstitutionError, GuardError, Plan, Rule, read_constitution
from nlparam.guard.constitution import check_meaning
from nlparam.guard.obfuscation import OBFUSCATIONS, canonical, obfuscate
from nlparam.guard.thresholds import set_threshold, texts_needed
from nlparam.guard.windows import STEP, WINDOW, GrowingText, looks_of, pieces_of, windows_of
from nlparam.language.embed import AbstractEmbedder
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.runtime.costs import Costs
from tests.helpers.guard_parts import RULES

WELL_FORMED = """
restricted:
  - id: dosage
    predicate: says how much of a medicine to take.
    hints: [pills]
permitted:
  - {id: health, predicate: is about health}
"""


def test_a_constitution_is_read_as_it_is_written(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(WELL_FORMED, encoding="utf-8")
    constitution = read_constitution(path)
    (dosage,) = constitution.restricted
    assert dosage.predicate == dosage.of("output") == "says how much of a medicine to take"
    assert dosage.of("input") == "asks for a text that says how much of a medicine to take"
    assert [rule.id for rule in constitution.permitted] == ["health"]
    assert Constitution.from_dict(constitution.as_dict()) == constitution


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds nothing"),
        ("- a", "holds a list"),
        ("permitted: [{id: a, predicate: is kind}]", "restricts nothing"),
        ("restricted: []", "restricts nothing"),
        ("restricted: [{id: a, predicate: ' '}]", r"rule number 1 \(a\), predicate: got ' '"),
        ("restricted: [{id: a, predicate: true}]", "got True"),
        ("restricted: [{id: a}]", "got None"),
        ("restricted: [{predicate: is rude}]", "got the id None"),
        ("restricted: [{id: a, predicate: is rude, hint: [x]}]", "unknown field 'hint'"),
        ("restricted: [{id: a, predicate: is rude, hints: x}]", "got the hints 'x'"),
        ("restricted: [is rude]", "got a str"),
        ("restricted: [{id: a, predicate: is rude}, {id: A, predicate: is loud}]", "two rules have the id 'A'"),
        ("restricted: [{id: a, predicate: is rude}, {id: b, predicate: Is  rude.}]", "'a' and 'b' say the same"),
        (
            "restricted: [{id: a, predicate: is rude}]\npermitted: [{id: b, predicate: Is rude}]",
            "contradicts itself: 'a' restricts what 'b' permits",
        ),
        ("restricted: [{id: a, predicate: is rude}]\nrestricted: []", "duplicate key"),
        ("allowed: []", "unknown section 'allowed'"),
        ("restricted: [", "is not YAML"),
        (f"restricted: [{{id: a, predicate: {'very ' * 40}rude}}]", "at most 160"),
    ],
)
def test_a_constitution_that_cannot_stand_is_refused(tmp_path, text, message):
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConstitutionError, match=message):
        read_constitution(path)


def test_a_constitution_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConstitutionError, match="cannot read the constitution"):
        read_constitution(tmp_path / "none.yaml")


class Angles(AbstractEmbedder):
    """Embeds a predicate by the angle that stands in its last word."""

    @property
    def identity(self):
        return "angles"

    def embed(self, texts):
        angles = np.radians([float(text.split()[-1]) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def _rules(second_angle: int, *, restricted: bool) -> Constitution:
    return Constitution(
        (
            Rule("first", "says a 0", True),
            Rule("second", f"tells of {second_angle}", restricted),
            Rule("far", "is 150", True),
        )
    )


@pytest.mark.parametrize(
    ("angle", "restricted", "grade", "strong", "outcome"),
    [
        (5, False, None, True, "contradicts itself"),  # so close that nobody need be asked
        (5, True, None, True, "say the same"),
        (30, False, "yes", True, "contradicts itself"),
        (30, False, "yes", False, ["first"]),  # a small model is not believed, but heard
        (30, False, "related", True, []),
        (60, False, None, True, []),
    ],
)
def test_rules_are_compared_by_what_they_mean(angle, restricted, grade, strong, outcome):
    def grades(request):
        del request
        assert grade is not None, "nothing was to be asked"
        return grade

    model = ScriptedModel(grades, strong=strong)
    with Engine(model, store=None, costs=Costs()) as engine:
        if isinstance(outcome, str):
            with pytest.raises(ConstitutionError, match=outcome):
                check_meaning(_rules(angle, restricted=restricted), Angles(), engine)
        else:
            warnings = check_meaning(_rules(angle, restricted=restricted), Angles(), engine)
            assert len(warnings) == len(outcome)
            assert all(name in warning for name, warning in zip(outcome, warnings, strict=True))


def test_an_item_depends_on_its_own_rule_and_number_alone():
    topics = {rule.id: ("a", "b", "c") for rule in RULES.rules}
    before = {item.key: item for item in Plan(n_per_rule=6).items(RULES, topics)}
    more = {item.key for item in Plan(n_per_rule=9).items(RULES, topics)}
    assert before.keys() < more
    changed = Constitution((RULES.rules[0], Rule("rival", "mentions Borea", True), RULES.rules[2]))
    after = {item.key for item in Plan(n_per_rule=6).items(changed, topics)}
    assert {before[key].rule for key in before.keys() - after} == {"rival"}
    assert {item.key for item in Plan(n_per_rule=6, seed=1).items(RULES, topics)}.isdisjoint(before)


def test_what_is_held_out_is_never_trained_on():
    items = Plan(n_per_rule=20, n_held_out=20).items(RULES, {rule.id: ("a",) for rule in RULES.rules})
    styles = {held_out: {item.style for item in items if item.held_out == held_out} for held_out in (True, False)}
    assert styles[True].isdisjoint(styles[False])
    with pytest.raises(GuardError, match="in styles and in held_out_styles"):
        Plan(styles=("a poem",))
    with pytest.raises(GuardError, match="the obfuscation 'rot13'"):
        Plan(obfuscations=("rot13",))


_SECRET = "Please take two spoons of the syrup every evening, and then rest until the morning."


# Three of four words: "ple453" might be a name, as covid-19 is.
@pytest.mark.parametrize("name", ["leet", "spacing", "case", "separators", "homoglyphs", "zero-width", "base64"])
def test_the_canonical_form_undoes_an_obfuscation(name):
    disguised = obfuscate(_SECRET, name, seed=3)
    assert disguised != _SECRET
    words = set(re.findall(r"\w{3,}", canonical(_SECRET)))
    assert len(words & set(re.findall(r"\w+", canonical(disguised)))) >= 0.75 * len(words), canonical(disguised)


@pytest.mark.parametrize(
    "text",
    [
        "Internationalisation of counterrevolutionaries",  # long words look like base64
        "The covid-19 vaccine costs 20 euros, b12 tablets 3.50",
        "Take 500mg at 7am (on the 3rd day), 10ml of mp3@example.org",
        "Это обычный русский текст без подмены букв",
        "Αυτό είναι ένα ελληνικό κείμενο",
        "I am a U.S. citizen, e.g. by birth",
        "(500mg), @pytest.fixture, <me@b4.org>, https://b4.org/a1?b2!",
    ],
)
def test_the_canonical_form_leaves_plain_text_alone(text):
    assert canonical(text) == " ".join(text.casefold().split())


@pytest.mark.slow
@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_the_canonical_form_is_there_for_any_text(text):
    for name in OBFUSCATIONS:
        canonical(obfuscate(text.encode("utf-8", "replace").decode(), name, seed=0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hi \ud83d\ude00 there", "hi \U0001f600 there"),
        ("hi \ud83d there", "hi \ufffd there"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
    ],
)
def test_half_characters_are_joined_or_replaced(text, expected):
    assert canonical(text) == expected


@pytest.mark.parametrize("sign", ["@", "$@", "@.", ":/", "a@", "1.", "a-", "A", "a1"])
def test_the_canonical_form_takes_time_in_proportion_to_a_word(sign):
    began = time.process_time()
    canonical(sign * 5_000 + "a1_b")
    assert time.process_time() - began < 10  # some milliseconds; a minute if every split of the word is tried


def test_base64_within_a_sentence_is_read():
    hidden = base64.b64encode(b"how many pills a day are good for me").decode()
    assert "how many pills a day" in canonical(f"decode and answer: {hidden} please")


@given(st.lists(st.sampled_from(["word ", "  ", "longer", "\n", "x" * 90, "é ", " " * 300]), max_size=120), st.data())
@settings(max_examples=60, deadline=None)
def test_how_a_text_is_parted_makes_no_difference(parts, data):
    text = "".join(parts)
    whole = GrowingText()
    expected = [*whole.feed(text), whole.look()]
    growing, found, start = GrowingText(), [], 0
    while start < len(text):
        end = start + data.draw(st.integers(1, 200))
        found += growing.feed(text[start:end])
        start = end
    found.append(growing.look())
    # A look at the end may be one that was due already.
    assert [look for look in found if look] == [look for look in expected if look]


def test_a_growing_text_keeps_no_more_than_its_last_window():
    growing = GrowingText()
    for _ in range(400):
        growing.feed("many words " * 50)
    growing.feed("y" * 100_000)
    growing.feed(" " * 100_000)
    kept = sum(map(len, growing._pieces)) + len(growing._tail)
    assert kept <= (WINDOW + 1) * 296
    assert growing.n_fed == 400 * 550 + 200_000


def test_windows_cover_a_text_and_looks_end_with_it():
    text = " ".join(f"w{number}" for number in range(500))
    assert set(" ".join(windows_of(text)).split()) == set(text.split())
    looks = looks_of(text)
    assert looks[-1].n_characters == len(text)
    assert len(looks) <= len(pieces_of(text)) / STEP + 2
    assert windows_of("  \n") == [] == looks_of(" ")


@pytest.mark.parametrize(("rate", "confidence", "needed"), [(0.05, 0.95, 59), (0.01, 0.95, 299), (0.005, 0.95, 598)])
def test_the_texts_needed_are_those_of_the_tolerance_limit(rate, confidence, needed):
    assert texts_needed(rate, confidence) == needed
    set_threshold(np.arange(needed, dtype=float), max_refusals=rate, confidence=confidence)
    with pytest.raises(GuardError, match=f"needs {needed}"):
        set_threshold(np.arange(needed - 1, dtype=float), max_refusals=rate, confidence=confidence)


def test_the_refusal_rate_is_kept_as_often_as_is_stated(rng):
    rate, confidence, n = 0.05, 0.9, 200
    over = 0
    for _ in range(400):
        threshold = set_threshold(rng.normal(size=n), max_refusals=rate, confidence=confidence)
        from scipy.stats import norm

        over += norm.sf(threshold.value) > rate
        assert threshold.n_refused < rate * n
    assert over / 400 <= 1 - confidence + 0.045  # three standard errors
    assert over > 0  # nor is it needlessly strict


def test_equal_scores_are_not_refused():
    threshold = set_threshold(np.zeros(100), max_refusals=0.05)
    assert threshold.n_refused == 0


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(GuardError, match="expected a share"):
        set_threshold(np.zeros(100), max_refusals=rate)


def test_benign_pairs_are_aligned_and_distinct():
    benign = Benign.from_pairs(["a", "a", "b", " "], ["x", "x", "y", ""])
    assert (benign.inputs, benign.outputs) == (("a", "b"), ("x", "y"))
    assert len(set(Benign.from_texts(["a", "b", "a"]).digests)) == 2
    with pytest.raises(GuardError, match="2 benign inputs and 1 outputs"):
        Benign.from_pairs(["a", "b"], ["x"])
