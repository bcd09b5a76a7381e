"""Damage to the file of a store is found out, said with what to do, and costs only the answers in the broken places."""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nlparam.errors import StoreError
from nlparam.lm.base import Completion
from nlparam.lm.store import Store
from nlparam.lm.store.contents import contents, faults
from nlparam.lm.store.database import beside
from nlparam.lm.store.salvage import salvage
from nlparam.lm.store.transfer import COLUMNS, select

PAGE = 4096
N = 8000
PAIRS = [(f"predicate {number % 5}", str(number)) for number in range(N)]
PROBABILITIES = {pair: (number % 101) / 100 for number, pair in enumerate(PAIRS)}  # 0 and 1 among them
KEYS = [f"{number:064x}" for number in range(300)]
DIGESTS = [f"text {number}" for number in range(300)]
VECTORS = np.random.default_rng(0).normal(size=(300, 384)).astype(np.float32)
ADVICE = r"damaged.*nlparam store salvage --store .*store\.sqlite"


def text_of(number: int) -> str:
    return f"proposal {number} " + "é" * (number * 17 % 5000)  # some are longer than a page


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "store.sqlite"
    with Store(path) as store:
        fill(store)
    return path


@pytest.fixture
def path(whole, tmp_path):
    """A copy of a good store, to be damaged."""
    return Path(shutil.copy(whole, tmp_path / "store.sqlite"))


def fill(store: Store) -> None:
    store.put_judgments("model", "1", [(*pair, probability) for pair, probability in PROBABILITIES.items()])
    for number, key in enumerate(KEYS):
        store.put_completion(key, Completion(text_of(number), prompt_tokens=number, completion_tokens=7), model="model")
    store.put_embeddings("embedder", DIGESTS, VECTORS)


