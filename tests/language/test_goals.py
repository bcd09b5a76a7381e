"""Goals as people write them, and whether they are followed."""

import json
import re

import numpy as np
import pytest

import nlparam
from nlparam.denotation.following import GoalFollowing, GoalReader
from nlparam.denotation.judge import AbstractJudge
from nlparam.errors import FitWarning, GoalError
from nlparam.language.goals import read_goal, with_examples
from nlparam.language.statements import Stater, information, statement_of
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.models import Clustering
from nlparam.results.jsonable import from_json, jsonable
from nlparam.runtime.costs import Costs
from tests.helpers.oracle import LexicalEmbedder


@pytest.mark.parametrize(
    ("text", "aspect"),
    [
        ("the language it is written in", "the language it is written in"),
        (" the\tlanguage\n it is written in. ", "the language it is written in"),
        ("who is speaking?", "who is speaking?"),
        ("group by tone", "tone"),
        ("Please cluster the reviews according to what the reviewer thinks.", "what the reviewer thinks"),
        ("I would like to cluster them based on the topics it discusses; each cluster ...", "the topics it discusses"),
        ("Sort them by who wrote it. Each description should be short.", "who wrote it"),
        ("der Ton des Textes", "der Ton des Textes"),
        ("the tone, no matter what they are about", "the tone"),
        ("group by language (regardless of the topic)", "language"),
        ("the form of the text, whatever the language", "the form of the text"),
        ("whatever the speaker regrets", "whatever the speaker regrets"),
    ],
)
def test_a_noun_phrase_a_question_an_instruction_and_a_long_goal_name_one_aspect(text, aspect):
    goal = read_goal(text)
    assert (goal.aspect, goal.examples, goal.names_several) == (aspect, (), ())


@pytest.mark.parametrize(
    ("text", "aspect", "examples"),
    [
        ("the form (poem, song, riddle)", "the form", ("poem", "song", "riddle")),
        ("the form, such as poem, song or riddle", "the form", ("poem", "song", "riddle")),
        ("the form, e.g. poem, song, etc.", "the form", ("poem", "song")),
        ("the form, like a joke, an ode or a recipe", "the form", ("joke", "ode", "recipe")),
        (
            "group by tone: praise, complaint, or neither",
            "tone",
            ("praise", "complaint", "neither praise nor complaint"),
        ),
        ("the form (poem, song, riddle, none of these)", "the form", ("poem", "song", "riddle")),
        ("what to do: for instance answer yes or no, or choose", "what to do", ("answer yes or no", "choose")),
        ("Topic: the policy of the bill", "Topic: the policy of the bill", ()),
        ("what kind of thing (a person) it is", "what kind of thing (a person) it is", ()),
    ],
)
def test_examples_of_answers_may_stand_behind_a_goal(text, aspect, examples):
    goal = read_goal(text)
    assert (goal.aspect, goal.examples) == (aspect, examples)
    assert all(example in goal.asked for example in examples)


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("group by tone: praise, complaint, or neither", True),
        ("type: spam / no spam", True),
        ("the verdict: like, dislike, other", False),
        ("the tone: angry, calm, ...", False),
        ("the tone: angry, calm, etc.", False),
        ("the tone: for instance angry or calm", False),
        ("the form (poem, song, riddle)", False),
        ("the form", False),
    ],
)
def test_a_goal_may_list_all_of_its_answers(text, complete):
    assert read_goal(text).complete == complete


@pytest.mark.parametrize("goal", ["the form", "who is speaking?", "group by tone."])
@pytest.mark.parametrize("examples", [("poem",), ("poem", "a long song", "riddle")])
def test_given_examples_are_found_again(goal, examples):
    read = read_goal(with_examples(goal, examples))
    assert read.examples == examples
    assert read.aspect == read_goal(goal).aspect


def test_a_long_goal_that_says_what_an_answer_is_is_about_that():
    goal = read_goal("Sort what they hold. Each should be 'holds <something>', where <something> is the kind of thing.")
    assert (goal.aspect, goal.lead) == ("the kind of thing", "holds")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "the topic, place or language of the text",
            ["the topic of the text", "the place of the text", "the language of the text"],
        ),
        ("the topic/language of the text", ["the topic of the text", "the language of the text"]),
        ("group by the form and tone of the poem", ["the form of the poem", "the tone of the poem"]),
        (
            "I want to know more. It should be in the form of 'has a topic/language of <something>'.",
            ["the topic of the text", "the language of the text"],
        ),
        ("the country or place it is about", ["the country or place it is about"]),
        ("the price, speed, taste and size of the meal", ["the price, speed, taste and size of the meal"]),
        ("the love of country and freedom", ["the love of country and freedom"]),
    ],
)
def test_a_goal_may_have_two_or_three_parts(text, parts):
    goal = read_goal(text)
    assert [part.aspect for part in goal.parts] == parts
    assert goal.lead is None


