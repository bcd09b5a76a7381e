"""The doctor tries every part of the chain, names what it found, and never falls ill itself."""

import importlib.metadata
import json
import shutil

import numpy as np
import pytest

from nlparam.cli import doctor
from nlparam.lm.store import Store
from tests.helpers.cli_corpus import run
from tests.helpers.fake_server import FakeServer
from tests.helpers.services import KEY, SpokenService

NOWHERE = "http://127.0.0.1:1/v1"


class Embedder:
    """In place of MiniLM, which takes seconds to load; a test of its own tries the real one."""

    def __init__(self, name=None):
        self.identity = f"fake embedder {name}"

    def embed(self, texts):
        return np.ones((len(texts), 7), dtype=np.float32)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("nlparam.language.embed.SentenceTransformerEmbedder", Embedder)


@pytest.fixture(scope="module")
def server():
    with FakeServer(answer=lambda _: {"Yes": 0.72, "no": 0.24}) as running:
        yield running


def diagnose(*arguments, code):
    """The checks by name, as `--json` prints them."""
    result = run("doctor", "--json", *arguments)
    assert result.exit_code == code, result.output
    printed = json.loads(result.stdout)
    assert printed["ok"] == (code == 0)
    return {check["name"]: check for check in printed["checks"]}


def problems(checks) -> dict[str, str]:
    return {name: check["found"] for name, check in checks.items() if not check["ok"]}


@pytest.mark.slow
def test_all_is_well(tmp_path, server):
    calls, store = len(server.calls), tmp_path / "store.sqlite"
    with Store(store) as kept:
        kept.put_judgments("model", "1", [("is about sports", "0" * 64, 0.5)])
    checks = diagnose("--lm", server.url, "--store", store, code=0)
    assert "sha256:" in checks["embedder"]["found"]
    assert "384 dimensions" in checks["one embedding"]["found"]
    assert checks["language model"]["found"] == f"server:fake-model at {server.url}"
    assert "P(yes) = 0.75" in checks["one judgment"]["found"]
    assert checks["store"]["found"].startswith(f"{store}, writable: 1 judgments, 0 proposals, 0 embeddings")
    for package in ("nlparam", "jax", "sentence-transformers"):
        assert f"{package} {importlib.metadata.version(package)}" in checks["packages"]["found"]
    assert "cpu" in checks["JAX"]["found"].lower() or "gpu" in checks["JAX"]["found"].lower()
    assert "likeliest tokens" in checks["labels"]["found"]
    per_run = len(server.calls) - calls
    assert per_run == 5  # four to find out what the server can do, and one judgment
    diagnose("--lm", server.url, "--store", store, code=0)
    assert len(server.calls) == calls + 2 * per_run  # each judgment is asked, not looked up
    with Store(store) as kept:
        assert kept.counts() == (1, 0, 0)  # and leaves the store as it was


@pytest.mark.usefixtures("quick")
def test_the_table_says_the_same(server):
    result = run("doctor", "--lm", server.url, "--embedder", "mine\x1b[31m")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "all is well"
    assert "P(yes) = 0.75" in result.stdout
    assert "fake embedder mine[U+001B][31m" in result.stdout
    assert "\x1b" not in result.output
    sick = run("doctor", "--lm", NOWHERE)
    assert sick.exit_code == 1
    [line] = [line for line in sick.stdout.splitlines() if "problem" in line and line.startswith("language model")]
    assert f"cannot connect to {NOWHERE}" in line
    assert "vllm serve" in line
    assert sick.stdout.splitlines()[-1].startswith("1 of ")


