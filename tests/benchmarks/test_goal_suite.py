"""The suite of goals: its halves, its scores and its parsers, without a network, its corpora or a language model."""

import hashlib
import json

import numpy as np
import pytest

from benchmarks.goals import formats, scoring
from benchmarks.goals.archive import excerpts
from benchmarks.goals.corpora import Row, cut, sampled
from benchmarks.goals.quotes import asked, exchanges
from benchmarks.goals.running import Settings, run
from benchmarks.goals.speech import passages, topics
from benchmarks.goals.suite import GOALS, SuiteError, chosen, half_of
from nlparam.errors import NlparamError


def test_the_half_of_a_goal_is_computed_from_its_name():
    assert len({goal.name for goal in GOALS}) == len(GOALS)
    for goal in GOALS:
        parity = int(hashlib.sha256(goal.name.encode()).hexdigest(), 16) % 2
        assert goal.half == half_of(goal.name) == ("unseen" if parity else "seen")


def test_halves_and_groups_are_chosen():
    halves = {half: [goal.name for goal in chosen(half)] for half in ("seen", "unseen", "large", "topics")}
    assert min(len(halves["seen"]), len(halves["unseen"])) >= 8
    assert len(halves["seen"]) + len(halves["unseen"]) >= 18
    assert sorted(name for names in halves.values() for name in names) == sorted(goal.name for goal in chosen())
    assert all(15 <= goal.k <= 30 for goal in chosen("large"))
    assert [goal.name for goal in chosen("seen", ["bbc"])] == ["bbc"]
    with pytest.raises(SuiteError, match="expected some of manuals-language"):
        chosen(names=["bcc"])


def test_a_sample_is_balanced_the_same_each_time_and_without_what_occurs_twice():
    rows = [Row(f"the text of number {number} is long", {"axis": "ab"[number % 5 == 0]}) for number in range(50)]
    rows += [Row("one text with two different answers", {"axis": name}) for name in "ab"]
    rows += [rows[0], Row("too short", {"axis": "a"})]
    first, again = (sampled(given, lambda row: row.labels["axis"], 8) for given in (rows, rows[::-1]))
    assert first == again
    assert [sum(row.labels["axis"] == name for row in first) for name in "ab"] == [8, 8]
    assert not any("two different" in row.text or row.text == "too short" for row in first)
    assert cut(" one\ntwo  three four ", 3) == "one\ntwo  three"


def test_scores_of_a_partition_that_follows_one_of_two_axes():
    axes = {"language": [*"eeffeeff", None], "subject": [*"ssssttttt"]}
    assignments = np.array([0, 0, 1, 1, 0, 0, 1, 1, 1])
    assert scoring.followed_axis(assignments, axes) == "language"
    assert scoring.axis_f1(assignments, 2, axes["language"]) == 1
    assert scoring.axis_f1(assignments, 2, axes["subject"]) < 0.6
    assert scoring.information(assignments, axes["subject"]) < 0.1 < scoring.information(assignments, axes["language"])


def test_near_duplicates_are_counted_in_pairs():
    column = np.array([0.0, 0.1, 0.9, 1.0, 0.5])
    columns = np.stack([column, column**2, 1 - column, np.zeros(5), column * 0.9], axis=1)
    assert scoring.near_duplicates(columns) == 3
    assert scoring.near_duplicates(columns[:, 3:]) == 0


def entry(name: str, seed: int = 0, **figures) -> dict:
    goal = next(goal for goal in GOALS if goal.name == name)
    axis = goal.axis if figures.get("followed") else "another"
    common = {
        "group": goal.group,
        "half": goal.half,
        "near_duplicates": 1,
        "judgments": 10,
        "calls": 20,
        "seconds": 3.0,
        "predicates": ["is so"],
    }
    return Settings(lm="made-up").key(goal, seed) | common | {"followed_axis": axis, "followed": None} | figures


