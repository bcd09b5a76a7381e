"""What was computed before is read again."""

import time

import numpy as np
import pytest

from nlparam.runtime import memo
from nlparam.runtime.memo import memoised

ARRAYS = {"a": np.arange(3.0), "of bytes": np.frombuffer(b"text", np.uint8)}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NLPARAM_CACHE", str(tmp_path))
    monkeypatch.setattr(memo, "_SLOW", 0.0)
    return tmp_path / "computed"


def asked(name="name", inputs=ARRAYS, **options):
    """Whether it was computed, and what came of it."""
    calls = []
    found = memoised(name, inputs, lambda: calls.append(1) or {"b": np.ones((2, 2))}, **options)
    np.testing.assert_array_equal(found["b"], np.ones((2, 2)))
    return bool(calls)


def test_the_same_is_computed_once_and_other_inputs_anew():
    assert asked()
    assert not asked()
    assert asked("another name")
    assert asked(inputs=ARRAYS | {"a": np.arange(3.0) + 1})
    assert asked(inputs=ARRAYS | {"a": np.arange(3.0, dtype=np.float32)})
    assert asked(kept=False)
    assert not asked()


def test_what_is_broken_or_cannot_be_written_is_computed(cache):
    asked()
    (file,) = cache.iterdir()
    file.write_bytes(b"broken")
    assert asked()
    assert not asked()
    file.unlink()
    cache.rmdir()
    cache.write_text("a file in the place of the folder")
    assert asked()


def test_what_takes_no_time_is_not_kept(cache, monkeypatch):
    monkeypatch.setattr(memo, "_SLOW", 60.0)
    assert asked()
    assert not cache.exists()


def test_the_oldest_go_first(cache, monkeypatch):
    monkeypatch.setattr(memo, "_MOST", 500)
    for number in range(12):
        asked(str(number))
        time.sleep(0.002)
    assert 0 < len(list(cache.iterdir())) < 12
    assert not asked("11")
