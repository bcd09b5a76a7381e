"""What a fit lets one say: the split, the random sample, intervals, labels of people, nothing found."""

import csv
import warnings

import numpy as np
import pytest

import nlparam
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError, FitWarning
from nlparam.fitting.inference import infer
from nlparam.fitting.result import Fit
from nlparam.lm.scripted import ScriptedModel
from nlparam.models import Classification, Clustering
from tests.helpers.cli_corpus import run
from tests.helpers.handmade_fit import make_fit
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

N_TEXTS = 400


@pytest.fixture(scope="module")
def corpus():
    texts, labels = topics(N_TEXTS, 3)
    return texts, labels, LexicalEmbedder(texts)


def fit(corpus, model, data=None, **options):
    texts, labels, embedder = corpus
    oracle = Oracle(texts, labels, distractors=1)
    asked = {"n_rounds": 0, "max_judgments": 400, "correct_bias": False} | options.pop("options", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return nlparam.fit(
            model,
            texts,
            data,
            lm=oracle.model(strong=False),
            predicates=oracle.predicates,
            embedder=embedder,
            store=":memory:",
            options=asked,
            **options,
        )


@pytest.fixture(scope="module")
def classified(corpus):
    return fit(corpus, Classification(2, n_classes=3), corpus[1], inference=80)


def test_the_sample_is_random_among_the_texts_held_out(classified):
    sample = classified.sample
    assert sample.split
    assert sample.eligible.sum() == pytest.approx(N_TEXTS / 2, abs=2)
    assert sample.drawn.sum() == 80
    assert not (sample.drawn & ~sample.eligible).any()
    assert np.unique(sample.inclusion[sample.eligible]).tolist() == [80 / sample.eligible.sum()]
    assert np.isfinite(sample.judged[sample.drawn]).all()


def test_the_search_saw_none_of_the_texts_held_out(classified):
    at_random = [judgment for judgment in classified.judgments if judgment.inclusion is not None]
    chosen_by = [judgment for judgment in classified.judgments if judgment.inclusion is None]
    assert {judgment.text for judgment in at_random} == set(np.flatnonzero(classified.sample.drawn).tolist())
    assert not classified.sample.eligible[[judgment.text for judgment in chosen_by]].any()


def test_every_class_has_its_part_of_the_sample(corpus, classified):
    labels = np.asarray(corpus[1])
    for label in np.unique(labels):
        drawn = np.mean(labels[classified.sample.drawn] == label)
        assert drawn == pytest.approx(np.mean(labels[classified.sample.eligible] == label), abs=0.02)


def test_what_holds_is_found_in_the_intervals(corpus, classified):
    inference, labels = classified.inferred, np.asarray(corpus[1])
    assert (inference.target, inference.n_answers) == ("judge", 80)
    share = inference.quantities["share"]
    for number, predicate in enumerate(classified.predicates):
        true = np.mean([predicate == f"has the label {label}" for label in labels[classified.sample.eligible]])
        assert share.low[number] - 0.02 <= true <= share.high[number] + 0.02
    assert inference.chance <= 0.01
    accuracy = inference.scores[0]
    assert accuracy.low > accuracy.baseline
    coefficient = inference.quantities["coefficient"]
    assert coefficient.values.shape == (3, 2)
    assert (coefficient.low < coefficient.values).all()


def test_a_language_model_that_never_says_yes_makes_no_share(corpus):
    """It gives a yes a chance of one in eight, whatever the text."""
    texts, labels, embedder = corpus
    oracle = Oracle(texts, labels, distractors=0)

    def answer(request):
        said = oracle.answer(request)
        never = oracle.asked[-1][0] == "has the label topic 2"
        return {"yes": 0.125, "no": 0.875} if never else said

    found = nlparam.fit(
        Clustering(2),
        texts,
        lm=ScriptedModel(answer, strong=False),
        predicates=oracle.gold,
        embedder=embedder,
        locked=["has the label topic 2"],
        store=":memory:",
        options={"n_rounds": 0, "max_judgments": 400},
        inference=80,
    )
    assert found.inferred is not None
    share = found.inferred.quantities["share"]
    never = found.predicates.index("has the label topic 2")
    assert share.values[never] == share.low[never] == 0
    assert 0 < share.high[never] < 0.05
    assert share.low[1 - never] < 1 / 3 < share.high[1 - never]


@pytest.mark.parametrize("cascade", [False, True])
def test_a_predicate_that_embeddings_do_not_show_is_named_with_what_helps(corpus, tmp_path, cascade):
    texts, labels, embedder = corpus
    oracle = Oracle(texts, labels, distractors=1)
    oracle.table["has an odd number"] = dict.fromkeys(
        oracle.table["has the label topic 0"] | dict.fromkeys(labels), 0.5
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        found = nlparam.fit(
            Clustering(2),
            texts,
            lm=oracle.model(strong=False),
            predicates=oracle.gold,
            embedder=embedder,
            locked=["has an odd number"],
            store=":memory:",
            options={"n_rounds": 0, "max_judgments": 400},
            judge=nlparam.Cascade() if cascade else None,
        )
    said = [str(one.message) for one in caught if "can hardly tell" in str(one.message)]
    assert len(said) == (0 if cascade else 1)
    assert all("for which texts it holds: 'has an odd number'. On" in one and "(--cascade" in one for one in said)
    assert ("The head can hardly tell" in found.report(tmp_path / "report.html").read_text("utf-8")) is not cascade


def test_of_random_labels_nothing_is_found(corpus):
    rng = np.random.default_rng(6)
    texts, labels, embedder = corpus
    oracle = Oracle(texts, labels, distractors=1)
    with pytest.warns(FitWarning, match="nothing found: on 200 texts that did not choose them"):
        found = nlparam.fit(
            Classification(2, n_classes=2),
            texts,
            rng.integers(2, size=N_TEXTS).tolist(),
            lm=oracle.model(strong=False),
            predicates=oracle.predicates,
            embedder=embedder,
            store=":memory:",
            options={"n_rounds": 0, "max_judgments": 400},
        )
    assert (found.inference().chance or 0.0) > 0.05


def test_a_saved_fit_says_the_same(corpus, classified, tmp_path):
    classified.save(tmp_path / "fit")
    loaded = Fit.load(tmp_path / "fit", embedder=corpus[2])
    assert loaded.inference().as_dict() == classified.inference().as_dict()
    again = loaded.inference(confidence=0.8)
    assert (again.quantities["share"].high <= loaded.inference().quantities["share"].high).all()


def test_without_answers_nothing_is_left_out_in_turn():
    with pytest.raises(CorpusError, match="has no random sample"):
        infer(make_fit(), in_turn=lambda: pytest.fail("predicates are chosen anew for nothing"))


def test_a_corpus_too_small_to_divide_is_left_out_in_turn(tmp_path):
    texts, labels = topics(120, 3, seed=1)
    made = fit((texts, labels, LexicalEmbedder(texts)), Classification(2, n_classes=3), labels)
    assert made.sample is not None
    assert made.inferred is not None
    assert not made.sample.split
    (score,) = made.inferred.scores
    assert score.low > score.baseline
    assert any("left out in turn" in note for note in made.inferred.notes)
    assert made.inference().as_dict() == made.inferred.as_dict()
    assert made.inference(confidence=0.5).scores == ()
    made.report(tmp_path / "report.html")
    assert "Accuracy on texts left out of the choice in turn" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_without_a_sample_there_is_nothing_to_say(corpus):
    found = fit(corpus, Clustering(2), inference=False)
    assert found.inferred is None
    with pytest.raises(CorpusError, match="inference=True"):
        found.inference()


def test_a_round_takes_at_most_its_share_of_what_was_asked(corpus):
    found = fit(corpus, Clustering(3))
    round_asked = found.costs.stages["inference"].get("judgments_asked", 0)
    assert 0 < round_asked <= 0.3 * (found.costs.judgments_asked - round_asked)


@pytest.fixture(scope="module")
def clustered(corpus):
    return fit(corpus, Clustering(3), inference=100)


def _labels(corpus, predicates, rows, *, who="ann"):
    texts, labels, _ = corpus
    return Labelled.of(
        (texts[row], predicate, float(predicate == f"has the label {labels[row]}"), who)
        for row in rows
        for predicate in predicates
    )


def test_labels_of_people_are_a_target_of_their_own(corpus, clustered):
    labels = _labels(corpus, clustered.predicates, range(0, N_TEXTS, 3))
    inference = clustered.inference("people", labels=labels)
    assert (inference.target, inference.n_answers) == ("people", 134)
    true = [np.mean([p == f"has the label {label}" for label in corpus[1]]) for p in clustered.predicates]
    share = inference.quantities["share"]
    assert ((share.low <= true) & (true <= share.high)).all()
    assert "people would say" in inference.basis


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target": "nobody"}, ValueError, "got target='nobody'"),
        ({"target": "people"}, ValueError, "got no labels for the target 'people'"),
        ({"target": "judge", "labels": Labelled.of([])}, ValueError, "got labels for the target 'judge'"),
        ({"confidence": 1.0}, ValueError, "got confidence=1.0"),
    ],
)
def test_wrong_arguments_are_refused(clustered, arguments, error, message):
    with pytest.raises(error, match=message):
        clustered.inference(**arguments)


