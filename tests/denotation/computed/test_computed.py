"""Executable predicates: what may be written, what is believed, and how they compete with what is judged."""

import json

import numpy as np
import pytest

import nlparam
from nlparam.denotation.computed import (
    Computed,
    ComputedJudge,
    ComputedPredicate,
    Executable,
    RejectedSource,
    checked_source,
)
from nlparam.denotation.computed.contrast import COUNTS, PATTERNS, Contrasts, of_count, of_ngrams, of_pattern
from nlparam.denotation.computed.groups import ExecutableGroups
from nlparam.denotation.computed.written import Criteria, try_functions, write_functions
from nlparam.denotation.judge import AbstractJudge
from nlparam.language.propose.groups import ListedForGroups, Panel
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.models import Regression
from nlparam.runtime.costs import Costs
from tests.helpers.oracle import LexicalEmbedder

# Its fixtures take seconds.
pytestmark = pytest.mark.slow


class Truth(AbstractJudge):
    """Judges by functions, and counts."""

    identity = "truth"

    def __init__(self, functions):
        self.functions, self.asked = functions, 0

    def judge(self, texts, predicates, pairs):
        self.asked += len(pairs)
        return np.asarray([0.95 if self.functions[predicates[p]](texts[t]) else 0.05 for t, p in pairs])


def function(expression):
    return f"def predicate(text):\n    return {expression}"


@pytest.mark.parametrize(
    "written",
    [
        "import re\n\ndef mentions(text: str) -> bool:\n    '''Says so.'''\n"
        "    # why\n    return bool(re.search(r'\\d+', text))",
        "def predicate(text):\n    import re\n    words = text.lower().split()\n    for word in words:\n"
        "        if word.startswith('a') and len(word) > 3:\n            return True\n    return False",
        "def predicate(text):\n    count = sum(1 for c in text if c.isupper())\n"
        "    return count / max(len(text), 1) > 0.5",
        "def predicate(text):\n    words = {'a', 'b'}\n"
        "    return any(w in words for w in text.split()) or len(text) % 2 == 1",
        "def predicate(s):\n    return [m.group(0) for m in re.finditer('x', s, re.IGNORECASE)][:2] == ['x', 'x']",
    ],
)
def test_what_may_be_written(written):
    source = checked_source(written)
    assert source.startswith("def predicate(")
    assert "import" not in source
    assert checked_source(source) == source


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("def predicate(text)\n    return True", "not Python"),
        ("x = 1", "one function"),
        ("def predicate(text, more):\n    return True", "one argument"),
        ("def predicate(text=open('x')):\n    return True", "one argument"),
        ("@print\ndef predicate(text):\n    return True", "decorator"),
        (function("text.__class__"), "'__class__'"),
        (function("text.format(text)"), "'format'"),
        (function("'%s' % text"), "formatting"),
        (function("text % 3"), "formatting"),
        ("def predicate(text):\n    s = '%1000000000d'\n    s %= 5\n    return len(s) > 3", "formatting"),
        (function("f'{text}'"), "JoinedStr"),
        (function("open('x')"), "'open'"),
        (function("__builtins__"), "'__builtins__'"),
        (function("getattr(text, 'x')"), "'getattr'"),
        (function("re.enum.sys"), "'enum'|'sys'"),
        (function("2 ** 10"), "Pow"),
        (function("10 ** 9"), "Pow"),
        (function("1 << 9"), "LShift"),
        (function("len(text) > 99999999999"), "constant"),
        (function("b'x' in text"), "constant"),
        (function(f"text == {'x' * 700!r}"), "string of 700"),
        (function("[" * 60 + "]" * 60), "too large"),
        ("def predicate(text):\n    while True:\n        pass", "While"),
        ("def predicate(text):\n    import os\n    return True", "Import"),
        ("def predicate(text):\n    global len\n    return True", "Global"),
        ("def predicate(text):\n    len = 3\n    return True", "'len'"),
        ("def predicate(text):\n    def inner():\n        return 1\n    return True", "inside"),
        ("def predicate(text):\n    text.x = 1\n    return True", "attribute"),
        ("def predicate(text):\n    yield True", "Yield"),
        ("def predicate(text):\n    try:\n        return True\n    except Exception:\n        return False", "Try"),
        ("async def predicate(text):\n    return True", "one function"),
        ("class predicate:\n    pass", "one function"),
        ("#" * 7000, "7,000 characters"),
    ],
)
def test_what_may_not_be_written(written, message):
    with pytest.raises(RejectedSource, match=message):
        checked_source(written)


