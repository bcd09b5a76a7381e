"""`python -m benchmarks.data`: published sets are fetched, checked and converted, and what is wrong is said at once."""

import hashlib
import http.server
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from benchmarks import data as command
from benchmarks.commands import read_rows, read_yaml
from benchmarks.experiments.base import DataError
from benchmarks.experiments.build import build
from benchmarks.experiments.composing import CONFIGS
from benchmarks.experiments.data import catalogue, jsonl, load, names
from benchmarks.experiments.data.reference import read_published
from benchmarks.experiments.schema import validate
from nlparam.errors import NlparamError
from tests.benchmarks.test_experiments import choices

TOPICS = ["has a topic of food.", "has a topic of money."]
STATED = "Each description should be in the form of 'has a topic of <something>'."
NEWS = {"texts": ["soup", "rent", "tea"], "K": 2, "goal": STATED}
NEWS |= {"reference_phi_denotation": [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], "reference_phi_predicate_strings": TOPICS}
FORMS = ["has a language of French", "has a language of German", "has a topic of food", "has a topic of money"]
TIMES = {"texts_by_time": ["thé", "Miete", "Tee"], "K": 3, "discontinuity_penalty": 1.0, "goal": STATED}
TIMES["reference_phi_denotation"] = [[True, False, True, False], [False, True, False, True], [False, True, True, False]]
TIMES["reference_phi_predicate_strings"] = FORMS
STYLES = {"class_descriptions": ["has a writing style of rap", "has a writing style of poem"], "labels": [1, 0, 0]}
FILES = {
    "data/news.json": NEWS,
    "data/times.json": TIMES,
    "sums.json": ["1 + 1", "2 + 2"],
    "style/data.json": {"goal": "based on style, 'has a writing style of <something>'", "texts": ["yo", "oh", "ah"]},
    "style/labels.json": STYLES,
    "arguments.json": {"name": "arguments", "data": {"weak": ["because"], "strong": ["as shown", "hence"]}},
}
WRITTEN = {path: json.dumps(content).encode() for path, content in FILES.items()}


def entry(task: str, *paths: str, **more) -> dict:
    sizes = {path: len(WRITTEN[path]) for path in paths}
    return {"task": task, "repository": "some/papers", "files": sizes, "licences": ["free"]} | more


