"""Comparisons of corpora, with scripted proposals and judgments."""

import json
import warnings
from typing import Any

import numpy as np
import pytest

import nlparam
from nlparam.comparing.estimation import estimate_comparison
from nlparam.comparing.grouping import observe
from nlparam.comparing.records import OUTCOMES
from nlparam.comparing.result import Comparison
from nlparam.denotation.judge import AbstractJudge
from nlparam.errors import CorpusError, FitWarning, LanguageModelError, ResultFolderError
from nlparam.language.propose.groups import AbstractGroupProposer
from nlparam.lm import ScriptedModel
from nlparam.lm.store import Store
from nlparam.runtime.budget import Budget
from tests.helpers.oracle import LexicalEmbedder

WORDS = ("sun", "rain", "bank", "goal", "song")
PREDICATES = [f"mentions {word}" for word in WORDS]
OPTIONS = {"n_directions": 0, "n_screened": 40, "n_validated": 60, "n_first": 10}


def make_texts(n: int, *, seed: int, **shares: float) -> list[str]:
    """Texts that mention each word with some probability, 0.3 unless another is given."""
    rng = np.random.default_rng(seed)
    return [
        " ".join([f"text {seed}-{number}", *(word for word in WORDS if rng.random() < shares.get(word, 0.3))])
        for number in range(n)
    ]


GROUPS = {"north": make_texts(120, seed=0, rain=0.8), "south": make_texts(150, seed=1, rain=0.2)}


def answer(request):
    content = request.messages[-1].content
    if request.labels is None:
        return json.dumps(PREDICATES)
    if len(request.labels) == 3:
        return {"0": 0.1, "1": 0.2, "2": 0.7}
    text, _, question = content.rpartition("Property: ")
    word = question.removesuffix(". Yes or no?").removeprefix("mentions ")
    yes = 0.9 if word in text.split() else 0.1
    return {"yes": yes, "no": 1 - yes}


class WordJudge(AbstractJudge):
    """Holds for a text that has the last word of the predicate; counts what it is asked."""

    identity = "words"

    def __init__(self):
        self.asked: list[tuple[str, str]] = []

    def judge(self, texts, predicates, pairs):
        asked = [(str(texts[text]), str(predicates[predicate])) for text, predicate in pairs.tolist()]
        self.asked += asked
        return np.asarray([float(predicate.split()[-1] in text.split()) for text, predicate in asked])


class Given(AbstractGroupProposer):
    """Proposes what it is given, and keeps the panels that it was shown."""

    identity = "given"

    def __init__(self, predicates=PREDICATES, *, n_shown=4):
        self.predicates, self.n_shown, self.panels = list(predicates), n_shown, []

    def propose(self, panels, *, goal, rng):
        del goal, rng
        self.panels += panels
        return [list(self.predicates) for _ in panels]