def test_every_text_is_asked_about_one_part_of_the_goal():
    def answer(request):
        return "french" if "the language of the text" in request.messages[0].content else "sports"

    stater = Stater(Engine(ScriptedModel(answer, strong=False), store=Store(":memory:"), costs=Costs()))
    texts = [f"text {n}" for n in range(40)]
    said = stater.state(texts, goal="the topic or language of the text")
    assert 10 < said.count("french") < 30
    assert stater.state(texts, goal="the topic or language of the text") == said
    assert {one: part.aspect for one, part in stater.parts.items()} == {
        "french": "the language of the text",
        "sports": "the topic of the text",
    }


def test_states_come_with_what_is_said_only_where_they_are_read_afterwards():
    asked = []

    def answer(request):
        asked.append(request.with_state)
        return "sports"

    engine = Engine(ScriptedModel(answer, strong=False), store=Store(":memory:"), costs=Costs())
    Stater(engine).state(["one"], goal="the topic")
    Stater(engine, with_states=True).state(["two"], goal="the topic")
    assert asked == [False, True]


def test_a_goal_says_how_predicates_begin():
    goal = "cluster the texts by topic; each description should be like 'has a topic of <something>'"
    assert read_goal(goal).lead == "has a topic of"
    assert read_goal("the topic").lead is None


@pytest.mark.parametrize("text", ["topic, tone, style, language, author", "- topic\n- tone\n- style\n- author"])
def test_a_list_of_many_things_is_no_single_aspect(text):
    assert len(read_goal(text).names_several) >= 4


@pytest.mark.parametrize("text", ["", "  \n", "?!", '""'])
def test_a_goal_without_words_is_refused(text):
    with pytest.raises(GoalError, match="expected what the predicates are to be about"):
        read_goal(text)


@pytest.mark.parametrize("example", ["", "...", "red, green"])
def test_an_example_is_a_few_words(example):
    with pytest.raises(GoalError, match="expected a few words without commas"):
        with_examples("the colour", [example])


@pytest.mark.parametrize(
    ("answer", "statement"),
    [
        ("It is written in Spanish.", "spanish"),
        ("Spanish", "spanish"),
        ("The text is about politics", "politics"),
        ("The text is data.", None),
        ("The text is speaking.", None),
        ("Label: politics", "politics"),
        ("She", None),
        ("I'm speaking", None),
        ("We are", None),
        ("Weare", "weare"),
        ("The text is not about the colour of the car", None),
        ("Unknown", None),
        ("UK", "UK"),
        ("isolation", "isolation"),
        ("notable events", "notable events"),
        ("", None),
        ("Is it advertising", "advertising"),
        ("do people talk to each other", "people talk to each other"),
        ("does it tell the story", "tell the story"),
        ("do-it-yourself", "do-it-yourself"),
    ],
)
def test_a_statement_is_an_answer_without_the_sentence_around_it(answer, statement):
    assert statement_of(answer) == statement


@pytest.mark.parametrize(
    ("goal", "answer", "statement"),
    [
        ("who is speaking?", "Speaker", None),
        ("who is speaking?", "the main speaker", "the main speaker"),
        ("the language it is written in", "Language", None),
        ("does it tell the story or judge the film?", "Judges", "judges"),
        ("whether the critic likes the film", "likes", "likes"),
        ("the kind of question (for example a question of fact, a question of taste)", "question", "question"),
        ("the form", "form", None),
        ("the form", "The form", None),
        ("the form or tone of the text", "tone", None),
        ("the form", "formula", "formula"),
    ],
)
def test_a_word_of_the_goal_is_no_answer_to_it(goal, answer, statement):
    lm = ScriptedModel(lambda _: answer, strong=False)
    stater = Stater(Engine(lm, store=Store(":memory:"), costs=Costs()))
    assert stater.state(["a text"], goal=goal) == [statement]