def test_the_summary_of_a_made_up_run():
    entries = [
        entry("manuals-language", 0, f1=0.9, kmeans_f1=0.5, followed=True),
        entry("manuals-language", 1, f1=0.7, kmeans_f1=0.5, followed=True),
        entry("manuals-kind", f1=0.3, kmeans_f1=0.4, followed=False),
        entry("documents-kind", f1=0.5, kmeans_f1=0.4),
        entry("sections", f1=0.5, kmeans_f1=0.4),
        entry("reviews-verdict", accuracy=0.7, logistic_accuracy=0.75, largest_class=0.5),
    ]
    found = scoring.summary(entries, chosen())
    assert found["mean_f1"] == pytest.approx((0.8 + 0.3 + 0.5) / 3)
    assert found["unseen_mean_f1"] == pytest.approx((0.3 + 0.5) / 2)
    assert (found["worst_f1"], found["below_kmeans"]) == (0.3, ["manuals-kind"])
    assert (found["language_f1"], found["large_gain"]) == (pytest.approx(0.8), pytest.approx(0.1))
    assert found["goal_followed"] == pytest.approx(2 / 3)
    assert found["accuracy"] == {"reviews-verdict": 0.7}
    assert (found["near_duplicates"], found["busy_slowdown"], found["topics_not_worse"]) == (6, None, None)
    assert [one["goal"] for one in found["goals"]] == [
        "manuals-language",
        "manuals-kind",
        "documents-kind",
        "reviews-verdict",
        "sections",
    ]
    assert len(found["missing"]) == len(GOALS) - 5
    assert scoring.summary([], chosen())["mean_f1"] is None


def test_a_fit_stands_beside_one_that_was_given_its_predicates():
    own, other = entry("films-kind", f1=0.9, kmeans_f1=0.7), entry("chat-subject", f1=0.4, kmeans_f1=0.2)
    known = entry("films-kind", f1=0.8, kmeans_f1=0.7) | {"given": True}
    table = scoring.table([known, own, other])
    assert "With the predicates given, 1 of these fits reach 0.800 in the mean, with their own 0.900" in table
    lines = [line.split(" | ") for line in table.splitlines() if "is so" in line]
    assert [line[4:7] for line in lines] == [["0.400", "", "0.200"], ["0.900", "0.800", "0.700"]]


def test_a_fit_that_says_that_it_may_not_follow_its_goal_is_told_apart():
    following = {"aspect": "the form", "told": 0.1, "answering": 1.0, "explained": 0.5, "n_asked": 12, "n_stated": 96}
    doubted = entry("manuals-kind", f1=0.3, kmeans_f1=0.2, followed=False) | {"followed_axis": "language"}
    doubted |= {"following": following | {"statements": [["a joke", 90]]}}
    table = scoring.table([doubted, entry("chat-subject", f1=0.4, kmeans_f1=0.2)])
    assert "0 of 1 fits of crossed corpora follow the goal; 1 of the others say that they may not." in table
    assert "with a warning: 0.300 (1 fits); without: 0.400 (1 fits)." in table
    lines = [line.split(" | ") for line in table.splitlines() if "is so" in line]
    assert [line[7:9] for line in lines] == [["", ""], ["no, the language", "yes"]]


def test_every_class_of_a_goal_has_a_predicate():
    assert all(len(set(goal.answers)) == len(goal.answers) >= 2 for goal in GOALS)
    assert [goal.name for goal in GOALS if len(goal.answers) != goal.k] == ["reviews-verdict"]


def test_topics_are_not_worse_if_each_reaches_what_was_reached():
    assert scoring.topics_not_worse({"bbc": 0.95, "agnews": 0.85, "syngoalex_topic": 0.93})
    assert scoring.topics_not_worse({"bbc": 0.95, "agnews": 0.85, "syngoalex_topic": 0.92}) is False
    assert scoring.topics_not_worse({"bbc": 0.95}) is None


