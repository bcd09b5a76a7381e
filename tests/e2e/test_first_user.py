"""A first-time user: from a CSV file to pages to pass on, with nothing but the README's commands.

The language model is a script behind a real HTTP server, which `NLPARAM_LM` names; the embedder is the real one.
"""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
import webbrowser
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.helpers import taxonomy_corpus
from tests.helpers.cli_corpus import run
from tests.helpers.fake_server import FakeServer
from tests.helpers.taxonomy_corpus import WORDS, make_texts, topic_of

_README = Path(__file__).parents[2] / "README.md"
_PREDICATES = [f"is about {name}" for name in dict.fromkeys(name for topic in WORDS for name in topic)]


def commands() -> list[str]:
    """The commands of the README's section for those who come with a file."""
    section = _README.read_text(encoding="utf-8").partition("## From a file to a page you can pass on\n")[2]
    block = re.search(r"```console\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return block[1].splitlines()


def answer(body: dict) -> str | dict[str, float]:
    """What a language model would say that knows the topics by their words."""
    content = body["messages"][-1]["content"]
    if body.get("logprobs"):
        if "Answer with 0, 1 or 2:" in content:
            return {"0": 0.05, "1": 0.15, "2": 0.8}
        text, _, question = content.rpartition("Property: ")
        holds = question.removesuffix(". Yes or no?").rpartition(" about ")[2] in topic_of(text)
        return {"yes": 0.95, "no": 0.05} if holds else {"yes": 0.05, "no": 0.95}
    written = taxonomy_corpus.write(content)
    # A request that no taxonomy makes is for properties, of texts in order or of two groups.
    return json.dumps(_PREDICATES) if written is None else written


def write(path: Path, texts: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text"])
        rows.writerows(enumerate(texts))


class _Page(HTMLParser):
    """What a page would load, and what it says."""

    def __init__(self, path: Path):
        super().__init__()
        self.loads: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        names = {"script": "src", "img": "src", "link": "href", "iframe": "src"}
        self.loads += [str(value) for name, value in attrs if name == names.get(tag) and "data:" not in str(value)[:5]]

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.slow
def test_from_a_csv_file_to_pages_to_pass_on(tmp_path, monkeypatch):
    texts, topics = make_texts(16)
    write(tmp_path / "chats.csv", texts)
    write(tmp_path / "new_chats.csv", make_texts(4, seed=1)[0])
    sports = [text for text, topic in zip(texts, topics, strict=True) if topic[0] == "sports"]
    others = [text for text, topic in zip(texts, topics, strict=True) if topic[0] != "sports"]
    write(tmp_path / "january.csv", sports[:24] + others[:8])
    write(tmp_path / "june.csv", sports[24:] + others[8:])
    asked = commands()
    assert len(asked) >= 5
    pages = []

    def looked_at(address):
        with urllib.request.urlopen(address) as page:
            pages.append(page.read().decode())

    def closed():
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", looked_at)
    monkeypatch.setattr("nlparam.cli.open._wait", closed)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    with FakeServer(answer=answer) as server:
        monkeypatch.setenv("NLPARAM_LM", server.url)
        for command in asked[:-1]:
            program, *arguments = shlex.split(command)
            done = run(*arguments)
            assert program == "nlparam"
            assert done.exit_code == 0, f"{command}\n{done.output}"
        # One of them as it is typed: a program that the shell finds.
        (tmp_path / "out/chats/report.html").unlink()
        typed = subprocess.run(asked[-1], shell=True, capture_output=True, text=True, check=False)
        assert typed.returncode == 0, f"{asked[-1]}\n{typed.stdout}\n{typed.stderr}"
    tree, months = _Page(tmp_path / "out/chats/report.html"), _Page(tmp_path / "out/months/report.html")
    assert tree.loads == months.loads == []
    assert sum("<html" in page for page in pages) == sum(" open " in command for command in asked) == 1
    said = " ".join(tree.words)
    for name in ("sports", "business", "science"):
        assert f"about {name}" in said
    assert any(text in said for text in texts)
    assert "about sports" in " ".join(months.words)
    found = json.loads((tmp_path / "out/months/comparison.json").read_text(encoding="utf-8"))
    claimed = [finding["predicate"] for finding in found["findings"] if finding["outcome"] == "claimed"]
    assert "is about sports" in claimed
    rows = (tmp_path / "new_chats.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 24
