"""Large jobs on a local Ray, against real servers, killed in the middle."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from nlparam import scale
from nlparam.denotation.denoter import Denoter, TextFeatures
from nlparam.denotation.judge import LabelJudge
from nlparam.errors import CorpusError, LanguageModelError, MissingExtraError
from nlparam.language.embed import embed_corpus
from nlparam.language.features import NgramFeatures
from nlparam.lm import load_language_model
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.numerics.heads.head import Head
from nlparam.runtime.costs import Costs
from nlparam.scale import parts, sources
from nlparam.scale.job import _plan
from tests.e2e.test_kill_resume import finished_calls, repetitions, run_and_kill, server_process, settle
from tests.helpers.fake_server import FakeServer, default_answer
from tests.helpers.handmade_fit import make_fit
from tests.helpers.oracle import LexicalEmbedder, topics
from tests.scale.test_files import write_lines, write_parquet

ray = pytest.importorskip("ray")

pytestmark = [
    # It sets options of its own that it has deprecated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),
    # Ray forks to run another program at once, which JAX, loaded by an earlier test, cannot know.
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*_at_fork:pytest.PytestUnraisableExceptionWarning"),
]
on_ray = pytest.mark.usefixtures("local_ray")

PREDICATES = ["is about goals", "is polite"]


@pytest.fixture(scope="module")
def local_ray(tmp_path_factory):
    """Ray on this machine. Its workers take the environment from here, so their store is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("NLPARAM_STORE", str(tmp_path_factory.mktemp("workers") / "store.sqlite"))
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False,
            object_store_memory=100 << 20,
        )  # fmt: skip
        # The first worker must not do everything before the second has started.
        ray.data.DataContext.get_current().wait_for_min_actors_s = 180
        yield ray
        ray.shutdown()


def plain_judgments(url, texts):
    """What the judge says without Ray."""
    costs = Costs()
    pairs = np.argwhere(np.ones((len(texts), len(PREDICATES))))
    with Store(":memory:") as store, Engine(load_language_model(url), store=None, costs=costs) as engine:
        return LabelJudge(engine, store, costs).judge(texts, PREDICATES, pairs).reshape(len(texts), -1)


def judged(result):
    table = result.dataset().to_table()
    return table, np.stack([table[f"P({p})"].to_numpy() for p in PREDICATES], axis=1)


@on_ray
def test_judging_on_two_servers(tmp_path):
    """Equal to the plain judge; nothing is done twice; the corpus may grow; another job is refused."""
    texts = [f"text {n}" for n in range(130)]
    (tmp_path / "in").mkdir()
    rows = [{"text": text, "id": n} for n, text in enumerate(texts[:60])]
    rows[7:7] = [{"text": None, "id": -1}, {"text": "  ", "id": -2}]
    write_lines(tmp_path / "in" / "a.jsonl", rows)
    # Once more, long after it was judged: two parts that are worked on at the same moment may both ask for it.
    write_parquet(tmp_path / "in" / "b.parquet", [*texts[60:], "text 3"], row_group_size=45, id=[*range(60, 130), -3])
    out, store = tmp_path / "out", tmp_path / "store.sqlite"
    with FakeServer() as first, FakeServer() as second:

        def run(**changes):
            asked = {"predicates": PREDICATES, "lm": [first.url, second.url], "store": store, "columns": ["id"]}
            return scale.judge(tmp_path / "in", out=out, batch_size=8, **(asked | changes))

        result = run()
        table, found = judged(result)
        assert table["id"].to_pylist() == [row["id"] for row in rows] + [*range(60, 130), -3]
        assert table["row"].to_pylist() == [*range(62), *range(71)]
        assert set(table["file"].to_pylist()) == {"a.jsonl", "b.parquet"}
        worded = ~np.isin(table["id"].to_numpy(), [-1, -2])
        said = table.filter(worded)["text"].to_pylist()
        np.testing.assert_array_equal(found[worded], plain_judgments(first.url, said))
        assert np.isnan(found[~worded]).all()
        assert table["P(is polite)"].null_count == 2
        assert (result.n_texts, result.n_blank, result.n_failures) == (133, 2, 0)
        assert result.costs.calls == result.costs.judgments_asked == 260
        calls = len(first.calls), len(second.calls)
        assert min(calls[0] - 260, calls[1]) > 0  # the plain judge asked the first server

        again = run()
        assert again.new_parts == 0
        assert again.new_costs.calls == 0
        assert again.costs == result.costs
        manifest = json.loads((out / "job.json").read_text())
        assert manifest["finished"]
        assert [run["parts"] for run in manifest["runs"]] == [result.n_parts, 0]

        # A driver that was killed before it counted, and a part that somebody has deleted.
        manifest["done"], manifest["runs"] = {"parts": 3}, manifest["runs"][:1]
        (out / "job.json").write_text(json.dumps(manifest))
        lost = sorted((out / "parts").iterdir())[1]
        lost.unlink()
        write_lines(tmp_path / "in" / "c.jsonl", [{"text": "text 3", "id": 1}, {"text": "new", "id": 2}])
        grown = run()
        assert (grown.new_parts, grown.n_texts) == (2, 135)
        assert lost.exists()
        assert grown.new_costs.calls == 2  # the store on this machine has the others
        assert (len(first.calls), len(second.calls)) != calls

        with pytest.raises(scale.JobError, match=r"predicates: .* there, .* here"):
            run(predicates=["is something else"])
        with pytest.raises(scale.JobError, match=r"batch_size|columns"):
            run(columns=[])
        with FakeServer(models=["other-model"]) as other:
            with pytest.raises(scale.JobError, match="server:other-model"):
                run(lm=other.url)
            with pytest.raises(LanguageModelError, match="different models"):
                run(lm=[first.url, other.url])
        (tmp_path / "in" / "c.jsonl").unlink()
        with pytest.raises(scale.JobError, match=r"'c.jsonl', which is not among the texts any more"):
            run()


