"""A constitution: permitted and restricted content as predicates, read from YAML and checked.

```yaml
restricted:
  - id: dosage
    predicate: says how much of a medicine to take      # of what the assistant writes
    asked: asks how much of a medicine to take           # of what the user writes; by default made from the predicate
    hints: [painkillers, vitamins, medicine for pets]    # topics to vary the examples by
permitted:
  - id: health
    predicate: explains what a medicine is for
```
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.guard.errors import ConstitutionError
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.parse import MAX_PREDICATE_CHARACTERS
from nlparam.language.similarity import SimilarityJudge
from nlparam.lm.engine import Engine

ROLES = ("input", "output")
_SECTIONS = ("restricted", "permitted")
_FIELDS = ("id", "predicate", "asked", "hints")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.IGNORECASE)
# Cosines of sentence embeddings. Above the first, two predicates differ by an article or an ending; above the second
# they may mean the same or the opposite, which a language model has to say.
_SAME, _CLOSE = 0.97, 0.8


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule: `predicate` says what holds for a text of the assistant, `asked` what holds for one of the user.

    Both complete the sentence "The text ...". `hints` are topics by which examples are varied.
    """

    id: str
    predicate: str
    restricted: bool
    asked: str = ""
    hints: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.asked:
            object.__setattr__(self, "asked", f"asks for a text that {self.predicate}")

    def of(self, role: str) -> str:
        """The predicate of a text of this role, "input" or "output"."""
        return self.asked if role == "input" else self.predicate


@dataclasses.dataclass(frozen=True)
class Constitution:
    """The rules of a guard, in the order of the file. Raises `ConstitutionError` if they cannot be guarded by."""

    rules: tuple[Rule, ...]

    def __post_init__(self):
        if not self.restricted:
            raise ConstitutionError(
                "the constitution restricts nothing: expected at least one rule with an id and a predicate under "
                "'restricted'"
            )
        ids: set[str] = set()
        said: dict[str, Rule] = {}
        for rule in self.rules:
            if rule.id.casefold() in ids:
                raise ConstitutionError(f"two rules have the id {rule.id!r}: give each its own")
            ids.add(rule.id.casefold())
            plain = _plain(rule.predicate)
            if (other := said.get(plain)) is not None:
                raise _clash(other, rule)
            said[plain] = rule

    @property
    def restricted(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.restricted)

    @property
    def permitted(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if not rule.restricted)

    def as_dict(self) -> dict[str, Any]:
        """As YAML and JSON have it."""
        sections = {"restricted": self.restricted, "permitted": self.permitted}
        return {
            section: [{name: getattr(rule, name) for name in _FIELDS} | {"hints": list(rule.hints)} for rule in rules]
            for section, rules in sections.items()
        }

    @classmethod
    def from_dict(cls, contents: Any, *, where: str = "the constitution") -> "Constitution":
        """From what a YAML or JSON file holds. Raises `ConstitutionError` naming `where`, the rule and the field."""
        if not isinstance(contents, dict) or not contents:
            raise ConstitutionError(
                f"{where} holds {_kind(contents)}, expected the sections 'restricted' and 'permitted', each a list of "
                "rules with id and predicate"
            )
        if unknown := sorted(map(str, contents.keys() - set(_SECTIONS))):
            raise ConstitutionError(
                f"{where} has the unknown section {unknown[0]!r}, expected restricted and permitted"
            )
        rules = []
        for section in _SECTIONS:
            entries = contents.get(section) or []
            if not isinstance(entries, list):
                raise ConstitutionError(f"{where}, {section}: got {_kind(entries)}, expected a list of rules")
            rules += [
                _rule(entry, restricted=section == "restricted", where=f"{where}, {section} rule number {number}")
                for number, entry in enumerate(entries, 1)
            ]
        return cls(tuple(rules))


