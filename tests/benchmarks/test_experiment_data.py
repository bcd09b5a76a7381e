"""Data sets of the experiments: those that are there, files of every format, planted tasks, and what is wrong said."""

import collections
import json
import re

import numpy as np
import pytest

from benchmarks.experiments import data
from benchmarks.experiments.data import DataError, load
from benchmarks.experiments.data.labellings import languages
from benchmarks.experiments.data.truth import plain_goal
from benchmarks.goals.corpora import Row, corpus_of
from benchmarks.goals.suite import SuiteError


def truth(dataset) -> np.ndarray:
    assert dataset.reference is not None
    return dataset.reference


@pytest.fixture(autouse=True)
def _nothing_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPARAM_DATA", str(tmp_path / "fetched"))


TOPICS = ("has a topic of food", "has a topic of money", "has a topic of sports")


def _write(folder, rows, **meta):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(json.dumps(meta))
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def _clustering(folder, n_texts=30, **meta):
    names = ("food", "money", "sports")
    rows = [{"text": f"text {i}", "label": names[i % 3]} for i in range(n_texts)]
    given = {"kind": "clustering", "k": 3, "labels": names, "reference_predicates": TOPICS, "goal": None}
    return _write(folder, rows, **(given | meta))


@pytest.fixture
def folder(tmp_path):
    """One set of each task; "both" is a name of two."""
    _clustering(tmp_path / "cluster" / "news", goal="I would like to cluster the texts based on topic.")
    _clustering(tmp_path / "cluster" / "both")
    rows = [{"text": f"text {i}", "time": i, "denotation": [i % 2, 1 - i % 2]} for i in range(20)]
    stated = "Each description should be in the form of 'has a topic/location/language of <something>'."
    meta = {"kind": "time_series", "k": 1, "goal": stated, "source": "somewhere"}
    predicates = ["has a language of X", "has a language of Y"]
    _write(tmp_path / "time_series" / "both", rows, reference_predicates=predicates, **meta)
    rows = [{"text": f"text {i}", "class": "ab"[i % 2]} for i in range(20)]
    _write(tmp_path / "classification" / "pairs", rows, kind="classification", k=None, goal="(A remark) what is odd.")
    return tmp_path


def test_sets_are_found_by_name_and_by_prefix(folder):
    known = ["cluster/both", "news", "pairs", "time_series/both", "bbc", "sotu", "headlines"]
    assert data.names(folder) == known
    assert load("cluster/news", folder=folder).name == load("news", folder=folder).name == "news"
    assert load("time_series/both", folder=folder).task == "time_series"
    for unknown in ("both", "cluster/pairs", "nothing"):
        with pytest.raises(DataError, match=re.escape(f"{unknown!r}, and no file or folder of that name; here are ")):
            load(unknown, folder=folder)


def test_a_clustering_has_its_truth_and_a_goal_in_plain_words(folder):
    found = load("news", folder=folder)
    assert (found.task, found.data, found.k, found.goal) == ("clustering", None, 3, "the topic")
    assert found.reference_predicates == TOPICS
    assert found.exclusive
    assert found.texts[:2] == ["text 0", "text 1"]
    np.testing.assert_array_equal(truth(found).argmax(axis=1), np.arange(30) % 3)


def test_a_series_has_times_and_a_classification_classes(folder):
    series = load("time_series/both", folder=folder)
    assert (series.data, series.k, series.source) == (list(range(20)), 1, "somewhere")
    assert series.goal == "the topic, location or language of the text"
    np.testing.assert_array_equal(truth(series)[:, 0], np.arange(20) % 2 == 1)
    about = load("time_series/both", folder=folder, goal_of="language")
    assert (about.goal, about.name) == ("the language of the text", "time_series/both+language")
    np.testing.assert_array_equal(truth(about), truth(series))
    classes = load("pairs", folder=folder)
    assert (classes.data[:3], classes.k, classes.goal, classes.reference) == (["a", "b", "a"], 2, "what is odd", None)


