"""Definitions: what a predicate means, in clauses and with examples, as judge and people are shown it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nlparam.errors import CorpusError
from nlparam.language.prompting import cut_words, one_line

# Words of an example that the prompt shows.
_MOST_WORDS = 100
_MOST_BYTES = 10_000_000
_KEYS = ("predicate", "definition", "for", "against")


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
    kept = {predicate: dataclasses.asdict(one) for predicate, one in definitions.items()}
    return {"definitions": kept} if kept else {}


def kept_definitions(settings: Mapping[str, Any]) -> dict[str, Definition]:
    """The definitions among the settings of a result."""
    return {predicate: Definition.given(one) for predicate, one in settings.get("definitions", {}).items()}


def read_defined(path: Path) -> tuple[list[str], dict[str, Definition]]:
    """The predicates of a YAML or JSON file, and the definitions of those that have one.

    The file is a list. Each item is a predicate, or has the keys `predicate`, `definition` (a sentence or a list of
    them), `for` and `against` (texts). Raises `CorpusError` if it is something else.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read the predicates {path}: {error.strerror or error}") from error
    if len(data) > _MOST_BYTES:
        raise CorpusError(f"{path} has {len(data):,} bytes, expected a list of predicates: is it another file?")
    text = data.decode("utf-8-sig", "replace")
    try:
        items = json.loads(text) if path.suffix.lower() == ".json" else YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        said = " ".join(str(error).split())
        raise CorpusError(f"{path} cannot be read ({said}): check quotes and how the lines are indented") from error
    if not isinstance(items, list):
        raise CorpusError(f"{path} holds no list, expected one of predicates: lines that begin with -")
    predicates, definitions = [], {}
    for number, item in enumerate(items, 1):
        predicate, definition = _item(item, f"{path}, item {number}")
        predicates.append(predicate)
        if definition is not None:
            definitions[predicate] = definition
    return predicates, definitions


def _item(item: Any, place: str) -> tuple[str, Definition | None]:
    if not isinstance(item, dict):
        item = {"predicate": item}
    if unknown := set(item) - set(_KEYS):
        raise CorpusError(f"{place} has the key {next(iter(unknown))!r}, expected some of {', '.join(_KEYS)}")
    predicate = item.get("predicate")
    if not isinstance(predicate, str) or not predicate.strip():
        raise CorpusError(f"{place} has the predicate {predicate!r}, expected words (put them into quotes)")
    parts = tuple(_sentences(item.get(key)) for key in _KEYS[1:])
    try:
        return one_line(predicate), Definition(*parts) if any(parts) else None
    except CorpusError as error:
        raise CorpusError(f"{place}: {error}") from error


def _sentences(value: Any) -> tuple[str, ...]:
    """A sentence, or several, as strings."""
    values = [] if value is None else value if isinstance(value, list | tuple) else [value]
    return tuple(str(one) for one in values)