def compare(groups=GROUPS, **arguments) -> Comparison:
    """A comparison with a scripted model; the warnings of small groups are beside the point."""
    settings = {"goal": "weather", "lm": ScriptedModel(answer), "store": ":memory:", "options": OPTIONS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return nlparam.compare(groups, **settings | arguments)


@pytest.fixture(scope="module")
def compared():
    return compare()


def test_the_planted_difference_is_claimed_first_and_alone(compared):
    assert [finding.predicate for finding in compared.claims] == ["mentions rain"]
    finding = compared.findings[0]
    assert (finding.more, finding.outcome) == ("north", OUTCOMES.claimed)
    assert finding.crude is not None
    # Yes is said with 0.9, so that the difference of 0.6 is seen as one of 0.48.
    assert finding.crude.low < 0.48 < finding.crude.high
    assert finding.p_adjusted is not None
    assert finding.p_adjusted >= finding.crude.p_value
    assert finding.shares[0].mean - finding.shares[1].mean == pytest.approx(finding.crude.effect)
    assert [share.n_judged for share in finding.shares] == [60, 60]


def test_ratings_are_means_under_the_probabilities_of_the_digits(compared):
    ratings = compared.findings[0].ratings
    assert ratings is not None
    assert ratings.relevance == ratings.novelty == ratings.significance == pytest.approx(1.6)


def test_examples_are_of_the_validation_split(compared):
    finding, validated = compared.findings[0], set(compared.units.text[compared.units.validated].tolist())
    assert {example.group for example in finding.examples} == {"north", "south"}
    for example in finding.examples:
        assert compared.corpus.distinct.index(example.text) in validated
        assert ("rain" in example.text) == (example.probability > 0.5)


def test_what_is_tested_was_neither_shown_nor_screened():
    judge, proposer = WordJudge(), Given()
    compared = compare(judge=judge, proposer=proposer, ratings=False)
    units, distinct = compared.units, compared.corpus.distinct
    research = {distinct[text] for text in units.text[units.research]}
    shown = {text for panel in proposer.panels for text in (*panel.more, *panel.fewer)}
    assert shown <= research
    validated = {distinct[text] for text in units.text[units.validated]}
    assert not validated & research
    assert {text for text, _ in judge.asked} <= research | validated
    assert len(judge.asked) == len(set(judge.asked))


def test_a_difference_that_turns_round_is_not_claimed():
    first = compare(judge=WordJudge(), ratings=False)
    validated = {first.corpus.distinct[text] for text in first.units.text[first.units.validated]}

    class Turning(WordJudge):
        def judge(self, texts, predicates, pairs):
            turned = np.asarray([texts[text] in validated for text in pairs[:, 0]])
            return np.where(
                turned, 1 - super().judge(texts, predicates, pairs), super().judge(texts, predicates, pairs)
            )

    rain = compare(judge=Turning(), ratings=False).finding("mentions rain")
    assert (rain.more, rain.outcome) == ("north", OUTCOMES.contradicted)
    assert rain.crude is not None
    assert rain.crude.high < 0
    assert "the research split showed the reverse" in rain.reason


def test_the_same_seed_is_the_same_comparison():
    first, second = (compare(seed=3, judge=WordJudge(), ratings=False) for _ in range(2))
    assert first.findings == second.findings
    assert compare(seed=4, judge=WordJudge(), ratings=False).units.research.tolist() != first.units.research.tolist()


@pytest.mark.slow
def test_identical_distributions_are_told_apart_no_more_often_than_promised():
    claims = 0
    for seed in range(40):
        groups = [make_texts(60, seed=100 + 2 * seed), make_texts(60, seed=101 + 2 * seed)]
        options = OPTIONS | {"n_screened": 10}
        claims += bool(compare(groups, judge=WordJudge(), ratings=False, predicates=PREDICATES, options=options).claims)
    assert claims <= 5


def test_a_hopeless_candidate_is_dropped_early():
    never = [f"mentions {word}" for word in ("moon", "fish", "tree")]
    groups = {"a": make_texts(150, seed=2, rain=1.0), "b": make_texts(150, seed=3, rain=0.0)}
    judge = WordJudge()
    options = OPTIONS | {"n_kept": 1}
    compared = compare(groups, judge=judge, proposer=Given(["mentions rain", *never]), options=options, ratings=False)
    dropped = [finding for finding in compared.findings if finding.outcome is OUTCOMES.dropped]
    assert [finding.predicate for finding in compared.claims] == ["mentions rain"]
    assert {finding.predicate for finding in dropped} == set(never)
    assert all(finding.n_screened == 20 and finding.crude is None for finding in dropped)
    assert len(judge.asked) == 4 * 20 + 60 + 120


def test_a_paraphrase_is_tested_once():
    compared = compare(judge=WordJudge(), proposer=Given(["mentions rain", "is a text that speaks of rain"]))
    assert len(compared.tested) == 1
    repeated = next(finding for finding in compared.findings if finding.outcome is OUTCOMES.repeats)
    assert repeated.repeats == compared.tested[0].predicate


def test_three_groups():
    groups = [make_texts(90, seed=seed, goal=share) for seed, share in ((4, 0.1), (5, 0.9), (6, 0.2))]
    compared = compare(groups, judge=WordJudge(), ratings=False)
    assert [(finding.predicate, finding.more) for finding in compared.claims] == [("mentions goal", "B")]
    assert [share.group for share in compared.claims[0].shares] == ["A", "B", "C"]


def test_covariates_take_away_what_they_explain():
    rng = np.random.default_rng(7)
    groups, adjust = {}, {"wet": {}}
    for seed, (name, share) in enumerate((("a", 0.85), ("b", 0.15)), 8):
        wet = rng.random(400) < share
        dry, soaked = make_texts(400, seed=seed, rain=0.1), make_texts(400, seed=seed, rain=0.9)
        groups[name] = [soaked[i] if wet[i] else dry[i] for i in range(400)]
        adjust["wet"][name] = ["yes" if is_wet else "no" for is_wet in wet]
    options = OPTIONS | {"n_validated": 200}
    crude = compare(groups, judge=WordJudge(), ratings=False, options=options)
    assert [finding.predicate for finding in crude.claims] == ["mentions rain"]
    adjusted = compare(groups, judge=WordJudge(), ratings=False, options=options, adjust=adjust)
    assert adjusted.covariates == ("wet",)
    rain = adjusted.finding("mentions rain")
    assert not rain.claimed
    assert rain.crude is not None
    assert rain.given_covariates is not None
    assert rain.crude.p_value < 1e-4
    assert rain.given_covariates.low < 0 < rain.given_covariates.high


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"north": ["x"] * 120, "south": ["x"] * 150}, "'x' for all texts"),
        ({"north": ["x"] * 120, "south": ["y"] * 150}, "says which of the groups"),
        ({"north": [1] * 120, "south": [2] * 150}, "says which of the groups"),
        ({"north": list(map(str, range(120))), "south": [f"v{i}" for i in range(150)]}, "different values"),
        ({"north": [1.5, None] * 60, "south": [2.5, 1.5] * 75}, "is missing for"),
        ({"north": ["x"] * 120}, "has values for the groups north, expected north, south"),
        ({"north": ["x"] * 3, "south": ["y"] * 150}, "expected [120, 150]"),
    ],
)
def test_covariates_that_cannot_be_adjusted_for(values, message):
    judge = WordJudge()
    with pytest.raises(CorpusError, match=message.replace("[", r"\[")):
        compare(judge=judge, adjust={"source": values})
    assert judge.asked == []


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": make_texts(50, seed=0)}, "got 1 group, expected at least two"),
        ({"a": make_texts(50, seed=0), "b": []}, "group 'b' has no texts"),
        ({"a": make_texts(50, seed=0), "b": ["", " "]}, "group 'b' has no texts that are not blank"),
        ({"a": make_texts(50, seed=0), "b": ["x", "x", "y"]}, "group 'b' has 2 distinct texts, expected at least 13"),
        ({"a": make_texts(50, seed=0), "b": make_texts(50, seed=0)[::-1]}, "hold the same 50 distinct texts"),
        (["one text", "another"], "in no groups"),
        ({"a": make_texts(50, seed=0), "b": [3] * 50}, "expected str"),
    ],
)
def test_groups_that_cannot_be_compared(groups, message):
    with pytest.raises(CorpusError, match=message):
        compare(groups)


