"""`taxonomy.yaml`: a taxonomy written for a person who edits it, and read back line by line."""

import dataclasses
import difflib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nlparam.errors import EditError
from nlparam.taxonomies.records import ROOT, STATUS, Node, TreeLike

# A node of ruamel.yaml, whose class does not declare its `id` ("mapping", "sequence" or "scalar").
YamlNode = Any

FILE = "taxonomy.yaml"
_TOP = ("goal", "forbid", "tree")
_KEYS = ("id", "name", "predicate", "locked", "forbidden", "merge_into", "split", "children")
# A file that a person edits is far smaller; beyond this it is something else.
_MOST_BYTES = 10_000_000
_MOST_CHILDREN = 50
_HEADER = """\
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


@dataclasses.dataclass(frozen=True)
class Entry:
    """A node as `taxonomy.yaml` has it: what is there, and what is asked for.

    **Attributes:**

    - `predicate`: what is judged. `name`: what is shown, by default the predicate.
    - `id`: the node of the tree before the edit, `None` for a new one.
    - `locked`, `forbidden`, `merge_into` (the id of a sibling), `split` (`True`, or a number of children): the edits.
    - `children`: the entries under it.
    - `line`: where it begins in the file, `None` if it is from no file.
    """

    predicate: str
    name: str | None = None
    id: str | None = None
    locked: bool = False
    forbidden: bool = False
    merge_into: str | None = None
    split: int | bool = False
    children: "tuple[Entry, ...]" = ()
    line: int | None = None

    @property
    def shown(self) -> str:
        """The name, or the predicate where there is none."""
        return self.name or self.predicate

    def walk(self) -> "Iterator[Entry]":
        """The entry and all below it, depth first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclasses.dataclass(frozen=True)
class Edited:
    """The whole of `taxonomy.yaml`: `tree`, the entries under the root; `forbid`, predicates that may not come back."""

    tree: tuple[Entry, ...]
    forbid: tuple[str, ...] = ()
    # The lines of `forbid`, for messages.
    forbid_lines: tuple[int | None, ...] = ()
    source: str | None = None

    def walk(self) -> Iterator[Entry]:
        """All entries, depth first."""
        for entry in self.tree:
            yield from entry.walk()


def one_line(words: str) -> str:
    """Words with one space between each two."""
    return " ".join(words.split())


def distinct(predicates: Iterable[str]) -> tuple[str, ...]:
    """Predicates without those that differ from an earlier one in case only."""
    first: dict[str, str] = {}
    for predicate in predicates:
        first.setdefault(predicate.casefold(), predicate)
    return tuple(first.values())


def either(predicates: Iterable[str]) -> str:
    """One sentence for several predicates: "is about sport, or is about games"."""
    return ", or ".join(distinct(predicates))


def judged(node: Node) -> str:
    """The predicate of a node as it was judged."""
    return node.judged_as or node.predicate or ""


def forbidden_in(taxonomy: TreeLike) -> tuple[str, ...]:
    """The predicates that may not be anywhere in a taxonomy."""
    return tuple(taxonomy.settings.get("excluded") or ())


def entries_of(taxonomy: TreeLike) -> Edited:
    """What `taxonomy.yaml` says of a taxonomy that nobody has edited."""

    def entry(node: Node) -> Entry:
        return Entry(
            predicate=judged(node),
            name=node.predicate,
            id=node.id,
            locked=node.status is STATUS.locked,
            children=tuple(entry(child) for child in taxonomy.children(node.id)),
        )

    forbid = forbidden_in(taxonomy)
    return Edited(tuple(entry(child) for child in taxonomy.children()), forbid, (None,) * len(forbid))