def test_goal_and_k_may_be_others_and_texts_fewer(folder):
    found = load("news", folder=folder, goal="the mood", k=7, n_texts=12, seed=3)
    assert (found.goal, found.k, len(found.texts)) == ("the mood", 7, 12)
    numbers = [int(text.split()[1]) for text in found.texts]
    assert numbers == sorted(numbers)
    np.testing.assert_array_equal(truth(found).argmax(axis=1), np.asarray(numbers) % 3)
    assert load("news", folder=folder, n_texts=12, seed=3).texts == found.texts
    assert load("news", folder=folder, n_texts=12, seed=4).texts != found.texts
    with pytest.raises(DataError, match="n_texts=31, expected a number from 1 to 30"):
        load("news", folder=folder, n_texts=31)
    with pytest.raises(DataError, match="k=0"):
        load("news", folder=folder, k=0)
    with pytest.raises(DataError, match="goal_of='mood', expected one of topic"):
        load("news", folder=folder, goal_of="mood")


@pytest.mark.parametrize(
    ("stated", "goal"),
    [
        (
            "I guess what is more likely. Each should be in the form of 'has a topic of <something>'.",
            "the topic of the text",
        ),
        (
            "I would like to cluster based on topic; each has a description of 'has a style of <x>'",
            "the style of the text",
        ),
        ("I want to cluster these problems based on the type of skills required.", "the type of skills required"),
        (
            "Some captions. I want to understand what visual features people remember.",
            "what visual features people remember",
        ),
        ("Please cluster the reviews based on whether they praise.", "whether they praise"),
        ("(Source) what makes an argument convincing", "what makes an argument convincing"),
        ("the mood.", "the mood"),
    ],
)
def test_goals_are_phrases(stated, goal):
    assert plain_goal(stated) == goal


def test_a_path_to_a_folder_or_its_texts_is_a_set(folder):
    for path in (folder / "cluster" / "news", folder / "cluster" / "news" / "texts.jsonl"):
        found = load(str(path))
        assert (found.name, found.reference_predicates) == ("news", TOPICS)


BAD = [
    ([], {}, "texts.jsonl holds no texts: it is empty"),
    ([{"text": "a", "label": "x"}], {"labels": ["x", "y"]}, "1 'reference_predicates' for 2 'labels'"),
    ([{"text": "a", "label": "x"}, {"text": "b", "label": "z"}], {}, "line 2: label is 'z': Input should be 'x'"),
    ([{"text": "a", "label": "x"}, {"text": "b"}], {}, "line 2: label is {'text': 'b'}: Field required"),
    ([{"text": "a", "label": "x"}, {"label": "x"}], {}, "line 2: text is .*: Field required"),
    ([{"text": 3, "label": "x"}], {}, "line 1: text is 3: Input should be a valid string"),
    ([{"text": "a"}], {"kind": "time_series"}, "line 1: time is .*: Field required"),
    ([{"text": "a", "class": None}], {"kind": "classification"}, "line 1: class is None: .*it is missing"),
    ([{"text": "a"}], {"kind": "poem"}, "kind is 'poem': Input should be 'clustering'"),
    ([{"text": "a"}], {"k": 0}, "k is 0: Input should be greater than 0"),
    ([{"text": "a", "denotation": [1]}, {"text": "b", "denotation": [1, 0]}], {}, "line 2: .*at most 1 item"),
    ([{"text": "a", "denotation": [2]}], {}, "line 1: denotation.0 is 2: Input should be a valid boolean"),
    ([{"text": "a", "denotation": [1]}], {"reference_predicates": None}, "'reference_predicates' is missing"),
    (["a"], {}, "line 1: 'a': Input should be an object"),
]


@pytest.mark.parametrize(("rows", "meta", "message"), BAD, ids=[message for *_, message in BAD])
def test_what_is_wrong_with_a_set_is_said_with_its_line_and_field(tmp_path, rows, meta, message):
    _write(tmp_path / "bad", rows, **({"kind": "clustering", "labels": ["x"], "reference_predicates": ["is x"]} | meta))
    with pytest.raises(DataError, match=message):
        load(str(tmp_path / "bad"))


