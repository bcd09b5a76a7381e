"""The cascade in a fit, and new texts by head, cascade and language model."""

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import nlparam
from nlparam.cli import app
from nlparam.cli.costs import certificate_lines
from nlparam.denotation.cascade import Cascade
from nlparam.errors import FitWarning, LanguageModelError
from nlparam.fitting.denote import denote
from nlparam.lm import ScriptedModel
from nlparam.models import Clustering
from nlparam.numerics.heads.joint_head import JointHead
from nlparam.runtime.budget import Budget
from tests.helpers.fake_server import FakeServer
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

N_TEXTS, K = 900, 3


@pytest.fixture(scope="module")
def corpus():
    texts, labels = topics(N_TEXTS + 400, K)
    return texts, labels, LexicalEmbedder(texts)


def _fit(corpus, store, **options):
    texts, labels, embedder = corpus
    oracle = Oracle(texts, labels, distractors=1)
    fit = nlparam.fit(
        Clustering(K),
        texts[:N_TEXTS],
        lm=oracle.model(strong=False),
        predicates=oracle.predicates,
        embedder=embedder,
        store=store,
        inference=False,
        **options,
    )
    return fit, oracle


@pytest.fixture(scope="module")
def cascaded(corpus, tmp_path_factory):
    store = tmp_path_factory.mktemp("cascade") / "store.sqlite"
    fit, oracle = _fit(corpus, store, judge=Cascade())
    return fit, oracle, store


def _truth(corpus, predicates, rows):
    _, labels, _ = corpus
    return np.asarray([[f"has the label {labels[row]}" == predicate for predicate in predicates] for row in rows])


def test_a_cascaded_fit_is_right_where_it_claims_to_be_and_asks_for_little(corpus, cascaded):
    fit, _, _ = cascaded
    certificate = fit.certificate
    assert certificate is not None
    assert sorted(fit.predicates) == [f"has the label topic {k}" for k in range(K)]
    truth, said = _truth(corpus, fit.predicates, range(N_TEXTS)), fit.denotations > 0.5
    assert (truth & said).sum() / truth.sum() >= certificate.recall >= 0.95
    assert (truth & said).sum() / said.sum() >= certificate.precision >= 0.95
    assert certificate.n_pairs == N_TEXTS * K
    assert certificate.n_asked < 0.7 * certificate.n_pairs
    assert certificate.n_asked + certificate.n_head == certificate.n_pairs
    assert fit.costs.stages["cascade"]["calls"] > 0
    assert len(fit.judgments) == certificate.n_asked
    assert isinstance(fit.denoter.head, JointHead)


def test_the_page_and_the_terminal_state_the_bound(cascaded):
    fit, _, _ = cascaded
    html = fit.report()
    assert "What the audit proved" in html
    assert f"recall of at least {fit.certificate.recall:.1%}" in html
    said = " ".join(certificate_lines(fit.certificate, fit.predicates))
    assert f"recall at least {fit.certificate.recall:.1%}" in said
    worst = fit.certificate.worst_recall
    assert f"recall {min(fit.certificate.predicate_recall):.1%} ({fit.predicates[worst]})" in said
    assert f"recall {min(fit.certificate.predicate_recall):.1%} (predicate {worst + 1})" in html
    assert "over all predicates" in said
    assert "hold all at once" in html
    assert f"{fit.certificate.n_asked:,} of {fit.certificate.n_pairs:,}" in said


def test_saved_and_loaded_it_denotes_the_same(corpus, cascaded, tmp_path):
    fit, _, _ = cascaded
    texts, _, embedder = corpus
    fit.save(tmp_path / "fit")
    loaded = nlparam.load(tmp_path / "fit", embedder=embedder)
    assert loaded.certificate == fit.certificate
    new = texts[N_TEXTS:]
    assert loaded.denote(new, by="head") == pytest.approx(fit.denote(new, by="head"), abs=1e-5)
    kept = json.loads((tmp_path / "fit" / "fit.json").read_text())
    assert kept["settings"]["cascade"]["target_recall"] == 0.95
    worst = kept["certificate"]["worst"]
    assert worst["recall"] == {
        "predicate": fit.predicates[fit.certificate.worst_recall],
        "at_least": min(fit.certificate.predicate_recall),
    }


def test_a_certificate_of_before_loads_and_says_that_its_bounds_hold_each_by_itself(cascaded, tmp_path):
    fit, _, _ = cascaded
    fit.save(tmp_path / "fit")
    file = tmp_path / "fit" / "fit.json"
    kept = json.loads(file.read_text())
    for name in ("together", "worst"):
        del kept["certificate"][name]
    del kept["certificate"]["target"]["each"], kept["settings"]["cascade"]["each"]
    for one in kept["agreement"]:
        del one["by_chance"], one["kappa"]
    file.write_text(json.dumps(kept))
    loaded = nlparam.load(tmp_path / "fit", embedder=fit.denoter.embedder)
    assert loaded.certificate == dataclasses.replace(fit.certificate, together=False)
    assert "each by itself" in " ".join(certificate_lines(loaded.certificate, loaded.predicates))
    assert "hold each by itself" in loaded.report()
    assert not Cascade(**loaded.settings["cascade"]).each
    assert [one.kappa for one in loaded.agreement] == [None] * K


def test_the_agreement_of_the_head_stands_beside_what_chance_would_give(cascaded):
    fit, _, _ = cascaded
    for one in fit.agreement:
        assert 0.5 < one.by_chance < one.agreement
        assert one.kappa == pytest.approx((one.agreement - one.by_chance) / (1 - one.by_chance))
    html = fit.report()
    assert f"{fit.agreement[0].by_chance:.1%}" in html
    assert "Kappa" in html