def test_statements_inform_where_they_sort_texts_into_a_few_groups():
    halves = information(["a", "b"] * 6, 2)
    assert halves == pytest.approx(np.log(2))
    assert information(["a"] * 12, 2) == 0.0
    assert information([str(n) for n in range(12)], 2) < halves
    assert information(["a", "b", None, None] * 3, 2) == pytest.approx(np.log(4) / 2)
    assert information([None], 2) == 0.0


class _Lookup(AbstractJudge):
    identity = "lookup"

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def judge(self, texts, predicates, pairs):
        self.asked += [predicates[p] for _, p in pairs.tolist()]
        return np.asarray([self.answers.get(texts[t], np.nan) for t, _ in pairs.tolist()])


def test_a_goal_reader_asks_each_statement_once_and_leaves_out_what_was_not_answered():
    answers = _Lookup({"german": 0.9, "sports": 0.2})
    reader = GoalReader(_Lookup({"a": 0.7}), answers)
    goal = read_goal("which language is it?")
    assert reader.answering(["german", "sports", "german", "odd"], goal) == {"german": 0.9, "sports": 0.2}
    assert answers.asked == ["which language is it"] * 3
    more = ["odd", "german", "sports", "german"]
    assert reader.answering(more, goal, known={"german": 0.9}, most=2) == {"sports": 0.2}
    assert reader.answering(more, goal, most=-1) == {}
    assert answers.asked == ["which language is it"] * 5
    np.testing.assert_array_equal(reader.told(["a", "b"], goal), [0.7, np.nan])


def following(**changes):
    counted = (("german", 30), ("french", 20))
    values = {"aspect": "the language", "told": 0.9, "answering": 0.95, "explained": 0.4, "n_asked": 12, "n_read": 20}
    return GoalFollowing(**(values | {"n_stated": 50, "statements": counted} | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"told": 0.03}, "finds it in 3% of 12 texts"),
        ({"answering": 0.2}, 'Only 20% of what was said .*"german" 30 times'),
        ({"statements": (("informal", 49), ("formal", 1))}, 'nearly the same of all texts \\("informal" 49 times'),
        ({"statements": ()}, "nothing usable"),
        ({"n_unstated": 51}, 'of only 50 of 101 texts \\("german" 30 times'),
        ({"explained": 0.01, "n_stated": 96}, "embeddings explain 1% of the variance"),
    ],
)
def test_a_goal_that_is_not_followed_is_said_with_what_was_understood_and_what_helps(changes, said):
    assert list(following().warnings()) == []
    assert list(following(explained=0.01).warnings()) == []  # so few statements cannot tell
    assert list(following(n_unstated=50).warnings()) == []
    (warning,) = following(**changes).warnings()
    assert warning.startswith("the goal was understood as: the language.")
    assert re.search(said, warning)


def test_texts_of_which_nothing_usable_was_said_are_counted_apart_from_what_answers_nothing():
    found = following().with_statements(["german", None, "french", "german"], {"french": 0.1})
    assert (found.n_stated, found.n_unstated, found.answering) == (3, 1, 2 / 3)
    assert found.statements == (("german", 2), ("french", 1))


def test_what_a_folder_keeps_of_it_is_read_back():
    kept = following(told=None, explained=-0.25)
    assert from_json(GoalFollowing, json.loads(json.dumps(jsonable(kept)))) == kept


def script(request):
    """States what no text says, and says no to every question."""
    prompt = request.messages[-1].content
    if request.labels is not None:
        return "yes" if "Property:" in prompt and "word1" in prompt else "no"
    return "red" if "\nLabel (" in prompt else "is about words"


@pytest.mark.slow
def test_a_goal_that_has_nothing_to_do_with_the_texts_is_followed_with_a_warning():
    texts = [f"word{n % 3} word{n % 3} number{n}" for n in range(60)]
    lm = ScriptedModel(script, strong=False)
    not_told = pytest.warns(FitWarning, match="understood as: the colour of the car. The texts say little of it")
    with not_told, pytest.warns(FitWarning, match="1 of the 2 predicates"):
        fit = nlparam.fit(
            Clustering(2), texts, goal="the colour of the car", lm=lm, embedder=LexicalEmbedder(texts), store=":memory:"
        )
    assert fit.following is not None
    assert fit.following.told == 0.0
    assert fit.following.statements == (("red", 60),)