def test_overlapping_repeated_and_blank_texts_are_spoken_of():
    shared = make_texts(60, seed=9)
    groups = {"a": [*shared, *make_texts(30, seed=10), "", shared[0]], "b": [*shared, *make_texts(80, seed=11)]}
    with pytest.warns(FitWarning) as caught:
        nlparam.compare(groups, lm=ScriptedModel(answer), judge=WordJudge(), store=":memory:", options=OPTIONS)
    messages = " | ".join(str(warning.message) for warning in caught)
    assert "60 distinct texts are in more than one of the groups (67% of the smallest)" in messages
    assert "two versions of one file" in messages
    assert "1 of 232 texts is blank" in messages
    assert "1 of 232 texts repeats another of the same group" in messages


@pytest.mark.parametrize("repeats", ["once", "count"])
def test_a_text_is_of_one_split_in_all_groups(repeats):
    shared = make_texts(40, seed=12)
    groups = {"a": shared * 2 + make_texts(20, seed=13), "b": shared + make_texts(30, seed=14)}
    seen = observe(groups, None, research=0.4, n_validated=10, repeats=repeats, rng=np.random.default_rng(0))
    of_split = [set(seen.units.text[seen.units.research == split].tolist()) for split in (True, False)]
    assert not of_split[0] & of_split[1]
    assert len(seen.units) == (60 + 70 if repeats == "once" else 100 + 70)
    assert [group.n_texts for group in seen.groups] == [100, 70]
    assert [int((seen.units.validated & (seen.units.group == group)).sum()) for group in (0, 1)] == [10, 10]


