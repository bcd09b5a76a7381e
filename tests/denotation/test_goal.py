"""The goal representation in a fit: what is asked, what it brings, and that a loaded fit represents new texts alike."""

import dataclasses
import re
import zlib

import numpy as np
import pytest

import nlparam
from nlparam.denotation import goal as goal_module
from nlparam.denotation.goal import GoalRepresentation
from nlparam.errors import FitWarning
from nlparam.fitting.setup import DEFAULT_GOAL
from nlparam.language.goals import read_goal
from nlparam.lm.base import Completion, Request
from nlparam.lm.scripted import ScriptedModel
from nlparam.models import Clustering
from tests.helpers.oracle import LexicalEmbedder

_TONGUES, _THEMES = 3, 3


def corpus(n_texts=240, seed=0):
    """Texts that say loudly which tongue they are in and quietly which theme they have."""
    rng = np.random.default_rng(seed)
    tongues, themes = rng.integers(_TONGUES, size=n_texts), rng.integers(_THEMES, size=n_texts)
    texts = []
    for number, (tongue, theme) in enumerate(zip(tongues, themes, strict=True)):
        loud = [f"tongue{tongue}word{w}" for w in rng.integers(25, size=24)]
        quiet = [f"theme{theme}word{w}" for w in rng.integers(6, size=6)]
        texts.append(" ".join([*rng.permutation(loud + quiet), f"number{number}"]))
    return texts, themes


class Reader:
    """States the theme of a text, and judges predicates that name a theme."""

    def __init__(self, stated="theme"):
        self.stated, self.n_statements = stated, 0

    def __call__(self, request: Request):
        prompt = request.messages[-1].content
        if request.labels is not None:
            if "Does this text tell" in prompt or prompt.startswith('Can "'):
                return "yes"
            named = re.search(r"Property: .*?(theme\d)", prompt)
            return "yes" if named and f"{named[1]}word" in prompt else "no"
        if "\nLabel (" in prompt:
            self.n_statements += 1
            found = re.search(rf"{self.stated}\d", prompt)
            return found[0] if found else ""
        # Asked for what statements have in common, or for the predicate of a category.
        return f"mentions {found[0]}" if "Property:" in prompt and (found := _last_theme(prompt)) else "theme0"


def _last_theme(prompt):
    found = re.findall(r"theme\d", prompt)
    return found[-1:] or None


def fit(reader, texts, **options):
    return fit_by(ScriptedModel(reader, strong=False), texts, **options)


def fit_by(lm, texts, **options):
    embedder = LexicalEmbedder([*texts, *(f"theme{k} theme{k}" for k in range(_THEMES) for _ in range(2))])
    options = {"goal": "the theme of the text", "embedder": embedder} | options
    return nlparam.fit(Clustering(3), texts, lm=lm, **options)


@pytest.mark.slow
def test_the_fit_follows_the_goal_and_new_texts_are_represented_like_old_ones(tmp_path):
    texts, themes = corpus()
    followed = fit(Reader(), texts, out=tmp_path / "fit", representation=GoalRepresentation(96))
    assert followed.denoter.goal_map is not None
    assert followed.denoter.goal_map.share > 0
    loaded = nlparam.load(tmp_path / "fit", embedder=followed.denoter.embedder)
    np.testing.assert_allclose(loaded.denote(texts[:40]), followed.denote(texts[:40]), atol=1e-6)
    assert "statements under the goal" in (tmp_path / "fit" / "report.html").read_text(encoding="utf-8")
    from sklearn.metrics import adjusted_rand_score

    directions = followed.denoter.features.directions
    plain = fit(Reader(), texts, representation="embedding")
    assert plain.denoter.goal_map is None
    assert directions.shape[1] > plain.denoter.features.directions.shape[1]
    assert adjusted_rand_score(themes, followed.predictions) > adjusted_rand_score(themes, plain.predictions) - 0.05


@pytest.mark.slow
def test_statements_are_stored_and_counted_in_their_own_stage(tmp_path):
    texts, _ = corpus()
    first, again = Reader(), Reader()
    made = fit(first, texts, store=tmp_path / "s.sqlite", representation=GoalRepresentation(48))
    assert made.costs.stages["goal representation"]["proposals_asked"] == 48 + 24  # some are stated in two wordings
    assert made.settings["representation"] == {"n_stated": 48, "n_read": None}
    second = fit(again, texts, store=tmp_path / "s.sqlite", representation=GoalRepresentation(48))
    assert again.n_statements == 0
    np.testing.assert_array_equal(second.denotations, made.denotations)