@pytest.fixture(scope="module")
def server():
    """Serves the files under /good/some/papers/abc/; under /broken/, each breaks off in the middle."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            _, kind, _, _, _, path = self.path.split("/", 5)
            body = WRITTEN.get(path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write((body or b"")[: None if kind == "good" else 5])

        def log_message(self, format, *args):
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}", asked
        served.shutdown()


@pytest.fixture
def sources(server, tmp_path, monkeypatch):
    """A small catalogue, whose host is the server; its folder of fetched sets is empty."""
    address, asked = server
    asked.clear()
    small = {
        "hosts": [address + "/good/{repository}/{commit}/{path}"],
        "commits": {"some/papers": "abc"},
        "licences": {"free": "do as you like", "ldc": "ask the LDC"},
        "sets": {
            "news": entry("clustering", "data/news.json"),
            "times": entry("time_series", "data/times.json", licences=["free", "ldc"]),
            "sums": entry("clustering", "sums.json", k=5, goal="the skills needed"),
            "syngoalex_style": entry("clustering", "style/data.json", "style/labels.json"),
            "arguments": entry("classification", "arguments.json", goal="what convinces"),
        },
        "absent": {"secret": {"task": "clustering", "why": "It is secret.", "ask": "Ask its owner."}},
    }
    monkeypatch.setattr(catalogue, "_sources", lambda: small)
    monkeypatch.setenv("NLPARAM_DATA", str(tmp_path / "fetched"))
    monkeypatch.delenv("NLPARAM_DATA_MIRROR", raising=False)
    return small


def run(capsys, *arguments: str, folder: Path) -> tuple[str, str]:
    """What the command prints and what it ends with, "" for success."""
    try:
        command.main([*arguments, "--data-folder", str(folder)])
        ended = ""
    except SystemExit as error:
        ended = str(error.code)
    printed = capsys.readouterr()
    return printed.out + printed.err, ended


@pytest.mark.usefixtures("sources")
def test_sets_of_every_format_are_fetched_and_converted(tmp_path, capsys):
    printed, ended = run(capsys, "fetch", "--accept", "all", folder=tmp_path)
    assert ended == ""
    assert printed.count(": fetched to ") == 5
    assert {"news", "times", "sums", "syngoalex_style", "arguments"} < set(names(tmp_path))
    news = load("news", folder=tmp_path)
    assert (news.task, news.texts, news.k, news.goal) == ("clustering", NEWS["texts"], 2, "the topic of the text")
    assert news.source == "some/papers@abc:data/news.json"
    assert news.reference is not None
    np.testing.assert_array_equal(news.reference, NEWS["reference_phi_denotation"])
    written = tmp_path / "fetched/cluster/news"
    assert (written / "texts.jsonl").read_text().splitlines()[0] == '{"text": "soup", "label": "food"}'
    meta = json.loads((written / "meta.json").read_text())
    assert meta["licence"] == "do as you like"
    assert meta["sha256"] == {"data/news.json": hashlib.sha256(WRITTEN["data/news.json"]).hexdigest()}
    sums = load("sums", folder=tmp_path)
    assert (sums.k, sums.goal, sums.reference) == (5, "the skills needed", None)
    assert load("arguments", folder=tmp_path).data == ["weak", "strong", "strong"]
    style = load("syngoalex_style", folder=tmp_path)
    assert (style.goal, style.reference_predicates) == (
        "the writing style of the text",
        tuple(STYLES["class_descriptions"]),
    )
    assert [path.name for path in (tmp_path / "fetched/cluster").iterdir() if path.name.startswith("tmp")] == []


@pytest.mark.usefixtures("sources")
def test_a_series_of_several_attributes_has_a_goal_for_each_and_makes_classes_of_all(tmp_path, capsys):
    run(capsys, "fetch", "times", "--accept", "all", folder=tmp_path)
    times = load("times", folder=tmp_path)
    assert (times.task, times.data, times.k, times.reference_predicates) == ("time_series", [0, 1, 2], 3, tuple(FORMS))
    topic = load("times", folder=tmp_path, goal_of="topic")
    assert (topic.goal, topic.k, topic.reference_predicates) == ("the topic of the text", 2, tuple(FORMS[2:]))
    classes = load("times", folder=tmp_path, conjunctions=True)
    assert (classes.task, classes.goal) == ("classification", "the language or topic of the text")
    assert len(set(classes.data)) == 3


@pytest.mark.usefixtures("sources")
def test_nothing_is_fetched_before_its_licences_are_accepted(server, tmp_path, capsys):
    _, ended = run(capsys, "fetch", "news", "times", "--accept", "free", folder=tmp_path)
    assert "not accepted, and nothing was fetched:\n  ldc (for times): ask the LDC\n" in ended
    assert "--accept free ldc" in ended
    assert server[1] == []
    assert not (tmp_path / "fetched").exists()
    assert run(capsys, "fetch", "news", "--accept", "free", folder=tmp_path)[1] == ""
    assert (
        "there is no licence fre, expected some of free, ldc, or all"
        in run(capsys, "fetch", "--accept", "fre", folder=tmp_path)[1]
    )


@pytest.mark.usefixtures("sources")
def test_what_is_here_is_not_fetched_again(server, tmp_path, capsys):
    shared = tmp_path / "shared/cluster/news"
    jsonl.write_set(read_published([_file(tmp_path, "data/news.json")], task="clustering"), shared)
    printed, ended = run(capsys, "fetch", "news", folder=tmp_path / "shared")
    assert (printed, ended, server[1]) == (f"news: here, {shared}\n", "", [])
    printed, _ = run(capsys, "fetch", "news", "--again", "--accept", "all", folder=tmp_path / "shared")
    assert f"news: fetched to {tmp_path / 'fetched/cluster/news'}" in printed
    assert run(capsys, "fetch", "news", "--again", "--accept", "all", folder=tmp_path)[1] == ""  # replaced


def _file(folder: Path, path: str, content: object = None) -> Path:
    file = folder / "published" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(WRITTEN[path] if content is None else json.dumps(content).encode())
    return file


def test_downloads_that_break_off_come_from_the_next_host(sources, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NLPARAM_DATA_MIRROR", server[0] + "/broken/{repository}/{commit}/{path}")
    assert run(capsys, "fetch", "news", "--accept", "all", folder=tmp_path)[1] == ""
    assert [asked.split("/")[1] for asked in server[1]] == ["broken", "good"]
    sources["hosts"] = []
    printed, ended = run(capsys, "fetch", "news", "sums", "--again", "--accept", "all", folder=tmp_path)
    assert ended == "1"
    assert "news: not fetched. no host has data/news.json:\n  http://127.0.0.1" in printed
    assert "5 bytes read" in printed
    assert (
        "2 of 2 sets were not fetched. Run the same command with a network, or name in NLPARAM_DATA_MIRROR" in printed
    )
    assert load("news", folder=tmp_path).texts == NEWS["texts"]  # what was there is kept
    assert not (tmp_path / "fetched/cluster/sums").exists()


def test_files_of_another_size_or_content_are_refused(sources, tmp_path, capsys):
    sources["sets"]["news"]["files"] = {"data/news.json": 7}
    printed, ended = run(capsys, "fetch", "news", "--accept", "all", folder=tmp_path)
    assert ended == "1"
    assert f"{len(WRITTEN['data/news.json'])} bytes, expected 7: it broke off, or is another file" in printed
    sources["sets"]["sums"]["sha256"] = "0" * 64
    printed, ended = run(capsys, "fetch", "sums", "--accept", "all", folder=tmp_path)
    assert "expected 0000000000000000...: a file is not the one that was published" in printed
    assert names(tmp_path) == ["bbc", "sotu", "headlines"]


def test_hosts_may_be_folders_of_clones_and_wrong_ones_are_said(sources, tmp_path, monkeypatch, capsys):
    clone = tmp_path / "clones/papers/data/news.json"
    clone.parent.mkdir(parents=True)
    clone.write_bytes(WRITTEN["data/news.json"])
    sources["hosts"] = []
    monkeypatch.setenv("NLPARAM_DATA_MIRROR", "http://nowhere.invalid/{owner}, " + str(tmp_path / "clones"))
    assert run(capsys, "fetch", "news", "--accept", "all", folder=tmp_path)[1] == ""
    printed, _ = run(capsys, "fetch", "sums", "--accept", "all", folder=tmp_path)
    assert "http://nowhere.invalid/{owner}: 'owner'" in printed
    assert f"{tmp_path / 'clones/some/papers/sums.json'}: No such file or directory" in printed


@pytest.mark.usefixtures("sources")
def test_sets_that_cannot_be_had_and_unknown_ones_are_said(tmp_path, capsys):
    _, ended = run(capsys, "fetch", "secret", folder=tmp_path)
    assert "'secret' cannot be fetched. It is secret. Ask its owner. What you have goes to " in ended
    assert ended.endswith("/fetched/cluster/secret, in the format of docs/how-to/experiments.md")
    _, ended = run(capsys, "fetch", "new", folder=tmp_path)
    assert "there is no public set 'new', expected some of news, times, " in ended
    printed, _ = run(capsys, "list", folder=tmp_path)
    assert "times: can be fetched, 0.0 MB; licences free, ldc" in printed
    assert "Ask its owner." in printed
    assert "ldc: ask the LDC" in printed


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"labels": [0, 1]}, "2 entries in 'reference_phi_denotation' for 3 texts"),
        ({"labels": [0, 1, None]}, "the label None is none of the 2 'class_descriptions'"),
        ({"class_descriptions": ...}, "class_descriptions is .*: Field required"),
    ],
)
def test_published_labels_that_are_missing_are_said(labels, message, tmp_path):
    given = {key: value for key, value in (STYLES | labels).items() if value is not ...}
    files = [_file(tmp_path, "style/data.json"), _file(tmp_path, "style/labels.json", given)]
    with pytest.raises(DataError, match=message):
        read_published(files, task="clustering")


@pytest.mark.usefixtures("sources")
def test_missing_labels_end_a_run_before_anything_is_computed(tmp_path):
    own = tmp_path / "cluster/own"
    own.mkdir(parents=True)
    (own / "meta.json").write_text('{"kind": "clustering"}')
    (own / "texts.jsonl").write_text('{"text": "soup", "label": "food"}\n{"text": "rent", "label": null}\n')
    config = validate({"dataset": {"name": "own"}, "data_folder": str(tmp_path), "out": str(tmp_path / "out")})
    with pytest.raises(DataError, match=r"texts\.jsonl, line 2: label is None: Input should be 'food'"):
        build(config)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("sources")
def test_fetched_labels_are_the_truth_of_another_goal(tmp_path, capsys):
    run(capsys, "fetch", "syngoalex_style", "--accept", "all", folder=tmp_path)
    topics = read_published(
        [_file(tmp_path, "data/news.json", NEWS | {"texts": ["yo", "oh", "ah"]})], task="clustering"
    )
    jsonl.write_set(topics, tmp_path / "cluster/syngoalex_topic")
    style = load("syngoalex_topic", folder=tmp_path, goal_of="style")
    assert style.reference_predicates == tuple(STYLES["class_descriptions"])
    assert style.reference is not None
    assert style.reference.argmax(axis=1).tolist() == STYLES["labels"]


def test_the_catalogue_is_complete(shared_data):
    public, absent = catalogue.public_sets(), catalogue.absent_sets()
    assert {name for one in public.values() for name in one.licences} == set(catalogue.licences())
    known = {read_yaml(CONFIGS / f"dataset/{choice}.yaml")["name"] for choice in choices("dataset")}
    assert {*public, "nyt", "wiki", "nyt_classification", "bbc"} <= known | {"syngoalex_style", "syngoalex_language"}
    assert {"agnews", "dbpedia", "bills", "topics", "location", "language", "full"} <= set(public)
    assert {"nyt", "wiki", "nyt_classification"} <= set(absent)
    lines = (shared_data / "MANIFEST.sha256").read_text().splitlines()
    manifest = {path: digest for digest, path in map(str.split, lines)}
    for one in public.values():
        assert one.sha256 == manifest.get(f"{one.place}/texts.jsonl")


@pytest.mark.parametrize(
    "name", ["agnews", "cluster/dummy", "time_series/dummy", "classification/dummy", "goalex_debug"]
)
def test_written_sets_have_the_digest_of_the_shared_ones(name, shared_data, tmp_path):
    public = catalogue.public_sets()[name]
    jsonl.write_set(jsonl.read_set(shared_data / public.place, name), tmp_path / "set")
    assert hashlib.sha256((tmp_path / "set/texts.jsonl").read_bytes()).hexdigest() == public.sha256


def test_what_a_fresh_clone_has_is_the_default():
    assert {"dataset": "bbc"} in read_yaml(CONFIGS / "config.yaml")["defaults"]
    for experiment in (CONFIGS / "experiment/paper").glob("*.yaml"):
        chosen = next(one for one in read_yaml(experiment)["defaults"] if "override /dataset" in one)
        assert read_yaml(CONFIGS / f"dataset/{chosen['override /dataset']}.yaml")["name"] == "bbc"


@pytest.mark.usefixtures("sources")
def test_without_pooch_the_extra_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pooch", None)
    _, ended = run(capsys, "fetch", "news", "--accept", "all", folder=tmp_path)
    assert ended == "Error: fetching a data set needs the package 'pooch': pip install 'nlparam[benchmarks]'"


def test_measurements_say_how_to_get_a_missing_set(tmp_path):
    with pytest.raises(NlparamError, match=r"agnews is not here: `python -m benchmarks\.data list` says"):
        read_rows(tmp_path / "cluster" / "agnews")
