"""Comments of a person in `taxonomy.yaml`, which stay when the page of the tree writes the file anew."""

import dataclasses
import re
from typing import Any

from nlparam.corpus.yaml_nodes import composed
from nlparam.errors import EditError
from nlparam.taxonomies.yaml_file import HEADER, NOTES

# Behind the last value of a line.
_COMMENT = re.compile(r"[\s:\[\]{},?-]*#(.*)$")
# Sizes, as `written` puts them beside nodes.
_SIZE = re.compile(
    r"[\d,]+ texts?(, [\d.]+%(, [\d.]+% of \S+?(?=;|$|\s))?)?(; [\d,]+ under none of its children)?(; )?"
)
_FIRST = re.compile(r"The taxonomy of [\d,]+ texts\. Edit this file")
_WRITTEN = {line.strip() for line in HEADER.splitlines()} | set(NOTES.values()) | {""}

# An entry (by its id or its predicates, "" for the file), and one of its keys.
_Place = tuple[str, str]


@dataclasses.dataclass
class _Lines:
    """Where a file has what: the place of each line, where its last value ends, and lines within a value."""

    places: dict[int, _Place] = dataclasses.field(default_factory=dict)
    ends: dict[int, int] = dataclasses.field(default_factory=dict)
    within: set[int] = dataclasses.field(default_factory=set)


def with_comments(text: str, before: str) -> str:
    """The text of a `taxonomy.yaml` with the comments of a person that it had before.

    A comment stays with the line that it is beside, or above. Where that is gone, it goes to the end of the file.
    """
    if not any("#" in line and _own(line.partition("#")[2]) for line in before.splitlines()):
        return text
    try:
        above, beside = _comments(before)
    except EditError:
        return text
    lines, found = text.splitlines(), _lines(text)
    whole = []
    for at, line in enumerate(lines):
        place = found.places.get(at)
        if place is not None:
            indent = line[: len(line) - len(line.lstrip())]
            whole += [f"{indent}#{words}" for words in above.pop(place, ())]
            if place in beside:
                line += ("; " if "#" in line[found.ends[at] :] else "  # ") + beside.pop(place).strip()
        whole.append(line)
    left = [words for several in above.values() for words in several] + [f" {words}" for words in beside.values()]
    return "\n".join([*whole, *(f"#{words}" for words in left)]) + "\n"


def _own(words: str) -> str:
    """A comment without what `written` says there; "" if that is all."""
    said = words.strip()
    return "" if said in _WRITTEN or _FIRST.match(said) else _SIZE.sub("", said, count=1).strip()


def _comments(text: str) -> tuple[dict[_Place, list[str]], dict[_Place, str]]:
    """A person's comments above and beside each place; those at the end are above no place."""
    found, waiting, place = _lines(text), [], ("", "")
    above: dict[_Place, list[str]] = {}
    beside: dict[_Place, str] = {}
    for at, line in enumerate(text.splitlines()):
        place = found.places.get(at, place)
        if at in found.places and waiting:
            above[place], waiting = waiting, []
        comment = _COMMENT.match(line[found.ends.get(at, 0) :])
        if at in found.within or comment is None or not (words := _own(comment[1])):
            continue
        if at in found.ends:
            beside[place] = words
        else:
            waiting.append(comment[1])
    return above | ({("", "end"): waiting} if waiting else {}), beside


def _lines(text: str) -> _Lines:
    """Raises `EditError` for what is no YAML."""
    found = _Lines()

    def scalar(node: Any) -> None:
        if node.id == "scalar" and node.start_mark.index < node.end_mark.index:
            start, end = node.start_mark, node.end_mark
            found.within.update(range(start.line + 1, end.line + (end.column > 0)))
            found.ends[end.line] = max(found.ends.get(end.line, 0), end.column)

    def mapping(node: Any, named: str, above: str) -> None:
        for number, (key, value) in enumerate(node.value):
            # The first line of an entry is the entry's, whichever key it has.
            found.places.setdefault(key.start_mark.line, (named, "" if named and not number else key.value))
            scalar(key)
            scalar(value)
            for item in value.value if value.id == "sequence" else ():
                if item.id == "mapping":
                    fields = {one.value: other.value for one, other in item.value if one.id == "scalar"}
                    path = f"{above} > {fields.get('predicate', fields.get('name', ''))}"
                    mapping(item, str(fields.get("id") or path), path)
                else:
                    found.places.setdefault(item.start_mark.line, (key.value, str(item.value)))
                    scalar(item)

    root = composed(text, "taxonomy.yaml")
    if root is not None and root.id == "mapping":
        mapping(root, "", "")
    return found
