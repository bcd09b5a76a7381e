"""`taxonomy.yaml`: a taxonomy written for a person who edits it, and read back line by line."""

import difflib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlparam.errors import EditError
from nlparam.taxonomies.checks import Problems
from nlparam.taxonomies.entries import Edited, Entry, entries_of, one_line
from nlparam.taxonomies.records import ROOT, Node, TreeLike

# A node of ruamel.yaml, whose class does not declare its `id` ("mapping", "sequence" or "scalar").
YamlNode = Any

FILE = "taxonomy.yaml"
_TOP = ("goal", "forbid", "tree")
_KEYS = ("id", "name", "predicate", "locked", "forbidden", "merge_into", "split", "children")
# A file that a person edits is far smaller; beyond this it is something else.
_MOST_BYTES = 10_000_000
_MOST_CHILDREN = 50
HEADER = """\
The taxonomy of {n_texts:,} texts. Edit this file, then run: nlparam refit {folder}

rename   change `name:`, what is shown; the texts stay, and nothing is asked
reword   change `predicate:`, what is judged; its texts are judged anew
lock     write `locked: true` under a node: a refit keeps it, whatever else changes
forbid   write `forbidden: true` under a node: another takes its place, and it is not proposed again
delete   take out the lines of a node: the same, but nothing takes its place
merge    write `merge_into: '2'` under a node: it and its sibling 2 become one, with the texts of both
split    write `split: true` under a node, or the number of children it is to have (`split: 3`)
move     move the lines of a node, with its `id:`, among the children of another
add      write a new node, `- predicate: mentions a price`, without `id:`; it is locked

Where you forbid, add, move, reword or split, the nodes beside it that are not locked are chosen anew; all others stay.
Nothing that was judged is judged again. The `id:` says which node the lines are about: leave it as it is."""
# Beside the keys of the file.
NOTES = {
    "goal": "as it was grown; it cannot be edited",
    "forbid": "predicates that may not come back, one a line (- is about the weather)",
}


