"""State, then generalise: which statements become candidates."""

import numpy as np

from nlparam.language.propose.state import StateThenGeneralise
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs

_TEXTS = [f"poem {n}" for n in range(8)] + [f"riddle {n}" for n in range(8)]


def _parrot(request):
    """Repeats the first example where there are some, and says what a text is where there are none."""
    system, prompt = request.messages[0].content, request.messages[-1].content
    if "Label (" in prompt:
        if "for example" in system:
            return "song"
        return "riddle" if "riddle" in prompt else "poem"
    return f"is a {prompt.rpartition('Category: ')[2].split('.')[0]}" if "Property:" in prompt else ""


def test_a_model_that_repeats_the_examples_is_asked_without_them():
    engine = Engine(ScriptedModel(_parrot, strong=False), store=Store(":memory:"), costs=Costs())
    scores = np.stack([np.arange(16) < 8, np.arange(16) >= 8], axis=1).astype(float)
    for goal, found in (
        ("the form (for example song, letter)", {"is a song", "is a letter", "is a poem", "is a riddle"}),
        ("the form", {"is a poem", "is a riddle"}),
    ):
        proposed = StateThenGeneralise(engine).propose(_TEXTS, scores, goal=goal, rng=np.random.default_rng(0))
        assert {predicate for slot in proposed for predicate in slot} == found


_KINDS = ("ode", "elegy", "ballad", "sonnet", "haiku", "limerick", "epic", "psalm", "hymn", "carol", "idyll", "lament")


def _namer(request):
    """Names the kind that stands in a text; the general name of several is the first of them."""
    prompt = request.messages[-1].content
    if "Category: " in prompt:
        return f"is of the kind {prompt.rpartition('Category: ')[2].split('.')[0]}"
    return next(kind for kind in sorted(_KINDS, key=prompt.find) if kind in prompt)


def test_proposing_again_names_what_was_no_candidate_yet():
    texts = [f"{kind} number {n}" for n in range(10) for kind in _KINDS]
    scores = np.linspace(1, 0, len(texts))[:, None]
    engine = Engine(ScriptedModel(_namer, strong=False), store=Store(":memory:"), costs=Costs())
    proposer, rng = StateThenGeneralise(engine, n_shown=4, n_candidates=3), np.random.default_rng(0)
    proposed, stated = [], []
    for _ in range(3):
        (new,) = proposer.propose(texts, scores, goal="the form", avoid=proposed, rng=rng)
        assert len(new) == len(set(new))
        assert not set(new) & set(proposed)
        proposed += new
        stated.append(set(proposer.stating.stated))
    assert len(stated[0]) < len(stated[1]) < len(stated[2]), "texts that were not stated are"
    assert stated[2] <= set(texts[:16]), "all of them high"
    assert {predicate.split()[-1] for predicate in proposed} == {text.split()[0] for text in stated[2]}


def _topics_and_languages(request):
    """Says what is asked of a text, and phrases a category as its part of the goal wants it."""
    system, prompt = request.messages[0].content, request.messages[-1].content
    if "Category: " in prompt:
        category = prompt.rpartition("Category: ")[2].split(".")[0]
        return f"is written in {category}" if "the language of the text" in prompt else f"is about {category}"
    if "- " in prompt:
        return "sciences" if "physics" in prompt else ""
    if "the language of the text" in system:
        return "French" if "livre" in prompt else "English"
    return "physics" if "livre" in prompt else "chemistry"


def test_a_goal_of_two_parts_has_predicates_of_both():
    texts = [f"livre {n}" for n in range(20)] + [f"book {n}" for n in range(20)]
    scores = np.stack([np.arange(40) < 20, np.arange(40) >= 20], axis=1).astype(float)
    engine = Engine(ScriptedModel(_topics_and_languages, strong=False), store=Store(":memory:"), costs=Costs())
    goal = "the topic or language of the text"
    proposer = StateThenGeneralise(engine)
    first, second = proposer.propose(texts, scores, goal=goal, rng=np.random.default_rng(0))
    assert {"is written in french", "is about physics"} <= set(first)
    assert {"is written in english", "is about chemistry"} <= set(second)
    # What was said under one goal is not lost under another.
    first, _ = proposer.propose(texts, scores, goal="the language of the text", rng=np.random.default_rng(0))
    assert "is written in french" in first
