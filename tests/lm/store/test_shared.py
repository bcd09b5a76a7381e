"""Many processes and threads use one store at once."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from nlparam.lm.store import Store
from nlparam.lm.store.contents import faults
from nlparam.lm.store.database import beside

# Writes with several threads through one store and with each of them reads what it and the others have written.
WORKER = """
import sys, threading
from nlparam.lm.store import Store

path, worker, n_threads, n_items = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
wrong = []

def work(store, thread):
    try:
        for item in range(n_items):
            mine = (f"predicate {thread}", f"{worker} {item}")
            shared = ("shared", f"{item}")
            batch = [(f"batch {thread}", f"{worker} {item} {n}", n / 10) for n in range(10)]
            store.put_judgments("m", "1", [(*mine, 0.25)])
            store.put_judgments("m", "1", [(*shared, 0.75)])
            store.put_judgments("m", "2", batch)
            if store.get_judgments("m", "1", [mine, shared]) != {mine: 0.25, shared: 0.75}:
                wrong.append(mine)
            if store.get_judgments("m", "2", [row[:2] for row in batch]) != {row[:2]: row[2] for row in batch}:
                wrong.append(batch)
    except BaseException as error:
        wrong.append(error)

with Store(path) as store:
    threads = [threading.Thread(target=work, args=(store, number)) for number in range(n_threads)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print(wrong)
"""


def worker(path, *arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-c", WORKER, str(path), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_nothing_is_lost_among_processes_and_threads(tmp_path):
    path = tmp_path / "store.sqlite"
    n_processes, n_threads, n_items = 4, 3, 40
    workers = [worker(path, number, n_threads, n_items) for number in range(n_processes)]
    output = [process.communicate()[0] for process in workers]
    assert output == ["[]\n"] * n_processes
    with Store(path) as store:
        per_thread = n_items * 11
        assert store.counts().judgments == n_processes * n_threads * per_thread + n_items
        assert faults(store) == []
        with store.database.read() as connection:
            assert connection.execute("SELECT model, prompt_version FROM sources ORDER BY 2").fetchall() == [
                ("m", "1"),
                ("m", "2"),
            ]
            (n_predicates,) = connection.execute("SELECT count(*) FROM predicates").fetchone()
            assert n_predicates == 2 * n_threads + 1
            unnamed = "SELECT count(*) FROM judgments WHERE source IS NULL OR predicate IS NULL"
            assert connection.execute(unnamed).fetchone() == (0,)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="sends SIGKILL")
def test_what_was_reported_stored_survives_a_kill_at_any_moment(tmp_path):
    path = tmp_path / "store.sqlite"
    code = (
        "import sys; from nlparam.lm.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "store.database.connection.execute('PRAGMA wal_autocheckpoint=50')\n"
        "for number in range(10**9):\n"
        "    store.put_judgments('m', sys.argv[2], [('p', str(number), 0.5)])\n"
        "    print(number, flush=True)\n"
    )
    stored = {}
    for version, n_lines in (("1", 1), ("2", 137), ("3", 1000)):
        command = [sys.executable, "-c", code, str(path), version]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(n_lines):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            stored[version] = n_lines + len(process.stdout.read().splitlines())
    with Store(path) as store:
        for version, n in stored.items():
            pairs = [("p", str(number)) for number in range(n)]
            assert set(store.get_judgments("m", version, pairs)) == set(pairs)
        assert faults(store) == []


@pytest.mark.slow
def test_the_log_stays_short_although_somebody_always_reads(tmp_path, monkeypatch):
    monkeypatch.setattr("nlparam.lm.store.database.LOG_LIMIT", 2 << 20)
    monkeypatch.setattr("nlparam.lm.store.database._ROWS_BETWEEN_LOOKS", 50)
    path = tmp_path / "store.sqlite"
    done = threading.Event()
    overlapping = threading.Barrier(2)

    def read() -> None:
        # Two readers that take turns, so that at each moment one of them holds an old state.
        with Store(path) as store:
            while not done.is_set():
                with store.database.snapshot() as connection:
                    connection.execute("SELECT count(*) FROM judgments").fetchone()
                    try:
                        overlapping.wait(0.2)
                    except threading.BrokenBarrierError:
                        return
                    done.wait(0.01)

    largest = 0
    with Store(path) as store:
        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(6000):
            store.put_judgments("m", "1", [("p", str(number), 0.5)])
            largest = max(largest, beside(path, "-wal").stat().st_size)
        done.set()
        overlapping.abort()
        for reader in readers:
            reader.join()
        assert store.counts().judgments == 6000
    # 6,000 transactions write 25 MB of log.
    assert largest < 8 << 20


def test_a_long_read_sees_one_state_and_delays_nobody(tmp_path):
    with Store(tmp_path / "store.sqlite", busy_timeout=0.5) as store:
        store.put_judgments("m", "1", [("p", "a", 0.5)])
        with store.database.snapshot() as connection:
            assert connection.execute("SELECT count(*) FROM judgments").fetchone() == (1,)
            store.put_judgments("m", "1", [("p", "b", 0.5)])
            assert connection.execute("SELECT count(*) FROM judgments").fetchone() == (1,)
        assert store.counts().judgments == 2