@pytest.mark.usefixtures("quick")
def test_a_password_in_the_address_is_used_and_not_shown(server):
    result = run("doctor", "--lm", server.url.replace("http://", "http://me:secret@"))
    assert result.exit_code == 0, result.output
    assert server.url in result.stdout
    assert "secret" not in result.output
    # "me:secret", not the API key
    headers = {name.lower(): value for name, value in server.headers_seen[-1].items()}
    assert headers["authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.usefixtures("quick")
def test_a_service_by_its_name(monkeypatch):
    def says(question):
        return "Yes" if "two plus two" in question or "sports" in question else "blue"

    with SpokenService("anthropic", says=says) as service:
        for variable, value in service.variables.items():
            monkeypatch.setenv(variable, value)
        result = run("doctor", "--lm", "anthropic:model-1")
    assert result.exit_code == 0, result.output
    lines = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    assert "server:model-1-20260101 at http://127.0.0.1" in lines["language model"]
    assert "the words of its answer: no log-probabilities, so a judgment is 0 or 1" in lines["labels"]
    assert "P(yes) = 1.00" in lines["one judgment"]
    assert "gives no log-probabilities" in result.stderr
    assert KEY not in result.output
    sick = run("doctor", "--lm", "openai:gpt-4o-mini", env={"OPENAI_API_KEY": None})
    assert "openai:gpt-4o-mini needs a key, and OPENAI_API_KEY is not set" in sick.stdout


@pytest.mark.usefixtures("quick")
def test_a_model_that_answers_something_else():
    with FakeServer(answer=lambda _: {"perhaps": 0.9, "yes": 0.004}) as server:
        found = problems(diagnose("--lm", server.url, code=1))
    assert list(found) == ["one judgment"]
    assert "neither yes nor no" in found["one judgment"]
    with FakeServer(answer=lambda _: {"yes": 0.1, "no": 0.9}) as server:
        checks = diagnose("--lm", server.url, code=0)
    assert "a stronger model would say yes" in checks["one judgment"]["found"]


@pytest.mark.usefixtures("quick")
def test_every_problem_is_named_and_the_other_checks_go_on(tmp_path, monkeypatch, server):
    checks = diagnose("--lm", server.url, "--store", tmp_path, code=1)
    assert list(problems(checks)) == ["store"]
    assert "is a folder, expected a file" in checks["store"]["found"]
    assert checks["one judgment"]["ok"]

    checks = diagnose("--lm", f"{server.url}#other", code=1)
    assert list(problems(checks)) == ["language model"]
    assert "does not serve the model 'other' but fake-model" in checks["language model"]["found"]

    def broken():
        raise OSError("libcuda.so: cannot open shared object file")
        yield

    monkeypatch.setattr(doctor, "_devices", broken)
    checks = diagnose("--lm", server.url, code=1)
    assert problems(checks) == {"devices": "failed with OSError: libcuda.so: cannot open shared object file"}


def test_an_embedder_that_is_none(tmp_path, server):
    found = problems(diagnose("--lm", server.url, "--embedder", tmp_path, code=1))
    assert list(found) == ["embedder"]
    assert "is not the folder of an embedder" in found["embedder"]


@pytest.mark.usefixtures("quick")
def test_weights_that_have_not_been_pulled(tmp_path, monkeypatch):
    pytest.importorskip("xllamacpp")
    monkeypatch.setenv("NLPARAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    found = problems(diagnose(code=1))
    assert "run `nlparam lm pull qwen2.5-coder-1.5b`" in found["language model"]


@pytest.mark.usefixtures("quick")
def test_packages_that_are_missing_or_too_old(monkeypatch, server):
    wanted = ["numpy>=9999", "no-such-package-here>=1", "another-one; extra == 'vllm'", "typer"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: wanted)
    found = problems(diagnose("--lm", server.url, code=1))["packages"]
    assert f"numpy is {np.__version__}: pip install 'numpy>=9999'" in found
    assert "no-such-package-here is missing: pip install 'no-such-package-here>=1'" in found
    assert "another-one" not in found
    assert "typer is" not in found


@pytest.mark.usefixtures("quick")
def test_a_full_disk(monkeypatch, server):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    found = problems(diagnose("--lm", server.url, code=1))
    assert set(found) == {"disk of the store", "disk of the cache"}
    assert "free some space" in found["disk of the store"]