def test_a_goal_that_is_in_the_file_is_not_fitted_again(tmp_path):
    known = entry("manuals-kind", f1=0.3, kmeans_f1=0.4, followed=False)
    (tmp_path / "out.jsonl").write_text(json.dumps(known) + "\n")
    goals = chosen(names=["manuals-kind"])
    assert list(run(goals, [0], Settings(lm="made-up"), tmp_path / "out.jsonl")) == [known]


def test_fortunes_and_stanzas_are_parsed():
    assert formats.fortunes("One.\n\t-- A\n%\nTwo,\nand 5%\n%%\n") == ["One.\n\t-- A", "Two,\nand 5%"]
    text = "Package: a\nTag: role::program, use::editing,\n use::viewing\n\nPackage: b\nDescription: short\n .\n end"
    first, second = formats.stanzas(text)
    assert formats.tags(first["Tag"]) == {"role": {"program"}, "use": {"editing", "viewing"}}
    assert second["Package"] == "b"
    assert formats.described(second["Description"]) == "short\n\nend"


def test_catalogues_are_parsed():
    catalogue = """
msgid ""
msgstr "Language: de\\n"

#: a.py:1
msgid "Save"
msgstr "Sichern"

#, fuzzy
msgid "Open"
msgstr "Offen"

msgid ""
"Say "
"\\"no\\""
msgstr ""
"Sag "
"\\"nein\\""

msgid "one file"
msgid_plural "%d files"
msgstr[0] "eine Datei"
msgstr[1] "%d Dateien"

msgid "Left"
msgstr ""

#~ msgid "Old"
#~ msgstr "Alt"
"""
    assert list(formats.translations(catalogue)) == [
        ("Save", "Sichern"),
        ('Say "no"', 'Sag "nein"'),
        ("one file", "eine Datei"),
    ]


def test_manual_pages_are_read():
    source = (
        '.\\" nothing\n.TH LS 1 "May 2024" "GNU" "User Commands"\n.SH NAME\nls \\- \\fBlist\\fP\n.PP\n.BR cat (1)\n'
    )
    assert formats.manual_page(source) == "LS(1) User Commands\n\nNAME\n\nls - list\ncat (1)"


def test_installation_dialogues_are_parsed(tmp_path):
    path = tmp_path / "templates"
    path.write_text(
        "Template: a/b\nType: boolean\nDescription: Go on?\nDescription-de.UTF-8: Weiter?\n Es\n .\n geht.\n"
    )
    assert list(asked(path)) == [
        Row("Weiter?\nEs\ngeht.", {"language": "German", "form": "yes/no question"}),
    ]
    assert list(asked(tmp_path / "none")) == []


def test_exchanges_passages_and_excerpts_are_parsed(tmp_path):
    path = tmp_path / "food.yml"
    path.write_text("categories:\n- food\nconversations:\n- - Do you eat?\n  - No.\n")
    assert exchanges(path) == [["Do you eat?", "No."]]
    assert list(passages("One two. Three four! Five.", 3)) == ["One two. Three four!", "Five."]
    body = "\n".join(f"value_{number} = {number}" for number in range(60))
    found = excerpts(f"# A licence\n# of two lines\n{body}\n")
    assert [len(excerpt.splitlines()) for excerpt in found] == [24, 24]
    assert found[0].startswith("value_0")


def test_sets_of_topics_are_those_of_the_experiments(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPARAM_DATA", str(tmp_path))
    folder = tmp_path / "cluster" / "two_topics"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"kind": "clustering"}')
    (folder / "texts.jsonl").write_text('{"text": "soup", "label": "food"}\n{"text": "rent", "label": "money"}\n')
    found = topics("two_topics")
    assert (found.name, found.texts, found.axes) == ("two_topics", ["soup", "rent"], {"topic": ["food", "money"]})
    with pytest.raises(NlparamError, match="unknown data set 'three_topics'"):
        topics("three_topics")