def test_files_that_are_no_json_are_errors(tmp_path):
    place = _clustering(tmp_path / "bad")
    (place / "texts.jsonl").write_text('{"text": "a", "label": "food"}\n\n{"text": \n')
    with pytest.raises(DataError, match=r"line 3: .*Invalid JSON"):
        load(str(place))
    (place / "meta.json").write_text("")
    with pytest.raises(DataError, match=r"meta\.json: .*Invalid JSON"):
        load(str(place))
    (place / "meta.json").write_text("[]")
    with pytest.raises(DataError, match="Input should be an object"):
        load(str(place))
    (place / "meta.json").write_bytes(b"\xff")
    with pytest.raises(DataError, match="is not UTF-8"):
        load(str(place))


def _reference(path, **changes):
    content = {
        "texts": ["a", "b", "c", "d"],
        "K": 2,
        "goal": "Each description should be in the form of 'has a topic of <something>'.",
        "reference_phi_denotation": [[1, 0], [0, 1], [1, 0], [0, 1]],
        "reference_phi_predicate_strings": ["has a topic of x", "has a topic of y"],
    }
    path.parent.mkdir(exist_ok=True)
    content = {field: value for field, value in (content | changes).items() if value is not ...}
    path.write_text(json.dumps(content))
    return str(path)


def test_the_format_of_the_reference_repository_is_read(tmp_path):
    found = load(_reference(tmp_path / "cluster" / "some.json", smoothing_prob=1.0))
    assert (found.name, found.task, found.data, found.k) == ("some", "clustering", None, 2)
    assert (found.goal, found.exclusive) == ("the topic of the text", True)
    series = _reference(tmp_path / "some.json", discontinuity_penalty=1.0)
    assert (load(series).task, load(series).data) == ("time_series", [0, 1, 2, 3])
    classes = load(_reference(tmp_path / "some.json", labels=[0, 1, 1, 0], goal=None))
    assert (classes.task, classes.data, classes.goal) == ("classification", [0, 1, 1, 0], "what the text is about")
    bare = {"reference_phi_denotation": ..., "reference_phi_predicate_strings": ..., "K": ...}
    series = load(_reference(tmp_path / "time_series" / "some.json", **bare))
    assert (series.task, series.reference, series.k) == ("time_series", None, 5)
    assert load(_reference(tmp_path / "some.json", **bare), task="time_series").task == "time_series"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"texts": ...}, "texts_by_time is .*: Field required"),
        ({"texts": []}, "texts is .*at least 1 item"),
        ({"texts": "abcd"}, "texts is 'abcd': Input should be a valid list"),
        ({"texts": ["a", None, "c", "d"]}, "texts.1 is None: Input should be a valid string"),
        ({"labels": [0, 1]}, "2 entries in 'labels' for 4 texts"),
        ({"K": "two"}, "K is 'two'"),
        ({"reference_phi_denotation": [[1, 0]]}, "1 entries in 'reference_phi_denotation' for 4 texts"),
        ({"reference_phi_denotation": [[1], [0], [1], [0]]}, "entry 0 of the denotation has 1 values, expected 2"),
        ({"reference_phi_predicate_strings": ...}, "and 'reference_phi_predicate_strings', or neither"),
    ],
)
def test_what_is_wrong_with_a_reference_file_is_said(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        load(_reference(tmp_path / "some.json", **changes))


def test_files_of_the_users_own_become_any_task(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "review,year,kind,mood\nwarm soup,1990,food,glad\nlate train,1991,travel,angry\ncold tea,1992,food,angry\n"
    )
    own = load(str(path), text_field="review", label_field="kind", goal="the subject")
    assert (own.name, own.task, own.k, own.goal) == ("mine", "clustering", 2, "the subject")
    assert own.reference_predicates == ("food", "travel")
    np.testing.assert_array_equal(truth(own), [[1, 0], [0, 1], [1, 0]])
    series = load(str(path), text_field="review", time_field="year")
    assert (series.task, series.data, series.reference) == ("time_series", ["1990", "1991", "1992"], None)
    classes = load(str(path), text_field="review", class_field="mood", label_field=["kind", "mood"])
    assert (classes.task, classes.data) == ("classification", ["glad", "angry", "angry"])
    assert classes.reference_predicates == ("food", "travel", "angry", "glad")
    plain = tmp_path / "list.json"
    plain.write_text('["one", "two"]')
    assert load(str(plain)).texts == ["one", "two"]


def test_what_is_wrong_with_a_users_file_is_said(tmp_path, folder):
    path = tmp_path / "mine.csv"
    path.write_text("text,kind\nwarm soup,food\nlate train,\n")
    with pytest.raises(DataError, match="has no field 'sort'; its fields are 'text', 'kind'"):
        load(str(path), label_field="sort")
    with pytest.raises(DataError, match="'kind' is missing in 1 rows, the first is row 2"):
        load(str(path), label_field="kind")
    with pytest.raises(DataError, match="a time series needs time_field"):
        load(str(path), task="time_series")
    with pytest.raises(DataError, match="task='poem', expected one of clustering"):
        load(str(path), task="poem")
    with pytest.raises(DataError, match="news says itself what its fields are"):
        load("news", folder=folder, label_field="kind")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="it is empty"):
        load(str(tmp_path / "empty.csv"))