def test_new_texts_are_audited_again_or_asked_one_by_one(corpus, cascaded):
    fit, oracle, store = cascaded
    texts, _, _ = corpus
    new, truth = texts[N_TEXTS:], _truth(corpus, fit.predicates, range(N_TEXTS, len(texts)))
    lm = oracle.model(strong=False)
    head = denote(fit, new, by="head")
    assert head.costs.calls == 0
    by_cascade = denote(fit, new, lm=lm, store=store)  # the fit was made with one
    assert by_cascade.by == "cascade"
    assert by_cascade.certificate is not None
    said = by_cascade.denotations > 0.5
    assert (truth & said).sum() / truth.sum() >= by_cascade.certificate.recall >= 0.95
    assert 0 < by_cascade.costs.calls < truth.size
    exact = denote(fit, new, by="exact", lm=lm, store=store)
    assert ((exact.denotations > 0.5) == truth).all()
    # What the cascade had asked for is not asked again.
    assert exact.costs.calls == truth.size - by_cascade.costs.calls
    assert (exact.n_failed, exact.certificate) == (0, None)
    assert fit.denote([], by="head").shape == (0, K)


def test_what_is_wrong_is_said(corpus, cascaded):
    fit, _, _ = cascaded
    with pytest.raises(ValueError, match="expected one of head, cascade, exact"):
        fit.denote(["a"], by="guess")
    with pytest.raises(LanguageModelError, match="expected 'scripted', which the fit was made with"):
        fit.denote(["a"], by="exact", lm=ScriptedModel(["yes"], identity="another"))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Cascade(target_recall=1.5)
    with pytest.raises(LanguageModelError, match="none of the labels"):
        fit.denote(corpus[0][:5], by="exact", lm=ScriptedModel(lambda _: "maybe", strong=False), store=":memory:")


def test_answers_that_fail_are_left_to_the_head_and_counted(corpus, cascaded):
    fit, oracle, _ = cascaded
    lm = ScriptedModel(lambda request: "maybe" if "number3" in request.messages[-1].content else oracle.answer(request))
    new = corpus[0][:30]
    exact = denote(fit, new, by="exact", lm=lm, store=":memory:")
    failed = [row for row, text in enumerate(new) if "number3" in text]
    assert exact.n_failed == len(failed) * K == exact.costs.failures > 0
    assert exact.denotations[failed] == pytest.approx(fit.denote([new[row] for row in failed], by="head"))


def test_a_budget_that_ends_before_the_audit_leaves_no_bound(corpus, tmp_path):
    whole, _ = _fit(corpus, tmp_path / "a.sqlite")
    with pytest.warns(FitWarning, match="without the audit that the cascade needs"):
        fit, oracle = _fit(
            corpus, tmp_path / "b.sqlite", judge=Cascade(), budget=Budget(max_calls=whole.costs.calls + 100)
        )
    assert fit.certificate is None
    assert len(oracle.asked) == whole.costs.calls + 100
    assert np.isfinite(fit.denotations).all()
    assert fit.result is nlparam.RESULTS.budget_spent


def test_on_the_command_line(tmp_path):
    texts, _ = topics(300, 2, n_words=6)
    corpus = tmp_path / "texts.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts[:240]))
    new = tmp_path / "new.jsonl"
    new.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts[240:]))
    candidates = tmp_path / "candidates.txt"
    candidates.write_text("is about topic0\nis about topic1\nis about nothing\n")

    def answer(body):
        text, _, predicate = body["messages"][-1]["content"].partition("\n\nProperty: is about ")
        topic = predicate.partition(".")[0]
        return {"yes": 0.97, "no": 0.03} if f"{topic}word" in text else {"yes": 0.03, "no": 0.97}

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    with FakeServer(answer=answer) as server:
        common = ("--texts", corpus, "--k", 2, "--lm", server.url, "--predicates", candidates, "--n-judged", 30)
        events = tmp_path / "events.jsonl"
        estimate = json.loads(
            run("fit", "clustering", *common, "--out", tmp_path / "fit", "--dry-run", "--json", "--max-calls", 3)
        )
        assert estimate["judgments"] > 0
        assert estimate["over"] == {"calls": 3}
        assert not (tmp_path / "fit").exists()
        shown = run("fit", "clustering", *common, "--out", tmp_path / "fit", "--cascade", "--events", events)
        assert "cascade: with probability 90%, recall at least" in shown
        assert any(json.loads(line)["event"] == "cascade audited" for line in events.read_text().splitlines())
        calls = len(server.calls)
        run("predict", tmp_path / "fit", "--texts", new, "--out", tmp_path / "head.csv", "--by", "head")
        assert len(server.calls) == calls
        run("predict", tmp_path / "fit", "--texts", new, "--out", tmp_path / "exact.csv", "--exact")
        assert len(server.calls) == calls + 2 * 60
        shown = run("fit", "clustering", *common, "--out", tmp_path / "each", "--cascade", "--each-predicate")
        assert "of every predicate" in shown
        assert "by chance" in shown and "kappa" in shown  # noqa: PT018
        for wrong in (["--target-recall", "0.9"], ["--each-predicate"]):
            command = [*map(str, ("fit", "clustering", *common, "--out", tmp_path / "x")), *wrong]
            result = CliRunner().invoke(app, command)
            assert result.exit_code == 2
            assert "--cascade" in result.output
