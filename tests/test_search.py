"""The search with an oracle: gold predicates hidden among nine times as many distractors are all recovered."""

import json

import numpy as np
import pytest

import nlparam
import nlparam.errors
from nlparam.models import Clustering
from nlparam.search import SearchOptions
from nlparam.solution import RESULTS
from tests.oracle import LexicalEmbedder, Oracle, topics


def recover(oracle: Oracle, texts, n_predicates, **options) -> nlparam.Fit:
    return nlparam.fit(
        Clustering(n_predicates),
        texts,
        lm=oracle.model(max_in_flight=64),
        predicates=oracle.predicates,
        embedder=LexicalEmbedder(texts),
        **options,
    )


def report(capsys, name, oracle, fit, texts):
    asked, all_pairs = fit.costs.judgments_asked, len(oracle.predicates) * len(set(texts))
    with capsys.disabled():
        print(f"\n  oracle {name}: {asked:,} judgments of {all_pairs:,} pairs ({asked / all_pairs:.0%})")
    assert asked == len(oracle.asked) == len(set(oracle.asked)), "nothing is judged twice"
    return asked / all_pairs


def test_agnews(shared_data, capsys):
    rows = [
        json.loads(line)
        for line in (shared_data / "cluster/agnews/texts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    texts, labels = [row["text"] for row in rows], [row["label"] for row in rows]
    oracle = Oracle(texts, labels)
    fit = recover(oracle, texts, 4)
    assert set(fit.predicates) == set(oracle.gold)
    assert report(capsys, "agnews", oracle, fit, texts) < 0.4
    named = np.asarray([predicate.removeprefix("has the label ") for predicate in fit.predicates])
    assert np.mean(named[fit.assignments] == np.asarray(labels)) == 1.0


def test_synthetic_corpus_of_14_topics(capsys):
    texts, labels = topics(1400, 14)
    oracle = Oracle(texts, labels)
    fit = recover(oracle, texts, 14)
    assert set(fit.predicates) == set(oracle.gold)
    assert report(capsys, "synthetic K=14", oracle, fit, texts) < 0.4


def test_a_few_judgments_and_a_head_do_too(capsys):
    texts, labels = topics(600, 4)
    oracle = Oracle(texts, labels, distractors=3)
    fit = recover(oracle, texts, 4, options=SearchOptions(n_screened=6, n_judged=60))
    assert set(fit.predicates) == set(oracle.gold)
    assert report(capsys, "synthetic K=4, 60 texts judged", oracle, fit, texts) < 0.1
    named = np.asarray([predicate.removeprefix("has the label ") for predicate in fit.predicates])
    assert np.mean(named[fit.assignments] == np.asarray(labels)) > 0.95
    assert all(agreement.agreement > 0.9 for agreement in fit.agreement)


def test_a_budget_is_kept_and_said():
    texts, labels = topics(300, 3)
    oracle = Oracle(texts, labels, distractors=3)
    fit = recover(oracle, texts, 3, options=SearchOptions(n_screened=5, n_judged=50, max_judgments=200))
    assert fit.costs.judgments_asked == 200
    assert fit.result == RESULTS.budget_spent
    assert (fit.assignments >= 0).all()


def test_a_budget_too_small_for_anything_is_an_error():
    texts, labels = topics(60, 2)
    with pytest.raises(nlparam.errors.LanguageModelError, match="allow more judgments"):
        recover(Oracle(texts, labels), texts, 2, options=SearchOptions(max_judgments=4))


def test_fewer_useful_predicates_than_asked_for():
    texts, labels = topics(200, 2)
    oracle = Oracle(texts, labels, distractors=0)
    fit = recover(oracle, texts, 4)
    assert sorted(fit.predicates) == sorted(oracle.gold)
    assert fit.result == RESULTS.nothing_usable
    assert fit.model.n_predicates == 2
    assert fit.asked_model.n_predicates == 4


def test_nothing_proposed_is_an_error():
    texts, labels = topics(50, 2)
    oracle = Oracle(texts, labels)
    with pytest.raises(nlparam.errors.LanguageModelError, match="no usable predicate"):
        nlparam.fit(Clustering(2), texts, lm=oracle.model(), predicates=[], embedder=LexicalEmbedder(texts))


@pytest.mark.parametrize(
    ("option", "value"), [("n_rounds", -1), ("n_screened", 0), ("n_judged", 1), ("max_judgments", 0)]
)
def test_nonsense_options_are_refused(option, value):
    with pytest.raises(ValueError, match=option):
        SearchOptions(**{option: value})