def test_a_planted_series_follows_its_curves(tmp_path):
    place = _clustering(tmp_path / "many", n_texts=6000)
    found = load(str(place), series={"n_times": 12, "strength": 1.5, "seed": 5})
    assert (found.name, found.task, found.k) == ("many+series", "time_series", 2)
    assert sorted(found.texts) == sorted(load(str(place)).texts)  # each text once
    times = np.asarray(found.data)
    assert (np.diff(times) >= 0).all()
    # The truth goes with the texts.
    np.testing.assert_array_equal(truth(found).argmax(axis=1), [int(t.split()[1]) % 3 for t in found.texts])
    shares = np.stack([truth(found)[times == t].mean(axis=0) for t in range(12)])
    odds = np.exp(1.5 * np.sin(2 * np.pi * (np.arange(12)[:, None] / 12 + np.arange(3) / 3)))
    np.testing.assert_allclose(shares, odds / odds.sum(axis=1, keepdims=True), atol=0.1)
    assert load(str(place), series={"n_times": 12, "strength": 1.5, "seed": 5}).data == found.data
    assert load(str(place), series=True, seed=1).texts != load(str(place), series=True, seed=2).texts


def test_references_that_overlap_keep_all_their_predicates_in_a_series(tmp_path):
    rows = [{"text": f"text {i}", "denotation": [i % 2, int(i % 3 == 0)]} for i in range(60)]
    place = _write(tmp_path / "some", rows, kind="clustering", reference_predicates=["is odd", "is a multiple"])
    assert load(str(place), series=True).k == 2


def test_conjunctions_make_a_class_of_each_combination(tmp_path):
    path = tmp_path / "mine.csv"
    lines = [f"text {i},{'ab'[i % 2]},{'xyz'[i % 3 if i < 60 else 0]}" for i in range(100)]
    path.write_text("text,kind,mood\n" + "\n".join(lines))
    found = load(str(path), label_field=["kind", "mood"], conjunctions=True)
    assert (found.task, found.k, found.goal) == ("classification", 5, "the kind or mood of the text")
    combinations = [tuple(row) for row in truth(found).astype(int).tolist()]
    assert len(set(zip(found.data, combinations, strict=True))) == len(set(combinations)) == 6 == len(set(found.data))
    counts = [count for _, count in sorted(collections.Counter(found.data).items())]
    assert counts == sorted(counts, reverse=True)  # numbered from the most frequent on
    fewer = load(str(path), label_field=["kind", "mood"], conjunctions={"n_classes": 2})
    assert (set(fewer.data), len(fewer.texts)) == ({0, 1}, counts[0] + counts[1])
    # With one labelling, the classes are its labels.
    labels = load(str(path), label_field="kind", conjunctions=True)
    assert len(set(labels.data)) == len(set(zip(labels.data, truth(labels)[:, 0].tolist(), strict=True))) == 2


def _load_with(option, value, name, folder):
    options: dict = {option: value}
    return load(name, folder=folder, **options)