@on_ray
def test_answers_that_could_not_be_had_are_null_until_they_are_asked_for_again(tmp_path):
    texts = [f"text {n}" for n in range(12)]
    path = write_parquet(tmp_path / "texts.parquet", texts)
    healed = threading.Event()

    def unwell(body, text):
        return text in body["messages"][-1]["content"] and not healed.is_set()

    class Server(FakeServer):
        """Says neither yes nor no about one text, and refuses another."""

        def complete(self, body, headers):
            refused = 400, {"error": {"message": "the prompt is too long"}}
            return refused if unwell(body, "text 8") else super().complete(body, headers)

    def answer(body):
        return {"perhaps": 1.0} if unwell(body, "text 5") else default_answer(body)

    with Server(answer=answer) as server:

        def run(**options):
            return scale.judge(
                path, PREDICATES, tmp_path / "out", lm=server.url, batch_size=4, store=":memory:", workers=1, **options
            )

        result = run()
        _, found = judged(result)
        assert (result.n_failures, result.costs.failures) == (4, 4)
        assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [5, 8]
        assert run().new_parts == 0
        assert run(retry_failures=True).n_failures == 4
        healed.set()
        # The driver of the run that mends is killed before it counts what its workers have mended.
        before = (tmp_path / "out" / "job.json").read_text()
        mended = run(retry_failures=True)
        assert (mended.new_parts, mended.new_costs.calls, mended.n_failures, mended.n_texts) == (2, 4, 0, 12)
        assert mended.costs.calls == 32
        _, again = judged(mended)
        np.testing.assert_array_equal(again, plain_judgments(server.url, texts))
        (tmp_path / "out" / "job.json").write_text(json.dumps(json.loads(before) | {"finished": False}))
        counted = run(retry_failures=True)
        assert (counted.new_parts, counted.n_failures, counted.costs.calls) == (0, 0, 32)


@on_ray
def test_a_server_that_is_down_is_replaced_by_the_other(tmp_path):
    texts = [f"text {n}" for n in range(20)]
    path = write_parquet(tmp_path / "texts.parquet", texts)
    with FakeServer() as first, FakeServer() as second:
        first.stop()
        both = [first.url, second.url]
        result = scale.judge(path, PREDICATES, tmp_path / "out", lm=both, batch_size=5, store=":memory:", workers=1)
        _, found = judged(result)
        np.testing.assert_array_equal(found, plain_judgments(second.url, texts))
        second.stop()
        with pytest.raises(LanguageModelError, match="cannot connect"):
            scale.judge(path, ["is new"], tmp_path / "new", lm=both)
        assert not (tmp_path / "new" / "job.json").exists()