def test_patterns_and_counts_are_sources_that_may_run():
    computed = Computed(of_pattern(name, pattern) for name, pattern in PATTERNS.items())
    for name in COUNTS:
        computed.add(of_count(name, 2, above=True))
        computed.add(of_count(name, 2, above=False))
    names = [*PATTERNS, *(f"has {how} 2 {name}" for name in COUNTS for how in ("more than", "at most"))]
    texts = ["Is it $5? See www.example.org\n\n- one\n- two", "the plain words, nothing else"]
    values = computed.values(names, texts)
    assert np.isfinite(values).all()
    said = [{name for name, value in zip(names, row, strict=True) if value} for row in values]
    assert said[0] >= {
        "contains a question mark",
        "contains an amount of money",
        "contains a web address",
        "contains a list with bullets",
        "has several paragraphs",
        "has more than 2 lines",
    }
    assert said[1] == {
        "has more than 2 words", "has at most 2 sentences", "has at most 2 lines", "has at most 2 digits",
        "has at most 2 commas",
    }  # fmt: skip


def test_ngrams_are_whole_words_whatever_is_in_them():
    odd = of_ngrams(["a.b", "late delivery"])
    values = Computed([odd]).values([odd.predicate.upper()], ["xa.b", "a.b!", "axb", "a LATE,  delivery", "delivery"])
    np.testing.assert_array_equal(values[:, 0], [0, 1, 0, 1, 0])


def test_contrasts_name_what_high_texts_have():
    rng = np.random.default_rng(0)
    planted = rng.random((3, 240)) < 0.35
    texts = [
        " ".join(
            [*rng.choice(["one", "two", "three", "four"], 8), *(["refund"] if a else []), *(["5 $ now?"] if b else [])]
        )
        + " again and again and again" * int(c)
        for a, b, c in planted.T
    ]
    contrasts = Contrasts.of(texts)
    found = [
        [p.predicate for p in contrasts.best(side + rng.normal(0, 0.3, 240), n_ngrams=2, n_patterns=2)]
        for side in planted
    ]
    assert found[0][0] == 'contains the word "refund"'
    assert "contains a question mark" in found[1]
    assert any(predicate.startswith("has more than") and predicate.endswith("words") for predicate in found[2])
    assert contrasts.best(np.zeros(240), n_ngrams=2, n_patterns=2) == contrasts.best(
        np.zeros(240), n_ngrams=2, n_patterns=2
    )


def test_texts_without_any_common_words_have_no_ngrams():
    assert Contrasts.of(["alpha", "beta", "!"]).best(np.asarray([1.0, 0, 0]), n_ngrams=3, n_patterns=0) == []


@pytest.fixture
def texts():
    rng = np.random.default_rng(1)
    words = ["river", "house", "street", "evening", "garden", "letter"]
    return [" ".join([*rng.choice(words, 8), str(number)] + ["refund"] * (number % 3 == 0)) for number in range(120)]


def attempt(texts, source, judge=None, **criteria):
    judge = judge or Truth({"asks for a refund": lambda text: "refund" in text})
    rng = np.random.default_rng(0)
    return try_functions(["asks for a refund"], [source], texts, judge, Criteria(**criteria), rng=rng)[0]