def written(taxonomy: TreeLike, *, folder: str | Path = "FOLDER") -> str:
    """The text of `taxonomy.yaml`: the tree with its sizes as comments, under a header that says how to edit it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    edited = entries_of(taxonomy)

    def block(entries: Sequence[Entry]) -> CommentedSeq:
        lines = CommentedSeq()
        for entry in entries:
            assert entry.id is not None  # of a tree, not of a file
            lines.append(item(entry, taxonomy.nodes[entry.id]))
        return lines

    def item(entry: Entry, node: Node) -> CommentedMap:
        values: dict[str, Any] = {"id": entry.id, "name": one_line(entry.shown), "predicate": one_line(entry.predicate)}
        values |= {"locked": True} if entry.locked else {}
        values |= {"children": block(entry.children)} if entry.children else {}
        lines = CommentedMap(values)
        within = f", {_percent(len(node), len(taxonomy.nodes[node.parent or ROOT]))} of {node.parent}"
        size = f"{len(node):,} texts, {taxonomy.share(node.id):.1%}" + (within if node.depth > 1 else "")
        lines.yaml_add_eol_comment(f"{size}{unexplained(node)}", "id")
        return lines

    def unexplained(node: Node) -> str:
        left = [child for child in taxonomy.children(node.id, residual=True) if child.residual]
        return f"; {len(left[0]):,} under none of its children" if left else ""

    goal, forbid = str(taxonomy.settings.get("goal", "")), CommentedSeq(edited.forbid) if edited.forbid else None
    contents = CommentedMap({"goal": goal, "forbid": forbid})
    contents["tree"] = block(edited.tree)
    contents.yaml_add_eol_comment("as it was grown; it cannot be edited", "goal")
    contents.yaml_add_eol_comment("predicates that may not come back, one a line (- is about the weather)", "forbid")
    contents.yaml_add_eol_comment(f"{len(taxonomy.root):,} texts{unexplained(taxonomy.root)}", "tree")
    contents.yaml_set_start_comment(_HEADER.format(n_texts=len(taxonomy.corpus), folder=folder) + "\n\n")
    yaml = YAML()
    yaml.width = 2**20  # a predicate is never broken into lines
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(contents, stream)
    return stream.getvalue()


def _percent(part: int, whole: int) -> str:
    return f"{part / max(whole, 1):.1%}"


class Problems:
    """What is wrong with a file, gathered so that a person sees all of it at once."""

    def __init__(self, source: str | None):
        self.source, self.found = source, []

    def add(self, line: int | None, message: str) -> None:
        self.found.append((line or 0, message))

    def raise_any(self) -> None:
        """Raises `EditError` if there is anything."""
        if not self.found:
            return
        where = self.source or "the edit"
        lines = [f"line {line}: {message}" if line else message for line, message in sorted(self.found)]
        if len(lines) == 1:
            raise EditError(f"{where}, {lines[0]}" if self.source else lines[0])
        more = [f"and {len(lines) - 20} more"] if len(lines) > 20 else []
        raise EditError("\n  ".join([f"{where} has {len(lines)} mistakes, nothing was changed:", *lines[:20], *more]))


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
    root = _composed(text, source)
    fields = _fields(root, _TOP, problems, "the file") if root is not None else {}
    if root is None or (root.id == "mapping" and "tree" not in fields):
        problems.add(1, "there is no `tree:`: take the file of the history folder, and edit it again")
    problems.raise_any()
    forbid = [(_string(item, problems, "forbid"), _line(item)) for item in _items(fields.get("forbid"), problems)]
    tree = tuple(_entry(item, problems) for item in _items(fields.get("tree"), problems))
    problems.raise_any()
    named = [(predicate, line) for predicate, line in forbid if predicate]
    return Edited(tree, tuple(predicate for predicate, _ in named), tuple(line for _, line in named), source)


def _composed(text: str, source: str) -> YamlNode:
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


def _fields(node: YamlNode, keys: Sequence[str], problems: Problems, what: str) -> dict[str, YamlNode]:
    """The values of a mapping by their keys; what is unknown, said twice or an alias is a problem."""
    if node.anchor is not None:
        problems.add(_line(node), _ALIAS)
        return {}
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
        elif value.anchor is not None:
            problems.add(_line(value), _ALIAS)
        else:
            found[name] = value
    return found


_ALIAS = (
    "anchors and aliases (&, *) are not allowed, as a node could then stand under itself: write the lines out, and put "
    "a value that begins with & or * into quotes"
)


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
    kept = []
    for item in node.value:
        if item.anchor is not None:
            problems.add(_line(item), _ALIAS)
        else:
            kept.append(item)
    return kept


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


def _flag(node: YamlNode, problems: Problems, key: str) -> bool:
    value = _string(node, problems, key)
    if value is None or value.lower() in ("false", "no", "off", ""):
        return False
    if value.lower() not in ("true", "yes", "on") and node is not None:
        problems.add(_line(node), f"`{key}: {value}`, expected `true` or `false`")
    return True


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
    value = _string(node, problems, "split")
    if node is None or value is None:
        return False
    if value.isascii() and value.isdigit():
        number = int(value)
        if not 2 <= number <= _MOST_CHILDREN:
            problems.add(_line(node), f"`split: {value}`, expected between 2 and {_MOST_CHILDREN} children")
        return number
    if value.lower() not in ("true", "yes", "on", "false", "no", "off", ""):
        problems.add(_line(node), f"`split: {value}`, expected `true` or the number of children")
    return value.lower() in ("true", "yes", "on")
