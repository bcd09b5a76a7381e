"""`nlparam.fit` as a user calls it: results, saving, reuse of the store, bad input."""

import json

import numpy as np
import polars
import pytest

import nlparam
from nlparam.errors import CorpusError, FitWarning, LanguageModelError, ResultFolderError, StoreError
from nlparam.language.embed import model_of
from nlparam.language.propose import Listed
from nlparam.lm.base import Request
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.models import Classification, Clustering
from nlparam.results.folder import LOCK
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics


@pytest.fixture(scope="module")
def corpus():
    texts, labels = topics(160, 2)
    return texts, labels, LexicalEmbedder(texts)


def fit(corpus, oracle=None, **options):
    texts, labels, embedder = corpus
    oracle = oracle or Oracle(texts, labels, distractors=2)
    return nlparam.fit(
        Clustering(2),
        options.pop("texts", texts),
        lm=options.pop("lm", None) or oracle.model(),
        predicates=options.pop("predicates", oracle.predicates),
        embedder=embedder,
        **options,
    )


@pytest.fixture(scope="module")
def made(corpus):
    """The plain fit, for tests that only look at it."""
    return fit(corpus, store=":memory:")


@pytest.mark.slow
def test_attributes_are_aligned(made):
    assert made.denotations.shape == (160, 2)
    assert made.assignments.shape == (160,)
    assert len(made.predicates) == len(made.agreement) == 2
    assert made.denotations.min() >= 0
    assert made.denotations.max() <= 1
    assert made.trace[0].step == "relaxation"
    np.testing.assert_allclose(made.loss, made.trace[-1].loss, rtol=1e-5)


def test_a_fit_wants_its_embedder_in_whatever_precision():
    assert model_of("minilm, bfloat16") == model_of("minilm, float32")
    assert model_of("my model, revision 1") != model_of("my model, revision 2")


def test_the_store_is_closed_if_the_engine_cannot_start(corpus, tmp_path, monkeypatch):
    opened = []

    class Kept(Store):
        def __init__(self, path):
            super().__init__(path)
            opened.append(self)

    def fails(*arguments, **options):
        del arguments, options
        raise LanguageModelError("no engine")

    monkeypatch.setattr("nlparam.denotation.session.Store", Kept)
    monkeypatch.setattr("nlparam.denotation.session.Engine", fails)
    with pytest.raises(LanguageModelError, match="no engine"):
        fit(corpus, store=tmp_path / "store.sqlite")
    with pytest.raises(StoreError, match="closed"):
        opened[0].counts()


@pytest.mark.slow
def test_a_generator_of_new_texts_is_read_once(made):
    texts = made.texts[:5]
    np.testing.assert_array_equal(made.predict(text for text in texts), made.predict(texts))


@pytest.mark.slow
def test_the_same_fit_again_asks_and_embeds_nothing(corpus, tmp_path):
    texts, labels, _ = corpus
    embedder = LexicalEmbedder(texts)
    oracle = Oracle(texts, labels, distractors=2)
    again = (texts, labels, embedder)
    first = fit(again, oracle, store=tmp_path / "s.sqlite", out=tmp_path / "out", seed=3)
    asked, embedded = len(oracle.asked), embedder.computed
    second = fit(again, oracle, store=tmp_path / "s.sqlite", out=tmp_path / "out", seed=3)
    assert (len(oracle.asked), embedder.computed) == (asked, embedded)
    assert second.costs.calls == 0
    assert second.costs.judgments_served == first.costs.judgments_asked
    assert second.predicates == first.predicates
    np.testing.assert_array_equal(second.denotations, first.denotations)


@pytest.mark.slow
def test_save_and_load_round_trip(made, tmp_path):
    made.save(tmp_path / "fit")
    loaded = nlparam.load(tmp_path / "fit")
    for name in (
        "predicates",
        "loss",
        "result",
        "settings",
        "versions",
        "agreement",
        "judgments",
        "trace",
        "candidates",
    ):
        assert getattr(loaded, name) == getattr(made, name), name
    assert loaded.costs.as_dict() == made.costs.as_dict()
    assert loaded.texts == made.texts
    assert loaded.model == made.model
    np.testing.assert_array_equal(loaded.denotations, made.denotations)
    np.testing.assert_array_equal(loaded.assignments, made.assignments)
    np.testing.assert_array_equal(loaded.weights.choice, made.weights.choice)
    kinds = {path.suffix for path in (tmp_path / "fit").iterdir() if path.name != LOCK}
    assert kinds == {".json", ".safetensors", ".parquet"}
    contents = json.loads((tmp_path / "fit" / "fit.json").read_text())
    assert contents["costs"]["judgments_asked"] == made.costs.judgments_asked
    assert contents["settings"]["seed"] == 0


@pytest.mark.slow
def test_predict_on_new_texts(made):
    fresh, labels = topics(60, 2, seed=9)
    predicted = made.predict([*fresh, "  "])
    named = np.asarray([predicate.removeprefix("has the label ") for predicate in made.predicates])
    assert np.mean(named[predicted[:-1]] == np.asarray(labels)) > 0.9
    assert predicted[-1] == -1


@pytest.mark.slow
def test_predictions_of_the_corpus_itself_agree_when_the_head_denotes(corpus):
    made = fit(corpus, options=nlparam.SearchOptions(n_screened=8, n_judged=40))
    np.testing.assert_array_equal(made.predict(made.texts), made.assignments)


