"""`-k`: a number, or `auto`."""

import json

import nlparam
import nlparam.fitting.how_many
from nlparam.errors import CorpusError
from nlparam.fitting.how_many import HowMany
from nlparam.runtime.costs import Costs
from tests.helpers.cli_corpus import TEXTS, answer, embedded_store, fit, run, said, write_texts
from tests.helpers.fake_server import FakeServer


def test_auto_finds_the_two_topics_and_again_asks_nothing(tmp_path):
    corpus = [*TEXTS, *(f"{text} So they say." for text in TEXTS)]  # of half as many, two would not be clearly better
    texts, store = write_texts(tmp_path, corpus), embedded_store(tmp_path / "store.sqlite", corpus)
    arguments = ("--store", store, "--text-field", "body")
    with FakeServer(answer=answer) as server:
        result = fit(tmp_path / "out", texts, server.url, *arguments, k="auto")
        assert result.exit_code == 0, result.output
        assert "k = 2: more predicates do not clearly say more" in result.stdout
        found = nlparam.load(tmp_path / "out")
        assert sorted(found.predicates) == ["is about money", "is about sport"]
        calls = len(server.calls)
        again = fit(tmp_path / "out", texts, server.url, *arguments, "--json", k="auto")
        assert again.exit_code == 0, again.output
        assert json.loads(again.stdout)["predicates"] == found.predicates
        assert len(server.calls) == calls > 0


def test_auto_fits_the_number_that_is_chosen_to_the_candidates_there_are(tmp_path, monkeypatch):
    asked = {}

    def how_many(make_model, *_, **__):
        asked["tried"] = [make_model(k).n_predicates for k in (1, 2)]
        return HowMany(2, [0.0, 1.5], [0.4, 0.0], ["is a", "is b", "is c"], Costs())

    def fit(model, texts, _, **settings):
        asked.update(settings, model=model, texts=texts)
        raise CorpusError("that is enough")

    monkeypatch.setattr(nlparam.fitting.how_many, "how_many", how_many)
    monkeypatch.setattr(nlparam, "fit", fit)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    result = run("fit", "clustering", tmp_path / "a.txt", "-k", "auto", "--out", tmp_path / "out")
    assert "that is enough" in said(result)
    assert asked["tried"] == [1, 2]
    assert asked["model"].n_predicates == 2
    assert asked["predicates"] == ["is a", "is b", "is c"]
    assert asked["texts"] == list(TEXTS)
    assert "k = 2: more predicates do not clearly say more" in result.output


def test_what_is_neither_a_number_nor_auto_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    for k in ("many", "0", "-3"):
        result = run("fit", "clustering", tmp_path / "a.txt", "-k", k, "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert f"got {k!r}, expected a number of at least 1, or `auto`" in " ".join(said(result).split())
    both = run(
        "fit", "clustering", tmp_path / "a.txt", "--texts", tmp_path / "a.txt", "-k", 2, "--out", tmp_path / "out"
    )
    assert both.exit_code == 2
    assert "got both, expected the file once" in " ".join(said(both).split())