def test_a_function_that_agrees_is_accepted(texts):
    judge = Truth({"asks for a refund": lambda text: "refund" in text})
    tried = attempt(texts, function("'refund' in text"), judge)
    assert tried.refused is None
    assert tried.accepted is not None
    assert tried.accepted.agreement == 1.0
    assert tried.accepted.lower is not None
    assert 0.9 < tried.accepted.lower < 1.0
    assert tried.accepted.n_audited == judge.asked == 30


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (None, "no function"),
        (function("__import__('os')"), "not allowed"),
        (function("True"), "120 of 120"),
        (function("len(text) > 4000"), "0 of 120"),
        (function("text[len(text) - len(text) % 2] > 'a'"), "it fails: IndexError"),
        (function("text.find('refund')"), "expected True or False"),
        (function("list({text, text + text})[0] == text"), "second time"),
        (function("'river' in text"), "agrees with"),
        (function("'refund' not in text"), "agrees with"),
        (function("all(a + b > -1 for a in range(99) for b in range(199)) and 'river' in text"), "slow"),
    ],
)
def test_a_function_is_refused_for_one_reason(texts, source, why):
    judge = Truth({"asks for a refund": lambda text: "refund" in text})
    # The slow one is far above this and far below the time at which the sandbox ends it.
    tried = attempt(texts, source, judge, seconds_per_text=0.0001)
    assert tried.accepted is None
    assert why in str(tried.refused)
    # Nothing is asked about what fails in another way.
    assert (judge.asked > 0) == (why == "agrees with")


def test_a_rare_property_is_audited_on_both_sides(texts):
    # A function that says no nearly always agrees on most texts, and not on the texts that matter.
    tried = attempt(texts, function("text.endswith('refund') and text.startswith('r')"), n_audited=20)
    assert tried.accepted is None


def test_a_biased_judge_is_corrected(texts, monkeypatch):
    def answered(texts, _, pairs):
        return np.asarray([0.97 if "refund" in texts[t] else 0.6 for t, _ in pairs])

    judge = Truth({})
    monkeypatch.setattr(judge, "judge", answered)
    assert attempt(texts, function("'refund' in text"), judge).accepted is None
    assert attempt(texts, function("'refund' in text"), judge, correct_bias=True).accepted is not None


def test_code_is_found_in_what_was_written():
    answers = [
        "Sure.\n```python\nimport re\ndef f(text):\n    return True\n```\nIt works.",
        "Here: def f(text):\n    return True",
        "```\ndef f(text):\n    return True",
        "```Python3\ndef f(text):\n    return True\n```",
        "I cannot.",
    ]
    lm = ScriptedModel(answers, max_in_flight=1)
    with Engine(lm, store=None, costs=Costs()) as engine:
        written = write_functions(engine, ["a", "b", "c", "d", "e"])
    assert written[4] is None
    assert all(checked_source(str(source)) == "def predicate(text):\n    return True" for source in written[:4])


def test_a_judge_sends_each_predicate_where_it_belongs():
    truth = Truth({"is long": lambda text: len(text) > 3})
    judge = ComputedJudge(truth, Computed([ComputedPredicate("has an a", function("'a' in text"), "function")]))
    pairs = np.asarray([[0, 0], [1, 1], [0, 1], [1, 0], [2, 1]])
    answers = judge.judge(["abc", "long one", "b"], ["is long", "HAS an a"], pairs)
    np.testing.assert_allclose(answers, [0.05, 0, 1, 0.95, 0])
    assert truth.asked == 2
    assert judge.computes("Has An A")
    assert not judge.computes("is long")


def test_what_a_fit_keeps_can_be_read_back_and_is_checked_again():
    computed = Computed([of_pattern("contains a digit", r"\d")])
    kept = json.loads(json.dumps(computed.as_dict(["contains a digit", "is long"])))
    assert list(kept) == ["contains a digit"]
    again = Computed.from_dict(kept)
    np.testing.assert_array_equal(again.values(["contains a digit"], ["1", "a"])[:, 0], [1, 0])
    kept["contains a digit"]["source"] = function("open(text)")
    with pytest.raises(RejectedSource):
        Computed.from_dict(kept)


PLANTED = {"asks for a refund": lambda text: "refund" in text, "mentions a river": lambda text: "river" in text}