class Seen(ScriptedModel):
    """A language model that knows the theme of a text by its number alone, and shows its states."""

    states = "made up"

    def __init__(self):
        super().__init__(self.said, strong=False)
        self.n_read = 0

    def said(self, request: Request):
        return Reader()(self.told(request))

    def told(self, request: Request) -> Request:
        """The request with a word of the theme behind the number."""
        turns = (dataclasses.replace(one, content=_number.sub(_themed, one.content)) for one in request.messages)
        return dataclasses.replace(request, messages=tuple(turns))

    async def complete(self, request: Request) -> Completion:
        if not request.state:
            said = await super().complete(request)
            return dataclasses.replace(said, state=self.state_of(request)) if request.with_state else said
        self.n_read += 1
        return Completion("", state=self.state_of(request))

    def state_of(self, request: Request) -> np.ndarray:
        prompt = self.told(request).messages[-1].content
        noise = np.random.default_rng(zlib.crc32(prompt.encode())).normal(size=12)
        theme = int(re.findall(r"theme(\d)word", prompt)[0])
        return (4 * np.eye(12)[theme] + 0.3 * noise).astype(np.float32)


_number = re.compile(r"number(\d+)")


def _themed(found: re.Match) -> str:
    return f"{found[0]} theme{theme_of(int(found[1]))}word0"


def theme_of(number: int) -> int:
    return zlib.crc32(str(number).encode()) % _THEMES


def numbered(n_texts=240):
    """Texts whose theme is that of their number, and what it is."""
    rng = np.random.default_rng(0)
    texts = [" ".join([*(f"word{w}" for w in rng.integers(40, size=12)), f"number{n}"]) for n in range(n_texts)]
    return texts, np.asarray([theme_of(number) for number in range(n_texts)])


def fit_seen(lm, texts, **options):
    return fit_by(lm, texts, inference=False, **options)


@pytest.mark.slow
def test_states_are_read_where_the_language_model_shows_them_and_kept(tmp_path):
    from sklearn.metrics import adjusted_rand_score

    texts, themes = numbered()
    first, again = Seen(), Seen()
    options = {"store": tmp_path / "s.sqlite", "out": tmp_path / "fit", "representation": GoalRepresentation(96, 200)}
    # That the language model knows the themes, and does not guess them, nothing else says.
    with pytest.warns(FitWarning, match="may be guessed"):
        made = fit_seen(first, texts, **options)
    assert first.n_read == 200 - 96  # those of the texts that were stated came with what was said
    assert made.denoter.goal_map is not None
    assert made.denoter.goal_map.share > 0
    assert made.following is not None
    assert made.following.n_states == 200
    page = (tmp_path / "fit" / "report.html").read_text(encoding="utf-8")
    assert "Texts whose state was read" in page
    assert "embeddings and states under the goal" in page
    known = made.predictions >= 0
    assert adjusted_rand_score(themes[known], made.predictions[known]) > 0.5
    with pytest.warns(FitWarning):
        unread = fit_seen(Seen(), texts, representation=GoalRepresentation(96, 0))
    assert adjusted_rand_score(themes, unread.predictions) < 0.3
    with pytest.warns(FitWarning, match="may be guessed"):
        repeated = fit_seen(again, texts, **options, overwrite=True)
    assert again.n_read == 0
    np.testing.assert_array_equal(repeated.denotations, made.denotations)


def test_the_same_states_are_learned_from_once(monkeypatch):
    learned, learn = [], goal_module.learned_goal_map

    def counted(*given, known=None, **options):
        learned.append(0 if known is None else len(known.rows))
        return learn(*given, known=known, **options)

    monkeypatch.setattr(goal_module, "learned_goal_map", counted)
    with pytest.warns(FitWarning, match="may be guessed"):
        fit_seen(Seen(), numbered()[0], representation=GoalRepresentation(96, 96))
    assert learned == [0, 96]


@pytest.mark.slow
def test_states_are_not_read_where_the_embeddings_say_what_was_said():
    texts, _ = corpus()
    lm = Seen()
    lm.told = lambda request: request
    made = fit_seen(lm, texts, representation=GoalRepresentation(96, 200))
    assert made.following is not None
    assert made.following.explained is not None
    assert made.following.explained > 0.35
    assert lm.n_read == 0


