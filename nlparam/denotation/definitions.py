"""Definitions: what a predicate means, in clauses and with examples, as judge and people are shown it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nlparam.corpus.yaml_nodes import (
    Problems,
    YamlNode,
    composed,
    fields_of,
    items_of,
    line_of,
    read_text,
    text_of,
    words_of,
)
from nlparam.errors import CorpusError
from nlparam.language.prompting import cut_words, one_line

# Words of an example that the prompt shows.
_MOST_WORDS = 100
# Of a definition in a file.
KEYS = ("definition", "for", "against")
_KEYS = ("predicate", *KEYS)


@dataclasses.dataclass(frozen=True)
class Definition:
    """What a predicate means.

    **Attributes:** `clauses`, sentences that say what counts and what does not; `holds` and `fails`, texts for which
    the predicate holds and does not hold.

    Raises `CorpusError` if all are empty, or one is blank.
    """

    clauses: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()

    def __post_init__(self):
        parts = (*self.clauses, *self.holds, *self.fails)
        if not parts or not all(part.strip() for part in parts):
            raise CorpusError("got a definition with nothing in it, expected clauses or examples that are not blank")

    def __str__(self) -> str:
        """The lines that judge and people are shown."""
        examples = {"Holds for": self.holds, "Does not hold for": self.fails}
        return "\n".join(
            [f"- {one_line(clause)}" for clause in self.clauses]
            + [f'{name}: "{cut_words(text, _MOST_WORDS)}"' for name, texts in examples.items() for text in texts]
        )

    def as_dict(self) -> dict[str, list[str]]:
        """The fields as JSON has them; `given` reads it."""
        return {"clauses": list(self.clauses), "holds": list(self.holds), "fails": list(self.fails)}

    def as_keys(self) -> dict[str, list[str]]:
        """As files have it (`KEYS`)."""
        parts = zip(KEYS, (self.clauses, self.holds, self.fails), strict=True)
        return {key: list(part) for key, part in parts if part}

    @classmethod
    def either(cls, of: "Mapping[str, Definition]") -> "Definition | None":
        """What one of some predicates means that stand for one: their clauses, each with its predicate, and the texts
        that one holds for. `None` where none is defined."""
        clauses = tuple(f"{name}: {clause}" for name, one in of.items() for clause in one.clauses)
        holds = tuple(text for one in of.values() for text in one.holds)
        return cls(clauses, holds) if clauses or holds else None

    @classmethod
    def given(cls, value: "Definition | str | Mapping[str, Any]") -> "Definition":
        """A definition as it is, one clause, or a mapping with the fields of one. Raises `CorpusError` for others."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls((value,))
        if not isinstance(value, Mapping) or not set(value) <= {"clauses", "holds", "fails"}:
            got = f"the keys {', '.join(map(str, value))}" if isinstance(value, Mapping) else repr(value)
            raise CorpusError(f"got {got} for a definition, expected a sentence, or clauses, holds and fails")
        return cls(**{name: _sentences(found) for name, found in value.items()})


Definitions = Mapping[str, Definition]


def checked_definitions(
    given: "Mapping[str, Definition | str | Mapping[str, Any]] | None", predicates: Sequence[str] | None
) -> dict[str, Definition]:
    """The definitions of some predicates. Raises `CorpusError` for one of another predicate, or if none are given."""
    found = {predicate: Definition.given(value) for predicate, value in (given or {}).items()}
    if found and predicates is None:
        raise CorpusError("got definitions without predicates: give these too (predicates=), they are not proposed")
    if unknown := [predicate for predicate in found if predicate not in (predicates or ())]:
        raise CorpusError(f"got a definition of {unknown[0]!r}, which is none of the predicates")
    return found


def settings_of(definitions: Definitions) -> dict[str, Any]:
    """What settings keep: nothing where there are no definitions, as there were none before."""
    kept = {predicate: one.as_dict() for predicate, one in definitions.items()}
    return {"definitions": kept} if kept else {}


def kept_definitions(settings: Mapping[str, Any]) -> dict[str, Definition]:
    """The definitions among the settings of a result."""
    return {predicate: Definition.given(one) for predicate, one in settings.get("definitions", {}).items()}


def definition_of(settings: Mapping[str, Any], predicate: str) -> Definition | None:
    """The definition of one predicate among the settings of a result; `None` where it has none."""
    kept = settings.get("definitions", {}).get(predicate)
    return None if kept is None else Definition.given(kept)


def meant_so(settings: Mapping[str, Any], predicate: str) -> list[str]:
    """What a report says of the definition of a predicate: a note for each line, none where it has none."""
    definition = definition_of(settings, predicate)
    lines = [] if definition is None else str(definition).split("\n")
    return [f"meant so: {line.removeprefix('- ')}" for line in lines]


def definition_in(fields: Mapping[str, YamlNode], problems: Problems) -> Definition | None:
    """The definition among the fields of a predicate in a file (`KEYS`); `None` where there is none."""
    parts: list[tuple[str, ...]] = []
    for key in KEYS:
        node = fields.get(key)
        single = node is not None and node.id == "scalar" and node.value not in ("", "null", "~")
        items = [node] if single else items_of(node, problems)
        parts.append(tuple(text_of(item, problems, key) or "" for item in items))
    if not any(parts):
        return None
    try:
        return Definition(*parts)
    except CorpusError as error:
        problems.add(next(line_of(fields[key]) for key in KEYS if key in fields), str(error))
        return None


def read_defined(path: Path) -> tuple[list[str], dict[str, Definition]]:
    """The predicates of a YAML or JSON file, and the definitions of those that have one.

    The file is a list. Each item is a predicate, or has the keys `predicate`, `definition` (a sentence or a list of
    them), `for` and `against` (texts). Raises `CorpusError`, with the lines, if it is something else.
    """
    text, problems = read_text(path, CorpusError), Problems(str(path), CorpusError)
    if path.suffix.lower() == ".json":
        try:  # JSON is YAML but for tabs and pairs of escapes
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (RecursionError, ValueError) as error:
            raise CorpusError(f"{path} is not valid JSON ({error}): check quotes and commas") from error
    root = composed(text, str(path), CorpusError)
    if root is None or root.id != "sequence":
        raise CorpusError(f"{path} holds no list, expected one of predicates: lines that begin with -")
    predicates, definitions = [], {}
    for item in root.value:
        fields = {"predicate": item} if item.id == "scalar" else fields_of(item, _KEYS, problems, "a predicate")
        predicate = words_of(fields.get("predicate"), problems, "predicate") or ""
        if fields and not any(map(str.isalpha, predicate)):
            problems.add(line_of(item), f"got the predicate {predicate!r}, expected words")
        predicates.append(predicate)
        if (definition := definition_in(fields, problems)) is not None:
            definitions[predicate] = definition
    problems.raise_any()
    return predicates, definitions


def _sentences(value: Any) -> tuple[str, ...]:
    """A sentence, or several, as strings."""
    values = [] if value is None else value if isinstance(value, list | tuple) else [value]
    return tuple(str(one) for one in values)
