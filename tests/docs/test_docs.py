"""What the README and the documentation say holds: code runs, links lead somewhere, commands have their options."""

import inspect
import re
import shlex
import sys
import types
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main

import nlparam
from nlparam.results.folder import KINDS

ROOT = Path(__file__).resolve().parents[2]
SKILL = ROOT / "SKILL.md"
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", SKILL.name)]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

# A code block that needs a language model, or files of the reader's, has this comment before it.
NEEDS_MODEL = "<!-- needs a language model -->\n"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    language: str
    code: str
    line: int
    runs: bool


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in FENCE.finditer(text):
        before = text[: fence.start()]
        found.append(Block(fence[1], fence[2], before.count("\n") + 2, not before.endswith(NEEDS_MODEL)))
    return found


def with_code(language: str) -> list:
    """The pages with code in a language, named for pytest."""
    pages = [page for page in PAGES if any(block.language == language for block in blocks(page))]
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages]


@pytest.fixture
def own_kinds():
    """A page may enter a kind of result of its own: it is forgotten after the test."""
    before = dict(KINDS)
    yield
    KINDS.clear()
    KINDS.update(before)


@pytest.mark.usefixtures("own_kinds")
@pytest.mark.parametrize("page", with_code("python"))
def test_python_runs(page, tmp_path, monkeypatch):
    # The blocks of a page go on from one another, as a reader would type them; those with a model are only compiled.
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # classes of the page are found by their names
    for block in blocks(page):
        if block.language == "python":
            code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
            if block.runs:
                exec(code, vars(module))


@pytest.mark.parametrize("page", with_code("console"))
def test_commands_have_the_options_shown(page):
    from nlparam.cli import app

    shown = 0
    for block in blocks(page):
        for line in block.code.replace("\\\n", " ").splitlines() if block.language == "console" else []:
            words = shlex.split(line)
            if words[0] == "nlparam":
                check_command(typer.main.get_command(app), words[1:], line)
                shown += 1
            elif words[0] == "make":
                assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), line
    assert shown or page.name in {"README.md", "CONTRIBUTING.md", "getting-started.md", "language-models.md"}


def check_command(command, words: list[str], line: str) -> None:
    """Descends to the subcommand and parses the rest; `--help`-free, and nothing is run."""
    while hasattr(command, "commands"):
        assert words, f"no command: {line}"
        assert words[0] in command.commands, f"unknown command {words[0]!r}: {line}"
        command, words = command.commands[words[0]], words[1:]
    with command.make_context("nlparam", list(words)):
        pass


def test_the_skill_names_options_and_files_that_are_there():
    from nlparam.cli import app

    text = FENCE.sub("", SKILL.read_text(encoding="utf-8"))
    known = options_of(typer.main.get_command(app))
    named = set(re.findall(r"`(?:[a-z ]+)?(--[a-z-]+)[^`]*`", text))
    assert {"--json", "--dry-run", "--max-calls", "--overwrite"} <= named
    assert named <= known
    assert set(re.findall(r"`(\w+\.json)`", text)) <= set(KINDS)
    assert text.startswith(f"---\nname: {nlparam.__name__}\ndescription: ")


def options_of(command) -> set[str]:
    """The names of all options of a command and of those below it."""
    found = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return found.union(*(options_of(below) for below in getattr(command, "commands", {}).values()))


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if target.startswith(("http://", "https://")):
            continue  # nothing is fetched in a test
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor and file.suffix == ".md" and "." not in anchor:  # anchors with dots are made by mkdocstrings
            assert anchor in anchors(file), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@pytest.mark.parametrize("module", [nlparam, nlparam.models, nlparam.testing], ids=lambda module: module.__name__)
def test_public_names_have_docstrings(module):
    names = getattr(module, "__all__", None) or [name for name in vars(module) if name[0].isupper()]
    assert names
    for name in names:
        found = getattr(module, name)
        doc = inspect.getdoc(found)
        inherited = next((base.__doc__ for base in getattr(found, "__bases__", ()) if base.__doc__), None)
        assert doc, name
        assert doc != inherited, name
        assert not doc.startswith(f"{name}("), f"{name}: a docstring that a dataclass made by itself"


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.name) for page in (ROOT / "docs" / "reference" / "api").glob("*.md")]
)
def test_api_pages_name_what_is_there(page):
    import importlib

    for name in re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        module, attribute = name.rsplit(".", 1)
        found = getattr(importlib.import_module(module), attribute, None) or importlib.import_module(name)
        assert inspect.getdoc(found), name


def test_navigation_lists_every_page():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    for page in (ROOT / "docs").rglob("*.md"):
        assert f": {page.relative_to(ROOT / 'docs').as_posix()}\n" in navigation, page


def test_the_two_commands_of_the_readme():
    commands = "\n".join(block.code for block in blocks(ROOT / "README.md") if block.language == "console")
    assert {"make demo", "make test"} <= set(commands.splitlines())


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_modules_that_are_named_are_there(page):
    for path in re.findall(r"`([\w-]+(?:/[\w-]+)+\.py)`", FENCE.sub("", page.read_text(encoding="utf-8"))):
        assert (ROOT / path).exists() or (ROOT / "nlparam" / path).exists(), f"{page.name}: {path}"


def test_rooms_and_modules_that_are_listed_are_there():
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| `([a-z]+)` \|", text, re.MULTILINE)
    assert set(rooms) == {path.parent.name for path in (ROOT / "nlparam").glob("*/__init__.py")}
    folder, listed = "", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "| `fitting/search` |" in listed
    for room, files in re.findall(r"^\| (`[a-z/]+`)? ?\| (`\w+\.py`[^|]*) \|", listed, re.MULTILINE):
        folder = room.strip("`") or folder
        for file in re.findall(r"`(\w+\.py)`", files):
            assert (ROOT / "nlparam" / folder / file).exists(), f"{folder}/{file}"