def test_states_are_read_of_small_models_under_one_goal_and_no_more_than_may_be_judged():
    representation, one = GoalRepresentation(), read_goal("the tone")
    lm, strong, blind = Seen(), Seen(), ScriptedModel(Reader(), strong=False)
    strong.strong = True
    assert representation.number_read(1000, 900, goal=one, lm=lm) == 600
    assert representation.number_read(1000, 100, goal=one, lm=lm) == 100
    assert representation.number_read(50, None, goal=one, lm=lm) == 50
    assert representation.number_read(1000, 900, goal=one, lm=blind) == 0
    assert representation.number_read(1000, 900, goal=one, lm=strong) == 0
    assert GoalRepresentation(n_read=300).number_read(1000, 100, goal=one, lm=strong) == 300
    several = read_goal("the topic, place or language of the text")
    assert representation.number_read(1000, 900, goal=several, lm=lm) == 0
    assert GoalRepresentation(n_read=0).number_read(1000, 900, goal=one, lm=lm) == 0
    with pytest.raises(ValueError, match="n_read"):
        GoalRepresentation(n_read=-1)


def test_states_of_texts_that_are_stated_take_no_further_call():
    representation = GoalRepresentation()  # 96 texts are stated for few predicates, 24 of them in both wordings
    assert representation.n_calls(4, 1000) == 96 + 24
    assert representation.n_calls(4, 1000, n_states=60) == 96 + 24
    assert representation.n_calls(4, 1000, n_states=600) == 600 + 24


@pytest.mark.slow
def test_reading_leaves_most_of_a_budget_to_what_comes_after_it():
    texts, _ = numbered()
    lm = Seen()
    with pytest.warns(FitWarning) as told:
        fit_seen(lm, texts, budget=nlparam.Budget(max_calls=400))
    assert any("the budget is spent" in str(one.message) for one in told)
    assert 0 < lm.n_read < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "stated"),
    [
        ({}, True),
        ({"goal": DEFAULT_GOAL}, False),
        ({"predicates": ["mentions theme0", "mentions theme1", "mentions theme2"]}, False),
        ({"representation": "embedding"}, False),
        ({"goal": DEFAULT_GOAL, "representation": "goal"}, True),
    ],
)
def test_texts_are_stated_where_there_is_a_goal_and_something_to_propose(options, stated):
    texts, _ = corpus(120)
    made = fit(Reader(), texts, options={"n_rounds": 0}, **options)
    assert ("goal representation" in made.costs.stages) == stated


@pytest.mark.slow
def test_statements_that_are_not_usable_leave_the_embeddings_as_they_are():
    texts, _ = corpus(120)
    listed = ["mentions theme0", "mentions theme1", "mentions theme2"]
    with pytest.warns(FitWarning, match="understood as: the theme of the text. The language model said nothing usable"):
        made = fit(Reader(stated="nothing"), texts, predicates=listed, representation="goal")
    assert made.denoter.goal_map is None


class Rambling(Reader):
    """States one of many things of each text, whatever it says."""

    def __call__(self, request: Request):
        prompt = request.messages[-1].content
        if "\nLabel (" in prompt:
            self.n_statements += 1
            return f"thing{zlib.crc32(prompt.partition('Label')[0].encode()) % 60}"
        return super().__call__(request)


@pytest.mark.slow
def test_where_statements_explain_nothing_more_are_made_and_a_user_is_told():
    texts, _ = corpus(240)
    listed = ["mentions theme0", "mentions theme1", "mentions theme2"]
    options = {"predicates": listed, "representation": "goal", "store": ":memory:"}
    with pytest.warns(FitWarning, match="embeddings explain 0% of the variance"):
        made = fit(Rambling(), texts, **options)
    assert made.costs.stages["goal representation"]["proposals_asked"] == 240 + 24
    assert made.following is not None
    assert made.following.n_stated == 240
    followed = fit(Reader(), texts, **options)
    assert followed.following is not None
    assert followed.following.n_stated == 96


def test_an_estimate_counts_the_statements_and_asks_for_none():
    texts, _ = corpus(120)
    reader = Reader()
    options = {"goal": "the theme of the text", "embedder": LexicalEmbedder(texts), "store": ":memory:"}
    lm = ScriptedModel(reader, strong=False)
    with_goal = nlparam.estimate(Clustering(3), texts, lm=lm, **options)
    without = nlparam.estimate(Clustering(3), texts, lm=lm, representation="embedding", **options)
    assert with_goal.proposals - without.proposals == 96 + 24
    assert reader.n_statements < 40


@pytest.mark.parametrize("given", ["statements", ""])
def test_an_unknown_representation_names_the_choices(given):
    texts, _ = corpus(60)
    with pytest.raises(ValueError, match="expected one of auto, goal, embedding or a GoalRepresentation"):
        fit(Reader(), texts, representation=given)


def test_too_few_statements_are_refused():
    with pytest.raises(ValueError, match="got n_stated=4, expected at least 16"):
        GoalRepresentation(4)