@pytest.mark.slow
def test_odd_texts_are_handled(corpus):
    texts, labels, embedder = corpus
    odd = [
        *texts,
        "",
        " \n",
        texts[0],
        "x" * 1_000_000,
        "caf\udce9 topic0word1",
        "<|im_end|> $predicate </script> \x1b[2J",
    ]
    oracle = Oracle(texts, labels, distractors=1)

    def answer(request: Request):
        known = any(text in request.messages[-1].content for text in oracle.label_of)
        return oracle.answer(request) if known else {"yes": 0.5, "no": 0.5}

    made = fit((odd, labels, embedder), oracle, lm=ScriptedModel(answer))
    assert len(made.assignments) == len(odd)
    assert made.assignments[160:162].tolist() == [-1, -1]
    assert made.assignments[162] == made.assignments[0]
    assert (made.assignments[163:] >= 0).all()
    assert "<script>alert" not in made.report()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "no texts"),
        (["  ", ""], "0 distinct texts"),
        (["same"] * 50, "1 distinct texts"),
        (["one", None], "text number 1 is of type NoneType"),
        ("a single string", "put it into a list"),
    ],
)
def test_bad_texts_are_refused(corpus, texts, message):
    with pytest.raises(CorpusError, match=message):
        fit(corpus, texts=texts)


@pytest.mark.slow
def test_another_fit_in_the_folder_is_not_overwritten(corpus, tmp_path):
    made = fit(corpus, out=tmp_path / "fit")
    with pytest.raises(ResultFolderError, match="goal"):
        fit(corpus, out=tmp_path / "fit", goal="something else")
    assert nlparam.load(tmp_path / "fit").predicates == made.predicates
    fit(corpus, out=tmp_path / "fit", goal="something else", overwrite=True)
    assert nlparam.load(tmp_path / "fit").settings["goal"] == "something else"


def test_folders_that_hold_no_fit(tmp_path):
    with pytest.raises(ResultFolderError, match="holds no result of nlparam"):
        nlparam.load(tmp_path)
    (tmp_path / "fit.json").write_text("{not json")
    with pytest.raises(ResultFolderError, match="not readable as JSON"):
        nlparam.load(tmp_path)


@pytest.mark.slow
def test_an_incomplete_folder_is_said_to_be_one(made, tmp_path):
    made.save(tmp_path / "fit")
    (tmp_path / "fit" / "head.safetensors").unlink()
    with pytest.raises(ResultFolderError, match="incomplete"):
        nlparam.load(tmp_path / "fit")


@pytest.mark.slow
def test_a_model_that_always_fails_is_an_error_and_keeps_what_was_judged(corpus, tmp_path):
    texts, labels, embedder = corpus
    oracle = Oracle(texts, labels, distractors=2)

    def dies(request: Request):
        if len(oracle.asked) >= 50:
            raise LanguageModelError("the server went away")
        return oracle.answer(request)

    with pytest.raises(LanguageModelError):
        fit(corpus, oracle, lm=ScriptedModel(dies), store=tmp_path / "s.sqlite")
    resumed = Oracle(texts, labels, distractors=2)
    made = nlparam.fit(
        Clustering(2),
        texts,
        lm=resumed.model(),
        predicates=resumed.predicates,
        embedder=embedder,
        store=tmp_path / "s.sqlite",
    )
    assert not set(oracle.asked) & set(resumed.asked), "what was judged before the failure is not asked again"
    assert made.costs.judgments_served == 50


@pytest.mark.slow
def test_unusable_answers_are_counted_and_left_out(corpus):
    texts, labels, _ = corpus
    oracle = Oracle(texts, labels, distractors=2)

    def mumbles(request: Request):
        answer = oracle.answer(request)
        return {"yes": 0.0, "no": 0.0} if len(oracle.asked) % 10 == 0 else answer

    made = fit(corpus, oracle, lm=ScriptedModel(mumbles))
    assert made.costs.failures > 0
    assert set(made.predicates) == set(oracle.gold)
    assert np.isfinite(made.denotations).all()


@pytest.mark.slow
def test_a_proposer_may_be_made_from_the_engine(corpus):
    texts, labels, embedder = corpus
    oracle = Oracle(texts, labels, distractors=1)
    made = nlparam.fit(
        Clustering(2), texts, lm=oracle.model(), embedder=embedder, proposer=lambda _: Listed(oracle.predicates)
    )
    assert set(made.predicates) == set(oracle.gold)
    with pytest.raises(ValueError, match="contrast"):
        nlparam.fit(Clustering(2), texts, lm=oracle.model(), embedder=embedder, proposer="guess")


@pytest.mark.slow
def test_models_of_other_kinds_are_fitted_saved_and_loaded(corpus, tmp_path):
    texts, labels, embedder = corpus
    names, classes = np.unique(labels, return_inverse=True)
    oracle = Oracle(texts, labels, distractors=2)
    with pytest.warns(FitWarning, match="separate the classes perfectly"):
        made = nlparam.fit(
            Classification(1),
            polars.DataFrame({"story": texts, "section": labels}),
            "section",
            text_field="story",
            lm=oracle.model(),
            predicates=oracle.predicates,
            embedder=embedder,
        )
    assert made.texts == tuple(texts)
    assert made.predicates[0] in oracle.gold
    assert made.coords == {"class": names.tolist()}
    np.testing.assert_array_equal(made.predictions, classes)
    with pytest.raises(AttributeError, match="does not assign"):
        _ = made.assignments
    loaded = nlparam.load(made.save(tmp_path / "fit"), embedder=embedder)
    np.testing.assert_array_equal(loaded.weights.coefficients, made.weights.coefficients)
    np.testing.assert_array_equal(loaded.data, classes)
    assert loaded.coords == made.coords
    fresh, fresh_labels = topics(40, 2, seed=5)
    assert np.mean(names[loaded.predict(fresh)] == np.asarray(fresh_labels)) > 0.9
    assert "is at least 0.5" in made.report()  # what a size counts
