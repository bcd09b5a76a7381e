"""What a reader should know is printed by every command: once, on standard error, also if an error follows."""

import warnings

import pytest

from nlparam.errors import FitWarning, NlparamError
from tests.helpers.cli_corpus import run, said, write_texts


def warned(*_, **__):
    """In place of what a command calls."""
    for _ in range(2):
        warnings.warn("the head is unsure", FitWarning, stacklevel=1)
    raise NlparamError("the server is gone")


@pytest.mark.parametrize(
    ("command", "called"),
    [
        ("fit clustering --k 2 --texts {texts} --text-field body --out {out}", "nlparam.fitting.driver.fit"),
        (
            "fit clustering --k 2 --texts {texts} --text-field body --out {out} --dry-run",
            "nlparam.fitting.estimate.estimate",
        ),
        ("taxonomy {texts} --text-field body --out {out}", "nlparam.taxonomies.growing.taxonomy"),
        ("refit {folder}", "nlparam.taxonomies.history.load_or_hint"),
        ("update {folder} --texts {texts} --text-field body", "nlparam.taxonomies.history.load_or_hint"),
        ("compare {texts} --group-field year --text-field body --out {out}", "nlparam.corpus.readers.read_texts"),
        ("predict {folder} --texts {texts} --text-field body --out {out}.csv", "nlparam.Fit.load"),
        ("report {folder}", "nlparam.results.load.load"),
        ("guard evaluate {folder}", "nlparam.guard.folder.Guard.load"),
        ("audit {texts} --no-predicates", "nlparam.evals.audit.read_evaluations"),
        ("simulate {texts} --model embedded", "nlparam.evals.simulatability.read_explanations"),
        ("decompose sad --texts {texts} --text-field body --judged", "nlparam.evals.decomposition.decompose"),
        ("evaluate code {texts}", "nlparam.evals.code.problems.read_problems"),
        ("scale embed --texts {texts} --out {out}", "nlparam.scale.embed"),
    ],
)
def test_every_command_shows_a_warning_once(tmp_path, monkeypatch, command, called):
    monkeypatch.setattr(called, warned)
    (tmp_path / "taxonomy.yaml").write_text("nodes: []\n", encoding="utf-8")
    paths = {"texts": write_texts(tmp_path), "folder": tmp_path, "out": tmp_path / "out"}
    result = run(*(word.format(**paths) for word in command.split()))
    assert result.exit_code == 1, result.output
    assert said(result).count("warning: the head is unsure") == 1
    assert "error: the server is gone" in said(result)
    assert result.stdout == ""


def test_a_warning_of_another_kind_is_not_lost(tmp_path, monkeypatch):
    def outdated(*_, **__):
        warnings.warn("old syntax", DeprecationWarning, stacklevel=1)
        raise NlparamError("the server is gone")

    monkeypatch.setattr("nlparam.evals.decomposition.decompose", outdated)
    with pytest.warns(DeprecationWarning, match="old syntax"):
        run("decompose", "sad", "--texts", write_texts(tmp_path), "--text-field", "body", "--judged")
