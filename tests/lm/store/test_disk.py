"""A disk that fills while a store is written: an error, nothing lost, and the run goes on once there is space."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest

from nlparam.errors import StoreError
from nlparam.lm.store import Store
from nlparam.lm.store.contents import faults

ADVICE = r"cannot grow.*free some space and run the same command again \(what is stored is kept\)"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(store: Store, *, n_items: int) -> int:
    """Stores until the disk is full and returns how many judgments were stored before."""
    number = 0
    with contextlib.suppress(StoreError):
        for number in range(0, 10**6, n_items):
            store.put_judgments("m", "1", [("p", str(item), 0.5) for item in range(number, number + n_items)])
    return number


@pytest.mark.parametrize("n_items", [1, 300])
def test_the_disk_fills_and_is_freed(small_disk, n_items):
    other = small_disk / "other"
    other.write_bytes(bytes(500_000))
    path = small_disk / "store.sqlite"
    with Store(path) as store:
        n_stored = fill(store, n_items=n_items)
        assert n_stored > 100
        with pytest.raises(StoreError, match=ADVICE):
            store.put_embeddings("e", [str(number) for number in range(2000)], np.ones((2000, 384), np.float32))
        # All that was reported as stored is there, before and after the file is opened again.
        pairs = [("p", str(item)) for item in range(n_stored + n_items)]
        assert set(store.get_judgments("m", "1", pairs)) == set(pairs[:n_stored])
    other.unlink()
    with Store(path) as store:
        assert set(store.get_judgments("m", "1", pairs)) == set(pairs[:n_stored])
        assert faults(store) == []
        store.put_judgments("m", "1", [(*pair, 0.5) for pair in pairs])
        assert set(store.get_judgments("m", "1", pairs)) == set(pairs)
        assert faults(store) == []


def test_a_process_killed_on_a_full_disk_loses_nothing(small_disk):
    path = small_disk / "store.sqlite"
    code = (
        "import os, signal, sys\n"
        "from nlparam.lm.store import Store\n"
        "from tests.lm.store.test_disk import fill\n"
        "print(fill(Store(sys.argv[1]), n_items=7), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    killed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    n_stored = int(killed.stdout)
    assert n_stored > 100
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    with Store(path) as store:
        pairs = [("p", str(item)) for item in range(n_stored + 7)]
        assert set(store.get_judgments("m", "1", pairs)) == set(pairs[:n_stored])
        assert faults(store) == []


def test_nothing_can_be_made_on_a_full_disk(small_disk):
    with contextlib.suppress(OSError), (small_disk / "other").open("wb") as other:
        while True:
            other.write(bytes(4096))
            other.flush()
    with pytest.raises(StoreError, match=ADVICE):
        Store(small_disk / "store.sqlite")