def test_labels_that_say_too_little_are_refused(corpus, clustered):
    few = _labels(corpus, clustered.predicates, range(20))
    with pytest.raises(CorpusError, match=r"has 20 labels .* expected at least 30"):
        clustered.inference("people", labels=few)
    one = _labels(corpus, clustered.predicates[:1], range(100))
    with pytest.raises(CorpusError, match="no label is of"):
        clustered.inference("people", labels=one)


def test_labels_that_all_say_yes_are_remarked_upon(corpus, clustered):
    texts = corpus[0]
    labels = Labelled.of((texts[row], p, 1.0) for row in range(100) for p in clustered.predicates)
    notes = clustered.inference("people", labels=labels).notes
    assert any("all 100 labels say yes" in note for note in notes)


def test_people_who_differ_are_compared(corpus, clustered):
    rows = range(100)
    first, second = (_labels(corpus, clustered.predicates, rows, who=who) for who in ("ann", "bob"))
    both = Labelled(
        first.texts + second.texts,
        first.predicates + second.predicates,
        first.labels + tuple(1.0 - label if n % 10 == 0 else label for n, label in enumerate(second.labels)),
        first.who + second.who,
    )
    notes = clustered.inference("people", labels=both).notes
    assert sum("People agree on" in note for note in notes) == 3