def overwrite(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


def check_answers(store: Store, *, judgments: int = N, completions: int = 300, embeddings: int = 300) -> None:
    """What is there is right, and there are at least so many of each."""
    found = store.get_judgments("model", "1", PAIRS)
    assert len(found) >= judgments
    assert all(PROBABILITIES[pair] == probability for pair, probability in found.items())
    texts = [(number, store.get_completion(key)) for number, key in enumerate(KEYS)]
    kept = [(number, completion) for number, completion in texts if completion is not None]
    assert len(kept) >= completions
    assert all(completion == Completion(text_of(number), None, number, 7) for number, completion in kept)
    vectors = store.get_embeddings("embedder", DIGESTS)
    assert len(vectors) >= embeddings
    for digest, vector in vectors.items():
        np.testing.assert_array_equal(vector, VECTORS[DIGESTS.index(digest)])
    assert faults(store) == []


@pytest.mark.slow
def test_a_good_store_is_sound_and_salvaged_whole(path):
    with Store(path) as store:
        assert faults(store) == []
        before = contents(store)
    saved = salvage(path)
    assert saved.saved == (N, 300, 300)
    with Store(path) as store:
        check_answers(store)
        after = contents(store)
        assert {group[:4] for group in after.groups} == {group[:4] for group in before.groups}
        assert (after.n_predicates, after.oldest, after.newest) == (5, before.oldest, before.newest)


@pytest.mark.slow
def test_pages_in_the_middle_are_overwritten(path):
    for page in range(20, 40):
        overwrite(path, page * PAGE, random.Random(page).randbytes(PAGE))
    with Store(path) as store:
        assert faults(store) != []
        with pytest.raises(StoreError, match=ADVICE):
            store.get_judgments("model", "1", PAIRS)
    damaged = path.read_bytes()
    saved = salvage(path)
    assert saved.damaged.name.startswith("store.sqlite.damaged-")
    assert saved.damaged.read_bytes() == damaged
    assert 1 <= saved.n_unreadable <= 20
    with Store(path) as store:
        # A page holds at most 70 of the judgments, and the pages of the others are not touched.
        check_answers(store, judgments=N - 20 * 70)
        assert store.counts() == saved.saved
        store.put_judgments("model", "1", [("new", "x", 0.5)])


@pytest.mark.slow
def test_the_page_above_all_judgments_is_lost(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'judgments'").fetchone()
    overwrite(path, (root - 1) * PAGE, b"\xff" * PAGE)
    with pytest.raises(StoreError, match=ADVICE), Store(path):
        pass
    assert salvage(path).saved == (0, 300, 300)
    with Store(path) as store:
        check_answers(store, judgments=0)


@pytest.mark.slow
def test_the_names_are_lost_and_no_answer(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'predicates'").fetchone()
    overwrite(path, (root - 1) * PAGE, b"\xff" * PAGE)
    assert salvage(path).saved == (N, 300, 300)
    with Store(path) as store:
        check_answers(store)
        assert contents(store).n_predicates == 0


@pytest.mark.slow
@pytest.mark.parametrize("n_bytes", [16, 100, PAGE])
def test_garbage_in_the_header(path, n_bytes):
    overwrite(path, 0, b"garbage!" * (n_bytes // 8) + b"!" * (n_bytes % 8))
    with pytest.raises(StoreError, match=r"is not a store or is damaged.*put a copy"):
        Store(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"can read nothing.*left as it is: put a copy"):
        salvage(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["store.sqlite"]


@pytest.mark.slow
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_file(path, part):
    size = int(path.stat().st_size * part)
    os.truncate(path, size)
    with pytest.raises(StoreError, match=ADVICE):
        Store(path)
    saved = salvage(path)
    assert sum(saved.saved) > 0.1 * part * (N + 600)
    with Store(path) as store:
        check_answers(store, judgments=0, completions=0, embeddings=0)


def unfinished(folder: Path) -> Path:
    """A store as a killed process leaves it: with answers that stand in the log alone."""
    path = folder / "store.sqlite"
    with Store(path) as store:
        store.database.connection.execute("PRAGMA wal_autocheckpoint=0")
        for start in range(0, N, 500):
            part = PAIRS[start : start + 500]
            store.put_judgments("model", "1", [(*pair, PROBABILITIES[pair]) for pair in part])
        store.put_completion(KEYS[299], Completion(text_of(299), None, 299, 7))
        left = folder / "left"
        left.mkdir()
        for ending in ("", "-wal"):
            shutil.copy(beside(path, ending), left)
    return left / "store.sqlite"


def test_an_unfinished_log_is_no_damage(tmp_path):
    path = unfinished(tmp_path)
    log = beside(path, "-wal")
    os.truncate(log, log.stat().st_size - 4000)  # killed in the midst of the last transaction
    with Store(path) as store:
        check_answers(store, judgments=N, completions=0, embeddings=0)
        assert store.counts() == (N, 0, 0)


def test_a_commit_whose_writer_was_killed_is_no_damage(tmp_path):
    # The log had been longer: behind the head of the last frame stands what was there before.
    path = unfinished(tmp_path)
    log = beside(path, "-wal")
    overwrite(log, log.stat().st_size - PAGE, b"\x0a" * PAGE)
    with Store(path) as store:
        assert store.counts() == (N, 0, 0)
        assert faults(store) == []


@pytest.mark.slow
def test_what_stands_in_the_log_alone_is_salvaged(tmp_path):
    path = unfinished(tmp_path)
    assert salvage(path).saved == (N, 1, 0)
    assert not beside(path, "-wal").exists()
    with Store(path) as store:
        check_answers(store, completions=1, embeddings=0)


@pytest.mark.slow
def test_what_others_write_at_once_is_no_damage(tmp_path):
    # Opens while a process writes, restarts and empties the log, which must never look like a damaged one.
    path = tmp_path / "store.sqlite"
    code = (
        "import sys; from nlparam.lm.store import Store\n"
        "with Store(sys.argv[1]) as store:\n"
        "    store.database.connection.execute('PRAGMA wal_autocheckpoint=20')\n"
        "    print('ready', flush=True)\n"
        "    for number in range(3000):\n"
        "        store.put_judgments('model', '1', [('p', str(number), 0.5)])\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        n_opened = 0
        while writer.poll() is None:
            with Store(path) as store:
                store.counts()
            n_opened += 1
    assert writer.returncode == 0
    assert n_opened > 1
    with Store(path) as store:
        assert store.counts().judgments == 3000


@pytest.mark.slow
def test_an_impossible_value_is_damage(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE judgments SET probability = 7.0")
        connection.execute("UPDATE embeddings SET vector = x'00ff00'")
        connection.commit()
    with Store(path) as store:
        with pytest.raises(StoreError, match=r"holds the probability 7\.0.*" + ADVICE.partition(".*")[2]):
            store.get_judgments("model", "1", PAIRS)
        with pytest.raises(StoreError, match="embedding that is no vector"):
            store.get_embeddings("embedder", DIGESTS)
        assert len(faults(store)) == 2
    assert salvage(path).saved == (0, 300, 0)


@pytest.mark.slow
def test_what_is_no_store_is_not_salvaged(tmp_path):
    notes = tmp_path / "notes"
    notes.write_text("some notes\n" * 500)
    with pytest.raises(StoreError, match=r"can read nothing of a store in .*left as it is"):
        salvage(notes)
    other = tmp_path / "history.sqlite"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("PRAGMA application_id=7")
        connection.execute("CREATE TABLE visits (url)")
    with pytest.raises(StoreError, match="database of another program"):
        salvage(other)
    with pytest.raises(StoreError, match="there is no file"):
        salvage(tmp_path / "nothing")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["history.sqlite", "notes"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks")
def test_a_store_in_use_is_not_salvaged(path):
    code = (
        "import sys; from nlparam.lm.store import Store\n"
        "with Store(sys.argv[1]) as store:\n    print('open', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        user.stdout.readline()
        with pytest.raises(StoreError, match="another process uses"):
            salvage(path)
        user.communicate(b"")
    assert salvage(path).saved == (N, 300, 300)


@pytest.mark.slow
@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_answers_of_any_form_are_salvaged_as_they_are(tmp_path, page_size):
    texts = ["", "plain", "é" * 3000, "\U0001f600 and \n", "'; DROP TABLE completions"]
    path = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute("VACUUM")
    with Store(path) as store:
        store.put_judgments("m", "1", [(f"p{number % 3}", str(number), number / 99) for number in range(100)])
        for number, text in enumerate(texts):
            store.put_completion(f"{number:064x}", Completion(text, None, number, 2**number), model=text)
        store.put_embeddings("e", ["a", "b", "c"], VECTORS[:3])
        before = everything(store)
    assert salvage(path).saved == (100, len(texts), 3)
    with Store(path) as store:
        assert everything(store) == before


def everything(store: Store) -> list[list[tuple]]:
    with store.database.read() as connection:
        return [sorted(connection.execute(select(kind)).fetchall()) for kind in COLUMNS]