@on_ray
def test_a_worker_that_is_killed_is_replaced_and_nothing_finished_is_asked_again(tmp_path):
    texts = [f"text {n}" for n in range(120)]
    path = write_parquet(tmp_path / "texts.parquet", texts)
    out, folder = tmp_path / "out", tmp_path / "out" / "parts"
    victims = []

    def kill_one():
        _wait(lambda: folder.exists() and any(folder.glob("*.parquet")))
        part = next(folder.glob("*.parquet"))
        system, name = sources.resolve(part)
        victims.append(int(parts.read_info(system, name)["worker"].rpartition(":")[2]))
        with contextlib.suppress(ProcessLookupError):  # it has done its last block
            os.kill(victims[0], signal.SIGKILL)

    with FakeServer(delay=0.02) as server:
        killer = threading.Thread(target=kill_one)
        killer.start()
        result = scale.judge(
            path, PREDICATES, out, lm=f"{server.url}", batch_size=5, store=tmp_path / "s.sqlite", workers=2
        )
        killer.join()
        asked = Counter(body["messages"][-1]["content"] for body in server.calls)
        _, found = judged(result)
        np.testing.assert_array_equal(found, plain_judgments(server.url, texts))
    assert victims
    assert (result.n_parts, result.n_texts) == (24, 120)
    assert len(asked) == 240
    assert repetitions(asked) <= 10  # at most one block was under way