def read_constitution(path: str | Path) -> Constitution:
    """Reads a YAML file. Raises `ConstitutionError` if there is none, it is no YAML, or its rules cannot stand."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = Path(path).expanduser()
    try:
        contents = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConstitutionError(f"cannot read the constitution {path}: {error.strerror or error}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConstitutionError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return Constitution.from_dict(contents, where=str(path))


def check_meaning(constitution: Constitution, embedder: AbstractEmbedder, engine: Engine | None = None) -> list[str]:
    """Compares what the rules mean, and returns warnings.

    Predicates whose embeddings are nearly equal are the same rule. Those that are close are shown to the language model
    of `engine`: if a strong model says that a permitted and a restricted rule mean the same, that is a contradiction;
    a small model errs too often to be believed, so it is a warning.

    Raises `ConstitutionError` for rules that contradict or repeat each other, and what the embedder and the engine do.
    """
    rules = constitution.rules
    vectors = embedder.embed([rule.predicate for rule in rules])
    cosines = np.triu(vectors @ vectors.T, 1)
    close = [(rules[first], rules[second], cosines[first, second]) for first, second in np.argwhere(cosines > _CLOSE)]
    same = [(first, second) for first, second, cosine in close if cosine > _SAME]
    unsure = [(first, second) for first, second, cosine in close if cosine <= _SAME]
    said: list[tuple[Rule, Rule]] = []
    if unsure and engine is not None:
        grades = SimilarityJudge(engine).judge([(first.predicate, second.predicate) for first, second in unsure])
        said = [pair for pair, grade in zip(unsure, grades, strict=True) if grade == 1.0]
        if engine.lm.strong:
            same += said
            said = []
    for first, second in same:
        raise _clash(first, second)
    return [
        f"the rules {first.id!r} and {second.id!r} seem to mean the same: see whether examples of both are kept"
        for first, second in said
    ]


def _rule(entry: Any, *, restricted: bool, where: str) -> Rule:
    if not isinstance(entry, dict):
        raise ConstitutionError(f"{where}: got {_kind(entry)}, expected a mapping with id and predicate")
    if unknown := sorted(map(str, entry.keys() - set(_FIELDS))):
        raise ConstitutionError(f"{where} has the unknown field {unknown[0]!r}, expected some of {', '.join(_FIELDS)}")
    identifier = entry.get("id")
    if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
        raise ConstitutionError(f"{where}: got the id {identifier!r}, expected up to 40 letters, digits, - and _")
    where = f"{where} ({identifier})"
    predicate = _sentence(entry.get("predicate"), f"{where}, predicate")
    asked = _sentence(entry["asked"], f"{where}, asked") if "asked" in entry else ""
    hints = entry.get("hints") or []
    if not isinstance(hints, list) or not all(isinstance(hint, str) and hint.strip() for hint in hints):
        raise ConstitutionError(f"{where}: got the hints {hints!r}, expected a list of short texts")
    return Rule(identifier, predicate, restricted, asked, tuple(dict.fromkeys(_line(hint) for hint in hints)))


def _sentence(given: Any, where: str) -> str:
    if not isinstance(given, str) or not any(char.isalpha() for char in given):
        raise ConstitutionError(
            f"{where}: got {given!r}, expected a predicate that completes 'The text ...', as in 'gives legal advice'"
        )
    line = _line(given)
    if len(line) > MAX_PREDICATE_CHARACTERS:
        raise ConstitutionError(
            f"{where} has {len(line)} characters, expected at most {MAX_PREDICATE_CHARACTERS}: split it into rules"
        )
    return line


def _clash(first: Rule, second: Rule) -> ConstitutionError:
    """What is wrong with two rules that mean the same."""
    if first.restricted == second.restricted:
        both = f"{first.predicate!r}, {second.predicate!r}"
        return ConstitutionError(f"the rules {first.id!r} and {second.id!r} say the same ({both}): remove one")
    restricted, permitted = (first, second) if first.restricted else (second, first)
    return ConstitutionError(
        f"the constitution contradicts itself: {restricted.id!r} restricts what {permitted.id!r} permits "
        f"({restricted.predicate!r}, {permitted.predicate!r}); remove one, or say what tells them apart"
    )


def _plain(predicate: str) -> str:
    return _line(predicate).casefold()


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(" .")


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
