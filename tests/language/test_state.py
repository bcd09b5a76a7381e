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