@pytest.fixture(scope="module")
def fitted():
    """A regression on two lexical properties: with and without executable predicates, and what was asked."""
    rng = np.random.default_rng(3)
    words = ["house", "street", "evening", "garden", "letter", "winter", "table", "door"]
    texts = []
    for number in range(120):
        own = ["refund"] * (rng.random() < 0.4) + ["river"] * (rng.random() < 0.4)
        texts.append(" ".join(rng.permutation([*rng.choice(words, 9), *own])) + f" {number}")
    holds = np.asarray([[test(text) for test in PLANTED.values()] for text in texts])
    target = holds @ [1.0, -1.0] + rng.normal(0, 0.05, 120)

    def answer(request):
        asked = request.messages[-1].content
        if "Write one Python function" in asked:
            if "refund" in asked:
                return "```python\ndef has(text):\n    return 'refund' in text.lower()\n```"
            return "def has(text):\n    return len(text) % 2 == 0"
        if "Yes or no?" in asked:
            text, predicate = asked.removeprefix("Text: ").removesuffix(". Yes or no?").split("\n\nProperty: ")
            return "yes" if PLANTED.get(predicate, lambda text: len(text) % 3 == 0)(text) else "no"
        return json.dumps([*PLANTED, "is about winter"])

    def run(**options):
        return nlparam.fit(
            Regression(n_predicates=2),
            texts,
            target,
            lm=ScriptedModel(answer, identity="planted"),
            embedder=LexicalEmbedder(texts),
            options={"n_screened": 20, "n_rounds": 1},
            store=":memory:",
            **options,
        )

    return run(), run(executable=True), run(executable=Executable(n_ngrams=0, n_patterns=0)), run


def test_computed_columns_replace_judged_ones_at_equal_fit(fitted):
    without, everything, functions, _ = fitted
    assert everything.loss <= without.loss + 1e-6
    assert everything.costs.judgments_asked < without.costs.judgments_asked
    assert set(everything.settings["computed"]) <= set(everything.predicates)
    assert len(everything.settings["computed"]) == 2
    # Without n-grams: the predicate whose function is right is computed, the other one is judged.
    assert set(functions.predicates) == set(PLANTED)
    assert set(functions.settings["computed"]) == {"asks for a refund"}
    assert functions.settings["computed"]["asks for a refund"]["kind"] == "function"
    assert {judgment.predicate for judgment in functions.judgments} == {"mentions a river"}
    assert without.settings.get("computed") is None


def test_new_texts_are_computed_and_not_guessed(fitted, tmp_path):
    _, everything, _, _ = fitted
    everything.save(tmp_path / "fit")
    loaded = nlparam.load(tmp_path / "fit", embedder=everything.denoter.embedder)
    fresh = ["the refund of the river", "an unseen sentence", "  "]
    for fit in (everything, loaded):
        denoted = fit.denote(fresh)
        assert set(denoted.ravel().tolist()) <= {0.0, 1.0}
        said = {predicate: column.tolist() for predicate, column in zip(fit.predicates, denoted.T, strict=True)}
        refund = next(name for name in said if "refund" in name)
        assert said[refund] == [1.0, 0.0, 0.0]
    assert everything.report().count("refund") > 0


def test_the_same_settings_give_the_same_fit(fitted):
    _, everything, _, run = fitted
    again = run(executable=True)
    assert again.predicates == everything.predicates
    assert again.loss == everything.loss
    assert again.settings["computed"] == everything.settings["computed"]


def test_groups_get_words_and_counts_once():
    computed = ComputedJudge(Truth({}))
    proposer = ExecutableGroups(ListedForGroups(["is polite"]), computed)
    long, short = [f"a longer text about the garden of {n}" for n in range(20)], [f"short {n}" for n in range(20)]
    found = proposer.propose(
        [Panel("a", tuple(long), tuple(short)), Panel("b", tuple(short), tuple(long))],
        goal="anything",
        rng=np.random.default_rng(0),
    )
    proposed = [predicate for panel in found for predicate in panel]
    assert proposed[0] == "is polite"
    assert sum(predicate.endswith(" words") for predicate in proposed) == 1
    assert all(computed.computes(predicate) for predicate in proposed if predicate != "is polite")
    assert proposer.n_shown == 100


@pytest.mark.parametrize("options", [{"n_ngrams": -1}, {"n_audited": 2}, {"agreement": 2.0}, {"lower": -0.1}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Executable(**options)
