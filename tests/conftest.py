"""Fixtures that every test may use; nothing a test does touches the user's own cache."""

import os
from pathlib import Path

import numpy as np
import pytest


def pytest_collection_modifyitems(items):
    """Tests with a real language model take minutes, so they run only where they are asked for."""
    if os.environ.get("NLPARAM_LM_TESTS", "0") in ("", "0"):
        skip = pytest.mark.skip(reason="runs a language model: NLPARAM_LM_TESTS=1 pytest -m lm")
        for item in items:
            if item.get_closest_marker("lm") is not None:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _private_store(tmp_path, monkeypatch):
    """A store of its own for every test. Weights and digests stay in the user's cache: they are checked by content."""
    monkeypatch.setenv("NLPARAM_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.delenv("NLPARAM_DEBUG", raising=False)


@pytest.fixture
def shared_data() -> Path:
    """The folder of evaluation sets beside the project; the test is skipped where it is absent."""
    folder = Path(os.environ.get("NLPARAM_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the evaluation sets are not there ({folder})")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