def written(taxonomy: TreeLike, edited: Edited | None = None, *, folder: str | Path = "FOLDER") -> str:
    """The text of `taxonomy.yaml`: the tree with its sizes as comments, under a header that says how to edit it.

    `edited` is the tree as somebody has edited it, by default as it is; `parse` reads it back.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    edited = entries_of(taxonomy) if edited is None else edited

    def item(entry: Entry) -> CommentedMap:
        asked = {key: getattr(entry, key) for key in ("locked", "forbidden", "merge_into", "split")}
        lines = CommentedMap(
            ({} if entry.id is None else {"id": entry.id})
            | {"name": one_line(entry.shown), "predicate": one_line(entry.predicate)}
            | {key: value for key, value in asked.items() if value}
            | ({"children": CommentedSeq(map(item, entry.children))} if entry.children else {})
        )
        node = taxonomy.nodes.get(entry.id or "")
        if node is not None:
            within = f", {len(node) / max(len(taxonomy.nodes[node.parent or ROOT]), 1):.1%} of {node.parent}"
            size = f"{len(node):,} texts, {taxonomy.share(node.id):.1%}" + (within if node.depth > 1 else "")
            lines.yaml_add_eol_comment(f"{size}{unexplained(node)}", "id")
        return lines

    def unexplained(node: Node) -> str:
        left = taxonomy.residual(node.id)
        return "" if left is None else f"; {len(left):,} under none of its children"

    goal, forbid = str(taxonomy.settings.get("goal", "")), CommentedSeq(edited.forbid) if edited.forbid else None
    contents = CommentedMap({"goal": goal, "forbid": forbid})
    contents["tree"] = CommentedSeq(map(item, edited.tree))
    for key, note in NOTES.items():
        contents.yaml_add_eol_comment(note, key)
    contents.yaml_add_eol_comment(f"{len(taxonomy.root):,} texts{unexplained(taxonomy.root)}", "tree")
    contents.yaml_set_start_comment(HEADER.format(n_texts=len(taxonomy.corpus), folder=folder) + "\n\n")
    yaml = YAML()
    yaml.width = 2**20  # a predicate is never broken into lines
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(contents, stream)
    return stream.getvalue()


def read(path: str | Path) -> Edited:
    """Reads `taxonomy.yaml`. Raises `EditError`, with the line, if it is no YAML or says something unknown."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EditError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > _MOST_BYTES:
        raise EditError(f"{path} has {len(data):,} bytes, expected a file that a person edits: is it another file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise EditError(f"{path}, line {line}: not UTF-8 ({error.reason}): save the file as UTF-8") from error
    return parse(text, source=str(path))


def parse(text: str, *, source: str = FILE) -> Edited:
    """The same of a text."""
    problems = Problems(source)
    root = composed(text, source)
    _check_aliases(root, problems)
    problems.raise_any()
    fields = _fields(root, _TOP, problems, "the file") if root is not None else {}
    if root is None or (root.id == "mapping" and "tree" not in fields):
        problems.add(1, "there is no `tree:`: take the file of the history folder, and edit it again")
    problems.raise_any()
    forbid = [(_string(item, problems, "forbid"), _line(item)) for item in _items(fields.get("forbid"), problems)]
    tree = tuple(_entry(item, problems) for item in _items(fields.get("tree"), problems))
    problems.raise_any()
    named = [(predicate, line) for predicate, line in forbid if predicate]
    return Edited(tree, tuple(predicate for predicate, _ in named), tuple(line for _, line in named), source)


def composed(text: str, source: str) -> YamlNode:
    """The nodes of the YAML, no object made of them: scalars stay the text that they are ("1.10", "no")."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).compose(text)
    except RecursionError as error:
        raise EditError(f"{source} is nested too deeply to be a taxonomy") from error
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = mark.line + 1 if mark is not None else None
        problem = str(getattr(error, "problem", None) or error).replace("\n", " ")
        raise EditError(
            f"{source}, line {line or '?'}: not valid YAML: {_said(problem, text, line)}; nothing was changed"
        ) from error


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


def _line(node: YamlNode) -> int:
    return node.start_mark.line + 1


def _check_aliases(node: YamlNode, problems: Problems) -> None:
    if node is None:
        return
    if node.anchor is not None:
        problems.add(
            _line(node),
            "anchors and aliases (&, *) are not allowed, as a node could then stand under itself: write the lines out, "
            "and put a value that begins with & or * into quotes",
        )
    elif node.id != "scalar":
        for one in node.value:
            for part in one if isinstance(one, tuple) else (one,):
                _check_aliases(part, problems)


def _fields(node: YamlNode, keys: Sequence[str], problems: Problems, what: str) -> dict[str, YamlNode]:
    """The values of a mapping by their keys; what is unknown or said twice is a problem."""
    if node.id != "mapping":
        problems.add(_line(node), f"{what} is {_kind(node)}, expected `key: value` lines ({', '.join(keys)})")
        return {}
    found: dict[str, YamlNode] = {}
    for key, value in node.value:
        name = key.value if key.id == "scalar" else ""
        if name not in keys:
            close = difflib.get_close_matches(name, keys, n=1)
            hint = f"did you mean `{close[0]}:`?" if close else f"the keys are {', '.join(keys)}"
            problems.add(_line(key), f"unknown key `{name}:`; {hint}")
        elif name in found:
            problems.add(_line(key), f"`{name}:` stands twice in {what}: take one out")
        else:
            found[name] = value
    return found


def _kind(node: YamlNode) -> str:
    if node.id == "scalar":
        return f"the text {node.value[:40]!r}" if node.value else "empty"
    return "a list" if node.id == "sequence" else "`key: value` lines"


def _items(node: YamlNode, problems: Problems) -> list[YamlNode]:
    """The items of a list; a list that is left empty is one."""
    if node is None or (node.id == "scalar" and node.value in ("", "null", "~")):
        return []
    if node.id != "sequence":
        problems.add(_line(node), f"got {_kind(node)}, expected a list (lines that begin with -)")
        return []
    return node.value


def _string(node: YamlNode, problems: Problems, key: str) -> str | None:
    if node is None:
        return None
    if node.id != "scalar":
        problems.add(_line(node), f"`{key}:` is {_kind(node)}, expected words on one line")
        return None
    if str(node.tag).startswith("!") or "python" in str(node.tag):
        problems.add(_line(node), f"`{key}:` has the tag {node.tag}, expected plain words: put the value into quotes")
        return None
    return one_line(node.value)


_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "": False}


def _flag(node: YamlNode, problems: Problems, key: str) -> bool:
    value = _string(node, problems, key) or ""
    if value.lower() not in _TRUTH:
        problems.add(_line(node), f"`{key}: {value}`, expected `true` or `false`")
    return _TRUTH.get(value.lower(), False)


def _entry(node: YamlNode, problems: Problems) -> Entry:
    fields = _fields(node, _KEYS, problems, "a node")
    line = _line(node)
    children = tuple(_entry(item, problems) for item in _items(fields.get("children"), problems))
    texts = {key: _string(fields.get(key), problems, key) for key in ("id", "name", "predicate", "merge_into")}
    for key in ("name", "predicate", "merge_into", "id"):
        if texts[key] == "" and not (key == "name" and texts["predicate"]):
            problems.add(_line(fields[key]), f"`{key}:` is empty, expected {_EXPECTED[key]}")
    predicate = texts["predicate"] if "predicate" in fields else texts["name"]
    if fields and "predicate" not in fields and "name" not in fields:
        problems.add(
            line, "a node without `predicate:`: write what is to be judged, e.g. `predicate: mentions a price`"
        )
    return Entry(
        predicate=predicate or "",
        name=texts["name"] or predicate,
        id=texts["id"] or None,
        locked=_flag(fields.get("locked"), problems, "locked"),
        forbidden=_flag(fields.get("forbidden"), problems, "forbidden"),
        merge_into=texts["merge_into"] or None,
        split=_split(fields.get("split"), problems),
        children=children,
        line=line,
    )


_EXPECTED = {
    "name": "the words to be shown",
    "predicate": "what is to be judged of a text",
    "merge_into": "the id of a sibling",
    "id": "the id of a node (or no `id:` at all, for a new node)",
}


def _split(node: YamlNode, problems: Problems) -> int | bool:
    value = _string(node, problems, "split") or ""
    if value.isascii() and value.isdigit():
        if not 2 <= int(value) <= _MOST_CHILDREN:
            problems.add(_line(node), f"`split: {value}`, expected between 2 and {_MOST_CHILDREN} children")
        return int(value)
    if value.lower() not in _TRUTH:
        problems.add(_line(node), f"`split: {value}`, expected `true` or the number of children")
    return _TRUTH.get(value.lower(), False)
