"""Predicates that a user wants for certain, never, or as candidates beside the proposals."""

from typing import Any

import numpy as np
import pytest

import nlparam
from nlparam import testing
from nlparam.errors import LanguageModelError
from nlparam.fitting.setup import prepared
from nlparam.fitting.wishes import Barrier, Wishes, wishes_told
from nlparam.language.phrasing import Phraser
from nlparam.models import Classification, Clustering

# No head could tell which texts mention a number.
pytestmark = pytest.mark.filterwarnings("ignore:the head can hardly tell")

THINGS = ("delivery", "price", "colour", "staff")
RULES = {f"mentions the {thing}": lambda text, thing=thing: thing in text for thing in THINGS}
# Proposals are three of the four; what is locked says less than any of them.
PROPOSED = {predicate: RULES[predicate] for predicate in list(RULES)[:3]}
DULL = "mentions number seven"
TEXTS = [f"{number}: the {THINGS[min(number % 6, 3)]} of my order, again" for number in range(48)]
QUICK = {"n_rounds": 1, "n_restarts": 2, "n_judged": None, "n_relaxed": 48}


def fit(**asked) -> nlparam.Fit:
    answer, judging = testing.by_rules(PROPOSED), testing.by_rules(RULES | {DULL: lambda text: text.startswith("7:")})
    lm = testing.ScriptedModel(lambda request: (answer if request.labels is None else judging)(request))
    common: Any = {"lm": lm, "embedder": testing.ScriptedEmbedder(), "store": ":memory:", "inference": False}
    options: dict[str, Any] = {**common, "options": QUICK, **asked}
    return nlparam.fit(Clustering(3), TEXTS, **options)


@pytest.fixture(scope="module")
def wished() -> nlparam.Fit:
    return fit(locked=[DULL], excluded=["mentions the price"], candidates=["mentions the staff"])


def test_what_is_locked_is_there_and_what_is_excluded_is_not(wished):
    assert DULL in wished.predicates
    assert "mentions the price" not in wished.candidates
    assert "mentions the staff" in wished.predicates  # half of the texts, and nobody proposes it
    for entry in wished.trace:
        assert not entry.predicates or DULL in entry.predicates


def test_settings_and_report_say_so(wished, tmp_path):
    assert wished.settings["locked"] == [DULL]
    assert wished.settings["excluded"] == ["mentions the price"]
    assert dict(wishes_told(wished.settings, wished.predicates)) == {
        "Locked": DULL,
        "Excluded": "mentions the price (and what says the same)",
        "Candidates given": "1, of which 1 chosen",
    }
    assert "(and what says the same)" in wished.report()
    wished.save(tmp_path / "fit")
    with pytest.raises(nlparam.errors.ResultFolderError, match="differs in excluded"):
        nlparam.Fit.check(tmp_path / "fit", wished.compared(wished.read(tmp_path / "fit")) | {"excluded": None})


@pytest.mark.parametrize("refinement", ["columns", "coordinate"])
def test_all_may_be_locked(refinement):
    locked = [DULL, "mentions the price", "mentions the staff"]
    fitted = fit(locked=locked, options={**QUICK, "refinement": refinement})
    assert set(fitted.predicates) == set(locked)
    assert fitted.candidates == locked  # nothing was proposed
    assert np.isfinite(fitted.loss)


def test_the_search_of_the_paper_keeps_what_is_locked():
    fitted = fit(locked=[DULL], excluded=["mentions the price"], options={**QUICK, "refinement": "coordinate"})
    assert DULL in fitted.predicates
    assert "mentions the price" not in fitted.candidates


def test_predicates_of_ones_own_may_be_locked_and_excluded():
    fitted = fit(predicates=list(RULES), locked=[DULL], excluded=["Mentions the price"])
    assert DULL in fitted.predicates
    assert "mentions the price" not in fitted.candidates


def test_a_locked_predicate_that_cannot_be_judged_is_an_error():
    with pytest.raises(LanguageModelError, match="the locked predicate 'mentions number seven' has too few usable"):
        fit(locked=[DULL], budget=nlparam.Budget(max_calls=3))


def test_an_estimate_counts_what_is_locked_and_given():
    lm = testing.ScriptedModel(testing.by_rules(RULES))
    common: Any = {"lm": lm, "embedder": testing.ScriptedEmbedder(), "store": ":memory:", "options": QUICK}
    plain = nlparam.estimate(Clustering(3), TEXTS, **common)
    given = nlparam.estimate(Clustering(3), TEXTS, candidates=["is long", "is short"], **common)
    locked = nlparam.estimate(Clustering(3), TEXTS, locked=list(RULES)[:3], **common)
    assert given.judgments == plain.judgments + 2 * len(TEXTS)  # the texts of the screening are all
    assert locked.judgments == 3 * len(TEXTS)
    assert locked.proposals == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"locked": list(RULES)}, "got 4 locked predicates, expected at most 3"),
        ({"locked": ["a"], "excluded": ["A"]}, "got 'a' as one of `locked` and as one of `excluded`"),
        ({"candidates": "is long"}, "got candidates='is long', expected a list of predicates"),
        ({"excluded": [" "]}, "got '' among `excluded`"),
        ({"candidates": ["is long"], "predicates": ["is short"]}, "got `candidates` and `predicates`"),
    ],
)
def test_wishes_that_cannot_be_kept(given, message):
    with pytest.raises(ValueError, match=message):
        fit(**given)


def test_the_first_of_two_spellings_counts():
    assert Wishes.given(2, locked=["Is long", "is long ", "b"]).locked == ("Is long", "b")


def test_what_says_the_same_is_kept_out():
    vectors = {"is about sport": [1.0, 0.0], "discusses sports": [0.9, 0.436], "is about money": [0.0, 1.0]}
    barrier = Barrier(["is about sport"], lambda said: np.asarray([vectors[one] for one in said]), same=0.85)
    assert barrier.passed(["Is about sport", "discusses sports", "is about money"]) == ["is about money"]


@pytest.mark.parametrize(
    ("goal", "locked"),
    [
        ("the thing: price or delivery", ["mentions the price", "mentions the delivery"]),
        ("the thing: price, delivery, etc.", []),
        ("the thing: price, delivery, staff or colour", []),  # more than there are slots
    ],
)
def test_answers_that_a_goal_lists_are_locked_if_it_lists_all(goal, locked, monkeypatch):
    def phrase(_, categories, **_complete):
        return [f"mentions the {category}" for category in categories]

    monkeypatch.setattr(Phraser, "phrase", phrase)
    common: Any = {"lm": testing.ScriptedModel(testing.by_rules(PROPOSED)), "embedder": testing.ScriptedEmbedder()}
    common |= {"store": ":memory:", "options": QUICK, "goal": goal, "representation": "embedding"}

    def wishes(model: Any = None, data: Any = None, **asked: Any) -> Wishes:
        with prepared(model or Clustering(3), TEXTS, data, **common, **asked) as run:
            return run.search.wishes

    assert wishes() == Wishes(locked=tuple(locked))
    assert wishes(locked=[DULL]).locked == (DULL, *locked)
    assert wishes(locked=[DULL, "is long"]).locked == (DULL, "is long")  # no slots are left for both
    assert "mentions the price" not in wishes(excluded=["Mentions the price"]).locked
    # What the user lists otherwise, and what data are to explain, decide for themselves.
    assert not wishes(predicates=list(RULES)).locked
    assert not wishes(Classification(3, 2), [number % 2 for number in range(48)]).locked
