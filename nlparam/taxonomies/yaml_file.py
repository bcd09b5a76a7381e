"""`taxonomy.yaml`: a taxonomy written for a person who edits it, and read back line by line."""

import io
from pathlib import Path

from nlparam.corpus.yaml_nodes import Problems, YamlNode, composed, fields_of, items_of, line_of, read_text, words_of
from nlparam.denotation.definitions import KEYS, definition_in
from nlparam.runtime.words import counted
from nlparam.taxonomies.entries import Edited, Entry, entries_of, one_line
from nlparam.taxonomies.records import Node, TreeLike

FILE = "taxonomy.yaml"
_TOP = ("goal", "forbid", "tree")
_KEYS = ("id", "name", "predicate", "locked", "forbidden", "merge_into", "split", *KEYS, "children")
_MOST_CHILDREN = 50
HEADER = """\
The taxonomy of {n_texts:,} texts. Edit this file, then run: nlparam refit {folder}

rename   change `name:`, what is shown; the texts stay, and nothing is asked
reword   change `predicate:`, what is judged; its texts are judged anew
define   write `definition:` (a sentence, or a list), `for:` and `against:` (texts) under a node: language model
         and people are shown it, and its texts are judged anew
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
            | ({} if entry.definition is None else entry.definition.as_keys())
            | ({"children": CommentedSeq(map(item, entry.children))} if entry.children else {})
        )
        node = taxonomy.nodes.get(entry.id or "")
        if node is not None:
            within = f", {taxonomy.share_of_parent(node):.1%} of {node.parent}"
            size = f"{counted(len(node), 'text')}, {taxonomy.share(node.id):.1%}" + (within if node.depth > 1 else "")
            lines.yaml_add_eol_comment(f"{size}{unexplained(node)}", "id")
        return lines

    def unexplained(node: Node) -> str:
        left = taxonomy.residual(node.id)
        return "" if left is None else f"; {len(left):,} under none of its children"

    goal, forbid = str(taxonomy.settings.get("goal", "")), CommentedSeq(list(edited.forbid)) if edited.forbid else None
    contents = CommentedMap({"goal": goal, "forbid": forbid})
    contents["tree"] = CommentedSeq(map(item, edited.tree))
    for key, note in NOTES.items():
        contents.yaml_add_eol_comment(note, key)
    contents.yaml_add_eol_comment(f"{counted(len(taxonomy.root), 'text')}{unexplained(taxonomy.root)}", "tree")
    contents.yaml_set_start_comment(HEADER.format(n_texts=len(taxonomy.corpus), folder=folder) + "\n\n")
    yaml = YAML()
    yaml.width = 2**20  # a predicate is never broken into lines
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(contents, stream)
    return stream.getvalue()


def read(path: str | Path) -> Edited:
    """Reads `taxonomy.yaml`. Raises `EditError`, with the line, if it is no YAML or says something unknown."""
    return parse(read_text(Path(path)), source=str(path))


def parse(text: str, *, source: str = FILE) -> Edited:
    """The same of a text."""
    problems = Problems(source)
    root = composed(text, source)
    fields = fields_of(root, _TOP, problems, "the file") if root is not None else {}
    if root is None or (root.id == "mapping" and "tree" not in fields):
        problems.add(1, "there is no `tree:`: take the file of the history folder, and edit it again")
    problems.raise_any()
    forbid = {words_of(item, problems, "forbid"): line_of(item) for item in items_of(fields.get("forbid"), problems)}
    tree = tuple(_entry(item, problems) for item in items_of(fields.get("tree"), problems))
    problems.raise_any()
    return Edited(tree, {predicate: line for predicate, line in forbid.items() if predicate}, source)


_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "": False}


def _flag(node: YamlNode, problems: Problems, key: str) -> bool:
    value = words_of(node, problems, key) or ""
    if value.lower() not in _TRUTH:
        problems.add(line_of(node), f"`{key}: {value}`, expected `true` or `false`")
    return _TRUTH.get(value.lower(), False)


def _entry(node: YamlNode, problems: Problems) -> Entry:
    fields = fields_of(node, _KEYS, problems, "a node")
    line = line_of(node)
    children = tuple(_entry(item, problems) for item in items_of(fields.get("children"), problems))
    texts = {key: words_of(fields.get(key), problems, key) for key in ("id", "name", "predicate", "merge_into")}
    for key in ("name", "predicate", "merge_into", "id"):
        if texts[key] == "" and not (key == "name" and texts["predicate"]):
            problems.add(line_of(fields[key]), f"`{key}:` is empty, expected {_EXPECTED[key]}")
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
        definition=definition_in(fields, problems),
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
    value = words_of(node, problems, "split") or ""
    if value.isascii() and value.isdigit():
        if not 2 <= int(value) <= _MOST_CHILDREN:
            problems.add(line_of(node), f"`split: {value}`, expected between 2 and {_MOST_CHILDREN} children")
        return int(value)
    if value.lower() not in _TRUTH:
        problems.add(line_of(node), f"`split: {value}`, expected `true` or the number of children")
    return _TRUTH.get(value.lower(), False)