def test_what_cannot_be_planted_is_said(tmp_path, folder):
    for option in ("series", "conjunctions"):
        with pytest.raises(DataError, match=r"pairs: .* labelled texts, and these have no labels"):
            _load_with(option, True, "pairs", folder)
        with pytest.raises(DataError, match=f"{option} has no option 'speed', expected any of n_"):
            _load_with(option, {"speed": 3}, "news", folder)
    with pytest.raises(DataError, match="n_times=1"):
        load("news", folder=folder, series={"n_times": 1})
    with pytest.raises(DataError, match="n_classes=1"):
        load("news", folder=folder, conjunctions={"n_classes": 1})
    with pytest.raises(DataError, match="one of them: a data set has one task"):
        load("news", folder=folder, series=True, conjunctions=True)
    with pytest.raises(DataError, match="fell on one time"):
        load("news", folder=folder, n_texts=1, series=True)
    one = _write(tmp_path / "one", [{"text": "a", "label": "x"}] * 3, kind="clustering")
    with pytest.raises(DataError, match="one class only"):
        load(str(one), conjunctions=True)


def test_a_goal_of_the_suite_is_a_set_without_the_texts_that_have_no_answer(monkeypatch):
    known = [Row("eine", {"language": "German", "theme": "art"}), Row("two", {"language": None, "theme": "love"})]
    known.append(Row("dos", {"language": "Spanish", "theme": "love"}))
    monkeypatch.setattr(data.files, "load_goal_corpus", lambda name: corpus_of(name, known))
    found = load("goals/cookies-language")
    assert (found.name, found.task, found.k) == ("cookies-language", "clustering", 3)
    assert (found.goal, found.texts) == ("the language of the quotation", ["eine", "dos"])
    assert found.reference_predicates == ("German", "Spanish")
    np.testing.assert_array_equal(truth(found), np.eye(2, dtype=bool))
    with pytest.raises(SuiteError, match="got the goals weather, expected some of manuals-language"):
        load("goals/weather")


def test_a_missing_set_is_named_with_those_there_are(tmp_path):
    assert data.names(tmp_path / "none") == ["bbc", "sotu", "headlines"]
    with pytest.raises(
        DataError, match=r"'agnews' is not here: `python -m .* fetch agnews` .*; here are bbc, sotu, headlines"
    ):
        load("agnews", folder=tmp_path / "none")
    with pytest.raises(DataError, match=r"'nyt' cannot be fetched\. .* LDC .*/fetched/cluster/nyt, in the format"):
        load("nyt", folder=tmp_path)


def test_languages_are_told_by_their_words():
    texts = [
        "The cat is on the table",
        "Die Katze ist auf dem Tisch",
        "Le chat est sur la table",
        "El gato está en la mesa",
    ]
    assert languages(texts) == ["English", "German", "French", "Spanish"]


def test_every_shared_set_loads_with_its_truth(shared_data):
    found = {name: load(name, folder=shared_data) for name in data.names(shared_data) if name not in data.files.CORPORA}
    assert {"agnews", "cluster/dummy", "time_series/dummy", "classification/dummy", "topics"} <= set(found)
    for name, dataset in found.items():
        meta = json.loads((next(shared_data.glob(f"*/{name.split('/')[-1]}")) / "meta.json").read_text())
        assert (dataset.data is None) == (dataset.task == "clustering")
        assert dataset.data is None or len(dataset.data) == len(dataset.texts)
        assert (dataset.reference is None) == (meta["reference_predicates"] is None)
        # What a small model can follow, and nothing of the truth.
        assert len(dataset.goal.split()) <= 12
        assert not any(p in dataset.goal for p in dataset.reference_predicates if len(p) > 1)
    assert collections.Counter(truth(found["agnews"]).sum(axis=0).tolist()) == {516: 2, 504: 1, 512: 1}
    assert found["topics"].goal == found["language"].goal


def test_syngoalex_has_three_goals_of_which_one_is_without_a_truth(shared_data):
    topic, language, style = (
        load("syngoalex_topic", folder=shared_data, goal_of=g) for g in (None, "language", "style")
    )
    assert topic.texts == language.texts == style.texts
    assert (topic.goal, language.goal, style.goal) == tuple(
        f"the {g} of the text" for g in ("topic", "language", "style")
    )
    assert (style.reference, style.k) == (None, 4)
    # The corpus was written with 64 texts for each topic in each language.
    cells = truth(topic).T.astype(int) @ truth(language).astype(int)
    assert np.abs(cells - 64).max() <= 1
    both = load("syngoalex_topic", folder=shared_data, conjunctions=True)
    assert (len(set(both.data)), both.k, both.goal) == (16, 8, "the topic or language of the text")
