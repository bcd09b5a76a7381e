"""The commands of the tutorial, run one after another on a language model whose answers are recorded.

A block of `console` with one of `text` behind it is run, and the text is what it prints; `...` stands for anything.
The answers lie in `tests/recorded/tutorial/` as exports of a store. To record them anew, with the weights of the 1.5B
model and an empty folder: `python -m tests.helpers.recorded_tutorial FOLDER`. It prints what the page is to show.
"""

import contextlib
import json
import os
import re
import shlex
import sys
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from nlparam.denotation import session
from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.lm import load_language_model
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.store import Store
from nlparam.runtime.compiled import machine
from tests.helpers.cli_corpus import run
from tests.helpers.recorded_runs import RECORDED, export_recorded, recorded_model, recorded_store

FOLDER = RECORDED / "tutorial"
PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "getting-started.md"
_LINES = r"(?:(?!```).*\n)"
_BLOCK = re.compile(
    rf"^```(?:console\n(?P<command>nlparam {_LINES}+?)```\s+```text\n(?P<said>{_LINES}*)"
    rf"|python\n(?P<code>{_LINES}+))```$",
    re.MULTILINE,
)
# The same weights in another build: their answers are a little different, and come sooner.
_LM = "native"


class Step(NamedTuple):
    """A command of the page and what it prints there, or code."""

    command: str | None
    said: str | None
    code: str | None


class Ran(NamedTuple):
    """A command that was run: what the page shows and what it printed, both standard output."""

    command: str
    shown: str
    printed: str
    exit_code: int


def steps() -> list[Step]:
    """What a reader of the page does, in order; the first code makes the file of texts."""
    found = [Step(*block.group("command", "said", "code")) for block in _BLOCK.finditer(PAGE.read_text("utf-8"))]
    codes = [step for step in found if step.code is not None]
    return [codes[0], *(step for step in found if step.code is None)]


def expected() -> dict[str, str | list]:
    """The identities of model and embedder, the `edits` on the page, and the keys that a person presses (`answers`)."""
    return json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def replay(folder: Path) -> list[Ran]:
    """Runs the page in a folder; whatever is not recorded is an error."""
    store = recorded_store(folder / "store.sqlite", FOLDER)
    return walk(folder, recorded_model(str(expected()["identity"])), store)


def walk(folder: Path, lm: AbstractLanguageModel, store: Path) -> list[Ran]:
    """Runs the commands of the page in a folder, with a language model in the place of the one they name."""
    ran = []
    with contextlib.chdir(folder), _in_place(lm, store):
        for step in steps():
            if step.command is None:
                exec(compile(step.code or "", str(PAGE), "exec"), {})
                continue
            answers = "\n".join(expected()["answers"]) if step.command.startswith("nlparam label") else None
            result = run(*shlex.split(step.command.replace("\\\n", " "))[1:], input=answers)
            ran.append(Ran(step.command.strip(), step.said or "", result.stdout, result.exit_code))
    return ran


@contextlib.contextmanager
def _in_place(lm: AbstractLanguageModel, store: Path) -> Iterator[None]:
    """The language model, its store, and a reader who edits the page that is opened, then closes it."""
    with (
        mock.patch.object(session, "load_language_model", return_value=lm),
        mock.patch.dict(os.environ, {"NLPARAM_STORE": str(store)}),
        mock.patch.object(webbrowser, "open", _edit),
        mock.patch("nlparam.cli.open._wait", side_effect=KeyboardInterrupt),
    ):
        yield


def _edit(address: str) -> None:
    """The edits of the tutorial, as the page asks for them."""

    def ask(name: str, **given: object) -> dict:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{address}api/{name}", json.dumps(given).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as found:
            return json.load(found)

    version = ask("tree")["version"]
    for operation in expected()["edits"]:
        said = ask("edit", version=version, operation=operation)
        assert "error" not in said, said
        version = said["version"]


def _record(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lm, path = load_language_model(_LM), folder / "store.sqlite"
    for ran in walk(folder, lm, path.absolute()):
        print(f"$ {ran.command}\n{ran.printed}(exit code {ran.exit_code})\n", flush=True)
    with Store(path) as store:
        export_recorded(store, FOLDER)
    kept = expected() | {"identity": lm.identity, "embedder": SentenceTransformerEmbedder(None).identity}
    kept["machine"] = machine()
    (FOLDER / "expected.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _record(Path(sys.argv[1]))
