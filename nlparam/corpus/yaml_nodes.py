"""YAML that people write, as nodes: scalars stay text ("1.10", "no"), and mistakes name their lines."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlparam.errors import CorpusError, EditError

# A node of ruamel.yaml, whose class does not declare its `id` ("mapping", "sequence" or "scalar").
YamlNode = Any
# A file that a person edits is far smaller; beyond this it is something else.
_MOST_BYTES = 10_000_000
_UNCHANGED = "nothing was changed"


class Problems:
    """What is wrong with a file, gathered so that a person sees all of it at once; raised as the `error`."""

    def __init__(self, source: str | None, error: type[CorpusError | EditError] = EditError):
        self.source, self.error, self.found = source, error, []

    def add(self, line: int | None, message: str) -> None:
        self.found.append((line or 0, message))

    def raise_any(self) -> None:
        """Raises the error if there is anything."""
        if not self.found:
            return
        where = self.source or "the edit"
        lines = [f"line {line}: {message}" if line else message for line, message in sorted(self.found)]
        if len(lines) == 1:
            raise self.error(f"{where}, {lines[0]}" if self.source else lines[0])
        more = [f"and {len(lines) - 20} more"] if len(lines) > 20 else []
        many = f"{len(lines)} mistakes" + (f", {_UNCHANGED}" if self.error is EditError else "")
        raise self.error("\n  ".join([f"{where} has {many}:", *lines[:20], *more]))


def read_text(path: Path, error: type[CorpusError | EditError] = EditError) -> str:
    """The text of a file that a person writes. Raises the `error` if it cannot be read, is too large, or no UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise error(f"cannot read {path}: {cause.strerror or cause}") from cause
    if len(data) > _MOST_BYTES:
        raise error(f"{path} has {len(data):,} bytes, expected a file that a person edits: is it another file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = data[: cause.start].count(b"\n") + 1
        raise error(f"{path}, line {line}: not UTF-8 ({cause.reason}): save the file as UTF-8") from cause


def composed(text: str, source: str, error: type[CorpusError | EditError] = EditError) -> YamlNode:
    """The nodes of the YAML, no object made of them; `None` for an empty text.

    Raises the `error` if it is no YAML, or has anchors, by which a node could stand under itself.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except RecursionError as cause:
        raise error(f"{source} is nested too deeply for a file that a person edits") from cause
    except YAMLError as cause:
        mark = cause.problem_mark if isinstance(cause, MarkedYAMLError) else None
        line = mark.line + 1 if mark is not None else None
        problem = _said(str(getattr(cause, "problem", None) or cause).replace("\n", " "), text, line)
        unchanged = f"; {_UNCHANGED}" if error is EditError else ""
        raise error(f"{source}, line {line or '?'}: not valid YAML: {problem}{unchanged}") from cause
    problems = Problems(source, error)
    _check_aliases(root, problems)
    problems.raise_any()
    return root


def line_of(node: YamlNode) -> int:
    """The line on which a node begins, from 1."""
    return node.start_mark.line + 1


def fields_of(node: YamlNode, keys: Sequence[str], problems: Problems, what: str) -> dict[str, YamlNode]:
    """The values of a mapping by their keys; what is unknown or said twice is a problem."""
    if node.id != "mapping":
        problems.add(line_of(node), f"{what} is {_kind(node)}, expected `key: value` lines ({', '.join(keys)})")
        return {}
    found: dict[str, YamlNode] = {}
    for key, value in node.value:
        name = key.value if key.id == "scalar" else ""
        if name not in keys:
            close = difflib.get_close_matches(name, keys, n=1)
            hint = f"did you mean `{close[0]}:`?" if close else f"the keys are {', '.join(keys)}"
            problems.add(line_of(key), f"unknown key `{name}:`; {hint}")
        elif name in found:
            problems.add(line_of(key), f"`{name}:` stands twice in {what}: take one out")
        else:
            found[name] = value
    return found


def items_of(node: YamlNode, problems: Problems) -> list[YamlNode]:
    """The items of a list; a list that is left empty is one."""
    if node is None or (node.id == "scalar" and node.value in ("", "null", "~")):
        return []
    if node.id != "sequence":
        problems.add(line_of(node), f"got {_kind(node)}, expected a list (lines that begin with -)")
        return []
    return node.value


def words_of(node: YamlNode, problems: Problems, key: str) -> str | None:
    """The words of a scalar, with one space between each two; `None` where there is no node."""
    text = text_of(node, problems, key)
    return None if text is None else " ".join(text.split())


def text_of(node: YamlNode, problems: Problems, key: str) -> str | None:
    """The text of a scalar as it is; `None` where there is no node."""
    if node is None:
        return None
    if node.id != "scalar":
        problems.add(line_of(node), f"`{key}:` is {_kind(node)}, expected words on one line")
        return None
    if str(node.tag).startswith("!") or "python" in str(node.tag):
        problems.add(line_of(node), f"`{key}:` has the tag {node.tag}, expected plain words: put the value into quotes")
        return None
    return node.value


def _said(problem: str, text: str, line: int | None) -> str:
    lines = text.split("\n")
    there = lines[line - 1] if line is not None and line <= len(lines) else ""
    if "\\t" in problem or "\t" in there[: len(there) - len(there.lstrip())]:
        return "the line begins with a tab: indent with spaces"
    if "mapping values are not allowed" in problem:
        return f"{problem} (put a value that has ': ' in it into quotes, and check how the line is indented)"
    if "another document" in problem:
        return "a line `---` begins a second document: take it out"
    if "anchor" in problem or "alias" in problem:
        return f"{problem} (put a value that begins with & or * into quotes)"
    return f"{problem} (check the quotes and how the lines are indented)"


def _check_aliases(node: YamlNode, problems: Problems) -> None:
    if node is None:
        return
    if node.anchor is not None:
        problems.add(
            line_of(node),
            "anchors and aliases (&, *) are not allowed, as a node could then stand under itself: write the lines out, "
            "and put a value that begins with & or * into quotes",
        )
    elif node.id != "scalar":
        for one in node.value:
            for part in one if isinstance(one, tuple) else (one,):
                _check_aliases(part, problems)


def _kind(node: YamlNode) -> str:
    if node.id == "scalar":
        return f"the text {node.value[:40]!r}" if node.value else "empty"
    return "a list" if node.id == "sequence" else "`key: value` lines"