RUN = """
import sys
from nlparam import scale
source, out, store, url = sys.argv[1:]
if __name__ == "__main__":
    scale.judge(source, ["is about goals", "is polite"], out, lm=url, store=store, batch_size=10, workers=2)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="sends SIGKILL")
@on_ray
def test_a_killed_driver_loses_nothing(tmp_path):
    texts = [f"text {n}" for n in range(200)]
    path, out, log = write_parquet(tmp_path / "texts.parquet", texts), tmp_path / "out", tmp_path / "calls.txt"
    store = tmp_path / "store.sqlite"
    with server_process(log, delay=0.05) as url:
        command = [sys.executable, "-c", RUN, str(path), str(out), str(store), url]
        run_and_kill(command, log, after=150)
        # The workers end with their driver, on a busy machine a second or two later.
        assert len(settle(log, quiet=2.0)) < 400
        finished = {
            text for part in (out / "parts").glob("*.parquet") for text in pyarrow.parquet.read_table(part)["text"]
        }
        assert not json.loads((out / "job.json").read_text())["finished"]
        result = scale.judge(path, PREDICATES, out, lm=url, store=store, batch_size=10, workers=2)
        calls = Counter(finished_calls(log))
        _, found = judged(result)
        np.testing.assert_array_equal(found, plain_judgments(url, texts))
    assert (result.n_texts, result.n_parts) == (200, 20)
    assert 0 < len(finished) < 200
    assert result.new_texts == 200 - len(finished)
    assert len(calls) == 400
    assert repetitions(calls) <= 40  # what the two workers had under way: a block each
    repeated = [call for call, number in calls.items() if number > 1]
    assert not [call for call in repeated if any(f" {text} " in call for text in map(str, finished))]
    assert not list(out.rglob("*.partial"))


@on_ray
def test_embedding_and_denoting_equal_the_plain_functions(tmp_path):
    texts, _ = topics(90, 3)
    embedder = LexicalEmbedder(texts)
    path = write_lines(tmp_path / "texts.jsonl", [*texts[:50], "", *texts[50:]])
    result = scale.embed(path, tmp_path / "embedded", embedder=embedder, batch_size=16, keep_text=False, workers=1)
    table = result.dataset().to_table()
    assert table.column_names == ["file", "row", "embedding"]
    vectors = [vector for vector in table["embedding"].to_pylist() if vector is not None]
    with Store(":memory:") as store:
        np.testing.assert_allclose(vectors, embed_corpus(texts, embedder, store), atol=1e-6)
    assert table["embedding"].to_pylist()[50] is None
    assert (result.n_blank, result.costs.embeddings_computed) == (1, 90)

    rng = np.random.default_rng(0)
    features = TextFeatures(NgramFeatures.fit(texts, n_dimensions=5), rng.normal(size=(2, 64)).astype(np.float32))
    n_features = features.of(embedder.embed(texts[:2]), features.ngrams.transform(texts[:2])).shape[1]
    head = Head(rng.normal(size=(n_features, 3)), rng.normal(size=3), 1.0, np.full(3, 0.5))
    fit = make_fit(20, denoter=Denoter(embedder, features, head, embedder.identity),
                   settings={"embedder": "lexical", "embedder_identity": embedder.identity})  # fmt: skip
    fit.save(tmp_path / "fit")
    result = scale.denote(path, tmp_path / "fit", tmp_path / "denoted", embedder=embedder, batch_size=16, workers=1)
    table = result.dataset().to_table()
    found = np.stack([table[f"P({predicate})"].to_numpy() for predicate in fit.predicates], axis=1)
    np.testing.assert_allclose(found, fit.denote(table["text"].to_pylist()), atol=1e-5)
    assert found[50].tolist() == [0.0, 0.0, 0.0]


@on_ray
def test_many_large_files_are_read_by_the_workers(tmp_path, monkeypatch):
    monkeypatch.setattr("nlparam.scale.job._PLANNED_HERE", 0)
    for number in range(20):
        write_lines(tmp_path / f"{number}.jsonl", [{"text": f"text {row}", "id": row} for row in range(number + 1)])
    system, files = sources.list_files(tmp_path)
    options = scale.Options(batch_size=3, columns=["id"])
    expected = [sources.plan_file(system, one, text_field="text", columns=["id"], batch_size=3) for one in files]
    assert _plan(ray, system, files, options) == expected
    write_lines(tmp_path / "7.jsonl", [{"body": "a"}])
    with pytest.raises(CorpusError, match=r"7.jsonl has no field 'text'"):
        _plan(ray, system, files, options)


@on_ray
def test_bad_input(tmp_path):
    out = tmp_path / "out"
    empty = write_lines(tmp_path / "empty.jsonl", [])
    with FakeServer() as server:
        for source, message in [
            (tmp_path / "absent.parquet", "there is no file"),
            (empty, "no texts, all is empty"),
            (write_lines(tmp_path / "body.jsonl", [{"body": "a"}]), "has no field 'text'"),
        ]:
            with pytest.raises(CorpusError, match=message):
                scale.judge(source, PREDICATES, out, lm=server.url)
        # Found by a worker, in the last block. Those before are kept, but for the one that may be under way beside it.
        late = write_lines(tmp_path / "late.jsonl", [*({"text": f"text {n}"} for n in range(8)), {"text": 3}])
        with pytest.raises(CorpusError, match=r"line 9: the field 'text' is of type int"):
            scale.judge(late, PREDICATES, out, lm=server.url, batch_size=1, workers=1)
        assert len(list((out / "parts").iterdir())) in (7, 8)
    (tmp_path / "strange" / "parts").mkdir(parents=True)
    (tmp_path / "strange" / "parts" / "mine.parquet").touch()
    with FakeServer() as server:
        for _ in range(2):
            with pytest.raises(scale.JobError, match=r"holds files, but no job.json"):
                scale.judge(late, PREDICATES, tmp_path / "strange", lm=server.url)
    with pytest.raises(scale.JobError, match="lies in the output folder"):
        scale.embed(tmp_path, tmp_path)
    for options, message in [
        ({"predicates": []}, "expected at least one"),
        ({"predicates": ["a", "a"]}, "twice"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"columns": ["row"]}, "other than file, row"),
        ({"columns": ["P(a)"]}, r"the job itself adds \['P\(a\)'\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            scale.judge(late, **({"predicates": ["a"], "out": out, "lm": "embedded"} | options))


@on_ray
def test_the_command_line(tmp_path):
    from nlparam.cli.scale import app

    path = write_parquet(tmp_path / "texts.parquet", [f"text {n}" for n in range(10)])
    (tmp_path / "predicates.txt").write_text("is about goals\n\nis polite\n")
    with FakeServer() as server:
        command = ["judge", "--texts", str(path), "--predicates", str(tmp_path / "predicates.txt")]
        command += ["--lm", server.url, "--out", str(tmp_path / "out"), "--batch-size", "4", "--store", ":memory:"]
        command += ["--workers", "1"]
        shown = CliRunner().invoke(app, command)
        assert shown.exit_code == 0, shown.output
        assert "10 in 3 parts" in shown.stdout
        assert "20 calls" in shown.stdout
        said = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
        assert (said["n_texts"], said["new_texts"], said["costs"]["calls"]) == (10, 0, 20)
        assert scale.read(tmp_path / "out").count_rows() == 10


def test_without_ray_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    path = write_parquet(tmp_path / "texts.parquet", ["a"])
    with pytest.raises(MissingExtraError, match=r"nlparam\[ray\]"):
        scale.embed(path, tmp_path / "out")


def test_two_drivers_do_not_share_a_folder(tmp_path):
    path = write_parquet(tmp_path / "texts.parquet", ["a"])
    hold = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(1, flush=True); input()"
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-c", hold, str(tmp_path / "out" / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(scale.JobError, match="another process is at work"):
            scale.embed(path, tmp_path / "out")
        other.kill()


def _wait(true):
    deadline = time.monotonic() + 180
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