def test_texts_of_a_cluster_widen_the_intervals(corpus):
    same = [f"{label}-{number % 4}" for number, label in enumerate(corpus[1])]  # twelve clusters, each of one topic
    alone, together = (fit(corpus, Clustering(3), inference=100, clusters=clusters) for clusters in (None, same))
    assert together.inference().n_clusters == 12
    width = [
        found.inference().quantities["share"].high - found.inference().quantities["share"].low
        for found in (alone, together)
    ]
    assert (width[1] > 1.5 * width[0]).all()


def test_rows_to_label_are_random_texts_that_the_judge_has_answered(clustered):
    rows = clustered.to_label(40)
    assert len(rows) == 40 * 3
    drawn = {clustered.texts[row] for row in np.flatnonzero(clustered.sample.drawn)}
    assert {row["text"] for row in rows} <= drawn
    assert rows == clustered.to_label(40)
    assert len({row["text"] for row in clustered.to_label(150)}) == 150


def test_a_narrower_interval_needs_more_answers(clustered):
    wide, narrow = (clustered.answers_needed(width).n_answers for width in (0.1, 0.03))
    assert (narrow >= wide).all()


def test_the_command_writes_a_table_reads_the_labels_and_shows_them_in_the_report(
    clustered, tmp_path, monkeypatch, corpus
):
    monkeypatch.setattr("nlparam.fitting.folder.SentenceTransformerEmbedder", lambda _: corpus[2])
    folder, table = tmp_path / "fit", tmp_path / "labels.csv"
    clustered.save(folder)
    assert run("infer", folder, "--to-label", table, "--n-texts", 60).exit_code == 0
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 180
    label_of = dict(zip(corpus[0], corpus[1], strict=True))
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["text", "predicate", "label"])
        writer.writeheader()
        writer.writerows(
            row | {"label": "yes" if row["predicate"] == f"has the label {label_of[row['text']]}" else "no"}
            for row in rows
        )
    result = run("infer", folder, "--labels", table, "--half-width", 0.05)
    assert result.exit_code == 0, result.output
    assert "90% intervals for what people would say, from answers to 60 of 400 texts" in result.stdout
    assert "needed:  " in result.stdout
    assert "what people would say" in (folder / "report.html").read_text(encoding="utf-8")
    assert run("infer", folder, "--to-label", table).exit_code == 1  # what is labelled is not overwritten
