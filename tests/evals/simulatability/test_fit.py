"""Explanations of a fit put to the test with its own predictions, and the command."""

import dataclasses
import json
import re

import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import nlparam
from nlparam.cli import app
from nlparam.errors import ModelError
from nlparam.evals.simulatability import explain, simulate, simulate_fit
from nlparam.lm.base import Message, Request
from nlparam.lm.scripted import ScriptedModel
from nlparam.models.classification import ClassificationWeights
from tests.helpers.cli_corpus import said
from tests.helpers.fake_server import FakeServer, default_answer
from tests.helpers.handmade_fit import make_fit
from tests.helpers.planted_explanations import TRUE, WRONG, Oracle, request_text, shop

INPUT = request_text("clock", True, False)
WORDS = ("bleu", "jaccard")


@pytest.fixture(scope="module")
def classification():
    texts = [request_text(f"item{n}", n % 2 == 0, n % 3 == 0) for n in range(60)]
    held = np.asarray([["with a receipt" in text, ", unopened" in text, n % 5 == 0] for n, text in enumerate(texts)])
    predicates = ["mentions a receipt", "is about something unopened", "is long"]
    model = nlparam.models.Classification(3, n_classes=2, ridge=0.05)
    settings = {"lm": "scripted", "seed": 0}
    return make_fit(
        texts=texts,
        predicates=predicates,
        model=model,
        data=shop(texts),
        denotations=held.astype(float),
        settings=settings,
    )


class Denoter:
    def denote(self, corpus, *, store=None):
        del store
        return corpus.spread(
            np.asarray([["with a receipt" in t, ", unopened" in t, 0.0] for t in corpus.distinct], dtype=float)
        )


@pytest.mark.slow
def test_the_explanation_of_a_fit_names_predicates_by_strength_and_the_base(classification):
    said = explain(classification)
    assert 'much more likely to be called "yes" if it' in said
    assert "mentions a receipt" in said
    assert "is about something unopened" in said
    assert 'Without any of these it is called "no"' in said
    assert "is long" not in said  # its weight is next to nothing


def test_the_explanation_of_three_classes_has_a_sentence_for_each_that_has_a_predicate(classification):
    coefficients = np.asarray([[3.0, 0.1, 0.0], [0.0, 1.5, 0.0], [0.0, 0.0, 0.05]])
    weights = ClassificationWeights(jnp.asarray(coefficients), jnp.asarray([0.0, 0.1, 0.3]))
    fit = dataclasses.replace(classification, weights=weights, coords={"class": ["sport", "money", "art"]})
    assert explain(fit) == (
        'A text is much more likely to be called "sport" if it mentions a receipt. A text is more likely to be called '
        '"money" if it is about something unopened. Without any of these it is called "art". If several hold, they are '
        "weighed against each other."
    )


def reads_the_fit(oracle):
    """The oracle, to which the explanation of the fit says what the true one says."""

    def reader(request):
        prompt = request.messages[-1].content
        said = re.sub(r"A text is much more likely.*weighed against each other\.", TRUE, prompt)
        message = dataclasses.replace(request.messages[-1], content=said)
        return oracle(dataclasses.replace(request, messages=(*request.messages[:-1], message)))

    return reader


def test_a_fit_is_put_to_the_test_with_its_own_predictions(classification):
    fit = dataclasses.replace(classification, denoter=Denoter())
    oracle = Oracle()
    reader = reads_the_fit(oracle)
    found = simulate_fit(fit, n_inputs=3, lm=ScriptedModel(reader), similarities=WORDS)
    assert len(found.simulated) == 3
    assert found.precision.value == 1
    assert {one.explanation.answer for one in found.simulated} == {"yes", "no"}
    assert "these classes: no, yes" in oracle.requests[0].messages[-1].content


def test_only_a_fit_that_predicts_classes_can_be_explained(classification):
    with pytest.raises(ModelError, match="got a fit of Clustering"):
        simulate(make_fit())
    with pytest.raises(ValueError, match="n_inputs=0"):
        simulate_fit(classification, n_inputs=0)


# The command.


def as_server(oracle):
    """The oracle as the rule of a server, which has its own questions when it is tried out."""

    def answer(body):
        content = body["messages"][-1]["content"]
        if not re.search(r"Write \d+ variants|^A\. ", content, re.MULTILINE):
            return default_answer(body)
        labels = tuple(letter for letter in "ABC" if f"\n{letter}. " in content) if body.get("logprobs") else None
        return oracle(Request((Message("user", content),), labels=labels, seed=body.get("seed", 0)))

    return answer


def run(*arguments):
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


@pytest.mark.slow
def test_the_command_prints_and_writes_what_was_found(tmp_path):
    path, out = tmp_path / "explanations.jsonl", tmp_path / "out.json"
    lines = [{"input": INPUT, "answer": "yes", "explanation": e} for e in (TRUE, WRONG)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with FakeServer(answer=as_server(Oracle())) as server:
        options = ("--model", server.url, "--lm", server.url, "--answers", "yes,no", "--out", out)
        options += ("--similarities", "bleu,jaccard")
        result = run(path, *options)
        assert result.exit_code == 0, result.output
        assert run(path, *options).exit_code == 0  # the same again
        other = run(path, *options, "--with-case")
        assert other.exit_code == 1
        assert "holds another result (it differs in prompts, with_case)" in said(other)
        assert run(path, *options, "--with-case", "--overwrite").exit_code == 0
    assert "Explanations: 2" in result.stdout
    assert "Generality, of words (Jaccard)" in result.stdout
    assert json.loads(out.read_text())["n_counterfactuals"] == 20


def test_the_command_says_what_is_missing(tmp_path):
    path = tmp_path / "explanations.jsonl"
    path.write_text(json.dumps({"input": "a", "answer": "yes", "explanation": ""}), encoding="utf-8")
    assert "needs the model that answers" in said(run(path))
    assert "only a fit has texts to choose from" in said(run(path, "--model", "embedded", "--inputs", 3))
    result = run(path, "--model", "embedded")
    assert result.exit_code == 1
    assert "no explanation" in said(result)


def test_the_command_takes_the_folder_of_a_fit(tmp_path, classification, monkeypatch):
    fit = dataclasses.replace(classification, denoter=Denoter())
    monkeypatch.setattr(nlparam.Fit, "load", lambda folder: fit if folder == tmp_path else None)
    with FakeServer(answer=as_server(reads_the_fit(Oracle()))) as server:
        options = ("--inputs", 2, "--similarities", "jaccard", "--lm", server.url)
        result = run(tmp_path, *options)
        assert result.exit_code == 0, result.output
        assert "leave --model out" in said(run(tmp_path, "--model", server.url))
        assert "leave --answers out" in said(run(tmp_path, "--answers", "yes,no"))
    assert "Explanations: 2" in result.stdout
    assert re.search(r"Precision +100\.0%", result.stdout)


def test_a_fit_is_explained_by_its_own_language_model_unless_another_is_named(tmp_path, classification, monkeypatch):
    monkeypatch.delenv("NLPARAM_LM", raising=False)
    with FakeServer(answer=as_server(reads_the_fit(Oracle()))) as server:
        settings = classification.settings | {"lm": server.url}
        fit = dataclasses.replace(classification, denoter=Denoter(), settings=settings)
        monkeypatch.setattr(nlparam.Fit, "load", lambda _: fit)
        options = ("--inputs", 1, "--similarities", "jaccard")
        result = run(tmp_path, *options)
        assert result.exit_code == 0, result.output
    monkeypatch.setenv("NLPARAM_LM", "no such model")
    assert "got the language model 'no such model'" in said(run(tmp_path, *options))