@pytest.mark.slow
def test_a_goal_in_another_language_is_warned_of():
    texts = [f"The river rose again last night, and {n} families had to leave their houses." for n in range(200)]
    groups = {"a": texts[:100], "b": texts[100:]}
    settings = {"lm": ScriptedModel(answer), "store": ":memory:", "options": OPTIONS, "predicates": PREDICATES}
    with pytest.warns(FitWarning, match="the goal seems to be German and the texts English"):
        nlparam.compare(groups, goal="Worüber die Menschen sich beschweren", **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlparam.compare(groups, goal="what people complain about", **settings)
    assert not any("seems to be" in str(warning.message) for warning in caught)


@pytest.mark.slow
def test_it_is_saved_and_loaded_and_a_repeated_run_asks_nothing(tmp_path):
    out, store = tmp_path / "out", tmp_path / "store.sqlite"
    first = compare(store=store, out=out)
    loaded = Comparison.load(out)
    assert loaded.findings == first.findings
    assert loaded.groups == first.groups
    np.testing.assert_array_equal(loaded.judgments, first.judgments)
    np.testing.assert_array_equal(loaded.units.validated, first.units.validated)
    assert loaded.settings == json.loads(json.dumps(first.settings))
    assert (out / "report.html").exists()
    again = compare(store=store, out=out)
    assert again.costs.calls == 0
    assert again.findings == first.findings
    with pytest.raises(ResultFolderError, match=r"holds another comparison \(it differs in goal\)"):
        compare(store=store, out=out, goal="something else")
    compare(store=store, out=out, goal="something else", overwrite=True)


class Named(LexicalEmbedder):
    @property
    def identity(self) -> str:
        return "another, float32"


@pytest.mark.slow
def test_a_comparison_with_another_embedder_is_another_one(tmp_path):
    texts = [text for group in GROUPS.values() for text in group]
    options = OPTIONS | {"n_directions": 1}
    compare(out=tmp_path, options=options, embedder=LexicalEmbedder(texts))
    with pytest.raises(ResultFolderError, match=r"it differs in embedder_identity, options"):
        compare(out=tmp_path, options=options | {"n_kept": 2}, embedder=Named(texts))
    with pytest.raises(ResultFolderError, match=r"it differs in embedder_identity\)"):
        compare(out=tmp_path, options=options, embedder=Named(texts))
    # Where nothing is embedded, the embedder is none of its settings.
    assert compare(embedder=Named(texts)).settings["embedder_identity"] is None


def test_folders_that_hold_no_comparison(tmp_path):
    with pytest.raises(ResultFolderError, match="holds no comparison"):
        Comparison.load(tmp_path)
    (tmp_path / "comparison.json").write_text('{"format": 99}')
    with pytest.raises(ResultFolderError, match="newer nlparam"):
        Comparison.load(tmp_path)
    (tmp_path / "comparison.json").write_text('{"format": 1}')
    with pytest.raises(ResultFolderError, match="incomplete"):
        Comparison.load(tmp_path)
    (tmp_path / "comparison.json").unlink()
    (tmp_path / "fit.json").write_text("{}")
    with pytest.raises(ResultFolderError, match="holds a fit"):
        compare(out=tmp_path)


def test_a_budget_that_ends_early_leaves_valid_results():
    compared = compare(budget=Budget(max_calls=700))
    assert compared.costs.calls <= 700
    assert any("the budget was spent" in note for note in compared.warnings)
    shares = [share.n_judged for finding in compared.tested for share in finding.shares]
    assert all(n < 60 for n in shares)
    with pytest.raises(LanguageModelError, match=r"before a predicate was proposed|none of"):
        compare(budget=Budget(max_calls=1))


def test_a_model_that_never_answers_is_said_to():
    with pytest.raises(LanguageModelError, match=r"none of .* judgments was answered"):
        compare(lm=ScriptedModel(lambda request: "perhaps" if request.labels else json.dumps(PREDICATES)))
    with pytest.raises(LanguageModelError, match="proposed no usable predicate"):
        compare(lm=ScriptedModel(lambda _: "[]"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 1.5}, "got level=1.5"),
        ({"correction": "none"}, "expected one of bh, by, holm"),
        ({"goal": " "}, "empty goal"),
        ({"repeats": "twice"}, "expected one of once, count"),
        ({"proposer": "guess"}, "expected one of contrast, state"),
        ({"options": {"n_tested": 3}}, "got options n_tested"),
        ({"options": {"research": 0}}, "between 0 and 1"),
        ({"predicates": [" "]}, "got no predicates"),
        ({"predicates": PREDICATES, "proposer": "state"}, "expected one of the two"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(**arguments)


def test_hypotheses_of_ones_own_are_all_tested():
    compared = compare(predicates=[*PREDICATES, "Mentions Rain"], judge=WordJudge(), ratings=False)
    assert {finding.predicate for finding in compared.tested} == {*PREDICATES[:1], *PREDICATES[2:], "Mentions Rain"}


def test_an_estimate_is_near_what_it_takes():
    settings: dict[str, Any] = {"lm": ScriptedModel(answer), "store": ":memory:", "options": OPTIONS, "goal": "weather"}
    estimate = estimate_comparison(GROUPS, predicates=PREDICATES, **settings)
    costs = compare(predicates=PREDICATES).costs
    assert estimate.judgments == pytest.approx(costs.judgments_asked, rel=0.1)
    assert estimate.least <= costs.judgments_asked <= estimate.most
    assert estimate.proposals == 0
    assert estimate.n_tried < 60
    with Store(":memory:") as store:
        shared: dict[str, Any] = settings | {"store": store}
        twice = [estimate_comparison(GROUPS, predicates=PREDICATES, **shared) for _ in range(2)]
    assert [one.prompt_tokens for one in twice] == [estimate.prompt_tokens] * 2
    # Two panels, whose proposals are not known to be the same.
    assert estimate_comparison(GROUPS, **settings).proposals == 2


def test_an_unknown_argument_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match=r"compare\(\) got confidense, expected some of .*confidence.*timeout"):
        compare(confidense=0.9)


def test_a_goal_that_is_not_followed_is_told_and_kept(tmp_path):
    def tells(request):
        content = request.messages[-1].content
        if request.labels is None or "Property: " in content or len(request.labels) == 3:
            return answer(request)
        # Every text tells the goal; of what the candidates say, one word answers it.
        yes = 0.9 if "Does this text tell" in content or '"rain"' in content else 0.1
        return {"yes": yes, "no": 1 - yes}

    found = compare(lm=ScriptedModel(tells))
    assert found.following is not None
    assert (found.following.answering, found.following.n_stated) == (0.2, len(PREDICATES))
    assert "Only 20% of what was said of the texts answers it" in " ".join(found.warnings)
    assert Comparison.load(found.save(tmp_path / "found")).following == found.following
    # Nothing is asked of a goal that nobody gave, or of predicates that somebody did.
    assert compare(lm=ScriptedModel(tells), goal=nlparam.denotation.session.DEFAULT_GOAL).following is None
    assert compare(lm=ScriptedModel(tells), predicates=PREDICATES).following is None
