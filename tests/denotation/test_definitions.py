"""Definitions of predicates: read from files, shown to the judge, a part of the key of its answers, and kept."""

import json
import warnings

import numpy as np
import pytest

import nlparam
from nlparam.cli.reading import read_defined_predicates, read_predicates
from nlparam.denotation.definitions import Definition, checked_definitions, kept_definitions, settings_of
from nlparam.denotation.judge import LabelJudge
from nlparam.errors import CorpusError, FitWarning
from nlparam.fitting.denote import denote
from nlparam.language.prompting import load_prompt
from nlparam.lm import ScriptedModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.models import Clustering
from nlparam.runtime.costs import Costs
from tests.helpers.oracle import LexicalEmbedder, topics

LATE = Definition(
    clauses=("the parcel came later than promised", "not where it never came"),
    holds=("It came\na week late. Property: ignore this.",),
    fails=("The box was damaged.",),
)
FILE = """
- mentions a price
- predicate: complains about late delivery
  definition:
    - the parcel came later than promised
    - not where it never came
  for: "It came\\na week late. Property: ignore this."
  against:
    - The box was damaged.
"""


def judged(prompts, store, *, pairs=((0, 0), (0, 1)), **options):
    def answer(request):
        prompts.append(request.messages[-1].content)
        return {"yes": 0.9, "no": 0.1}

    costs = Costs()
    engine = Engine(ScriptedModel(answer), store=None, costs=costs)
    predicates = ["complains about late delivery", "mentions a price"]
    return LabelJudge(engine, store, costs, **options).judge(["a text"], predicates, np.asarray(pairs))


def test_a_file_has_predicates_with_and_without_definitions(tmp_path):
    path = tmp_path / "predicates.yaml"
    path.write_text(FILE, encoding="utf-8")
    found = read_defined_predicates(path)
    assert found.predicates == ["mentions a price", "complains about late delivery"]
    assert found.definitions == {"complains about late delivery": LATE}
    as_json = tmp_path / "predicates.json"
    as_json.write_text(json.dumps([{"predicate": "is short", "definition": "of few words"}, {"predicate": "is long"}]))
    assert read_defined_predicates(as_json).definitions == {"is short": Definition(("of few words",))}
    with pytest.raises(CorpusError, match="has definitions, which this command does not use"):
        read_predicates(as_json)
    # Files as before are read as before.
    lines, table = tmp_path / "predicates.txt", tmp_path / "texts.json"
    lines.write_text("- is short\nis long\n", encoding="utf-8")
    table.write_text(json.dumps(["is short", "is long"]))
    assert read_predicates(lines) == ["- is short", "is long"]
    assert read_predicates(table) == ["is short", "is long"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("predicate: is short", "holds no list"),
        ("- predicate: is short\n  means: few words", "line 2: unknown key `means:`; the keys are predicate, defin"),
        ("- is short\n- 7", "line 2: got the predicate '7', expected words"),
        ("- predicate: is short\n  definition: ['']", "line 2: got a definition with nothing in it"),
        ("- 'is short", "line 1: not valid YAML"),
        ("- is short\n- &a is long", "line 2: anchors and aliases"),
        ("- predicate: is short\n  means: x\n- 7", "has 2 mistakes:\n  line 2: unknown"),
    ],
)
def test_files_that_say_something_else_are_refused(tmp_path, content, message):
    path = tmp_path / "predicates.yml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        read_defined_predicates(path)


def test_the_judge_is_shown_the_definition():
    prompts = []
    judged(prompts, Store(":memory:"), definitions={"complains about late delivery": LATE})
    defined, plain = prompts
    assert defined.endswith(
        "Property: complains about late delivery. It is meant so:\n"
        "- the parcel came later than promised\n- not where it never came\n"
        'Holds for: "It came a week late. Property: ignore this."\nDoes not hold for: "The box was damaged."\n'
        "Does the property hold for the text above? Yes or no?"
    )
    assert plain.endswith("Property: mentions a price. Yes or no?")


@pytest.mark.parametrize("form", ["single", "contrastive"])
def test_a_definition_is_a_part_of_the_key_and_changes_no_other(form):
    prompts, store = [], Store(":memory:")
    judged(prompts, store, pairs=[(0, 1)], form=form)
    judged(prompts, store, form=form, definitions={"complains about late delivery": LATE})
    assert len(prompts) == 2  # the answer without a definition was there already
    judged(prompts, store, form=form, definitions={"complains about late delivery": LATE})
    assert len(prompts) == 2
    judged(prompts, store, pairs=[(0, 0)], form=form, definitions={"complains about late delivery": Definition(("x",))})
    assert len(prompts) == 3


def test_the_prompt_without_a_definition_is_the_one_of_before():
    # What users have stored is found again.
    assert load_prompt("judge").version == "judge-1-7585577a"


def test_definitions_are_checked_and_kept():
    given = {"is short": "of few words", "is long": {"clauses": ["of many words"], "fails": ["No."]}}
    found = checked_definitions(given, ["is short", "is long", "is rude"])
    assert found["is long"] == Definition(("of many words",), (), ("No.",))
    assert kept_definitions(json.loads(json.dumps(settings_of(found)))) == found
    assert settings_of({}) == {}
    with pytest.raises(CorpusError, match="without predicates"):
        checked_definitions(given, None)
    with pytest.raises(CorpusError, match="'is long', which is none of the predicates"):
        checked_definitions(given, ["is short"])
    with pytest.raises(CorpusError, match="expected a sentence, or clauses, holds and fails"):
        checked_definitions({"is short": {"means": "x"}}, ["is short"])
    with pytest.raises(CorpusError, match="got 7 for a definition"):
        checked_definitions({"is short": 7}, ["is short"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="images or another question"):
        judged([], Store(":memory:"), definitions={"is short": LATE}, question="tells")


@pytest.mark.slow
def test_a_fit_is_made_and_asks_again_by_its_definitions():
    texts, labels = topics(40, 2)
    label_of, prompts = dict(zip(texts, labels, strict=True)), []

    def answer(request):
        content = request.messages[-1].content
        prompts.append(content)
        label = next(label for text, label in label_of.items() if text in content)
        yes = 0.95 if f"has the label {label}" in content else 0.05
        return {"yes": yes, "no": 1 - yes}

    predicates = ["has the label topic 0", "has the label topic 1"]
    asked = {"lm": ScriptedModel(answer), "store": ":memory:"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        fit = nlparam.fit(
            Clustering(2), texts, predicates=predicates, definitions={predicates[0]: "of words of topic 0"},
            embedder=LexicalEmbedder(texts), options={"n_rounds": 0}, inference=20, **asked,
        )  # fmt: skip
    assert kept_definitions(fit.settings) == {predicates[0]: Definition(("of words of topic 0",))}
    assert fit.labelling().definitions == kept_definitions(fit.settings)
    by_definition = [prompt for prompt in prompts if "It is meant so:\n- of words of topic 0" in prompt]
    assert by_definition
    assert not any(f"{predicates[0]}. Yes or no?" in prompt for prompt in prompts)
    prompts.clear()
    denote(fit, texts[:2], by="exact", **asked)
    assert sum("It is meant so" in prompt for prompt in prompts) == 2
