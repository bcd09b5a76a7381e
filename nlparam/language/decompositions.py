"""Decompositions in words: written, criticised and refined by a language model, and read from what it wrote."""

import dataclasses
import re
from collections.abc import Sequence

from nlparam.errors import check_one_of
from nlparam.language.asking import ask, ask_all
from nlparam.language.parse import parse_predicate, parse_predicates
from nlparam.language.prompting import load_prompt, one_line
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine

KINDS = {"predicate": "decompose", "task": "decompose_task"}
_PART = re.compile(r"^\W*([A-Z])\W*[:.)]\W*\s(.+)$")
_FORMULA = re.compile(r"^\W*formula\W*[:=]\s*(\S.*)$", re.IGNORECASE)
# With the formula on the next line.
_HEADING = re.compile(r"^(\W*formula)[\s*_`:=]*\n\s*", re.IGNORECASE | re.MULTILINE)
_NO_FAULT = re.compile(r"^\W*(none|no fault|no\b)\W*$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Draft:
    """Parts by their letters, and a formula over the letters."""

    parts: tuple[tuple[str, str], ...]
    formula: str

    def __str__(self) -> str:
        """As a language model is shown it, and as it writes one itself."""
        return "\n".join([*(f"{letter}: {part}" for letter, part in self.parts), f"Formula: {self.formula}"])


@dataclasses.dataclass
class DecompositionWriter:
    """Has a language model take a predicate (or a task) apart, find fault with the result, mend it, and reword parts.

    **Arguments:** `kind`, `"predicate"` or `"task"`; `examples`, past repairs in words, one a line, shown before every
    question; `temperature` and `seed`, of what it writes.
    """

    engine: Engine
    kind: str = "predicate"
    examples: Sequence[str] = ()
    temperature: float = 0.7
    seed: int = 0

    def __post_init__(self):
        check_one_of(KINDS, kind=self.kind)
        names = (KINDS[self.kind], "critique", "refine", "alternatives")
        self._propose, self._critique, self._refine, self._alternatives = map(load_prompt, names)
        self.identity = " ".join(load_prompt(name).version for name in names)
        listed = "".join(f"\n- {example}" for example in self.examples)
        self._examples = f"\nRepairs of earlier decompositions, to learn from:{listed}\n" if listed else ""

    def propose(self, predicate: str, n_proposals: int) -> list[Draft]:
        """Distinct drafts from `n_proposals` questions; fewer where an answer was unusable, which is counted."""
        messages = self._propose.fill(predicate=predicate, examples=self._examples)
        # The first is the likeliest one, the others vary.
        requests = [
            Request(messages, max_tokens=160, temperature=self.temperature if number else 0.0, seed=self.seed + number)
            for number in range(n_proposals)
        ]
        drafts = ask_all(self.engine, requests, parse_draft, what="decomposing", counted=True)
        return list(dict.fromkeys(draft for draft in drafts if draft is not None))

    def criticise(self, predicate: str, drafts: Sequence[Draft]) -> list[str | None]:
        """The worst fault of each draft, `None` where there is none."""
        same = {"predicate": predicate, "examples": self._examples}
        rows = (same | {"decomposition": str(draft)} for draft in drafts)
        faults = ask(self.engine, self._critique, rows, one_line, what="criticising", max_tokens=60)
        return [None if not fault or _NO_FAULT.match(fault) else fault for fault in faults]

    def refine(self, predicate: str, drafts: Sequence[Draft], faults: Sequence[str | None]) -> list[Draft | None]:
        """Each draft mended, `None` where it has no fault or the answer was unusable."""
        same = {"predicate": predicate, "examples": self._examples}
        rows = {
            number: same | {"decomposition": str(draft), "critique": fault}
            for number, (draft, fault) in enumerate(zip(drafts, faults, strict=True))
            if fault is not None
        }
        refined = ask(
            self.engine, self._refine, rows.values(), parse_draft, what="refining", max_tokens=160, counted=True
        )
        mended = dict(zip(rows, refined, strict=True))
        return [mended.get(number) for number in range(len(drafts))]

    def alternatives(self, predicate: str, parts: Sequence[str], n_alternatives: int) -> list[list[str]]:
        """For each part, other properties that might be meant by it, `n_alternatives` at most."""
        if n_alternatives == 0:
            return [[] for _ in parts]
        found = ask(
            self.engine,
            self._alternatives,
            [{"predicate": predicate, "part": part, "n_alternatives": str(n_alternatives)} for part in parts],
            parse_predicates,
            what="rewording",
            max_tokens=20 + 24 * n_alternatives,
            temperature=self.temperature,
            seed=self.seed,
        )
        return [
            [other for other in others or [] if other.casefold() != part.casefold()][:n_alternatives]
            for part, others in zip(parts, found, strict=True)
        ]


def parse_draft(output: str) -> Draft | None:
    """Parts and formula from what a model wrote, `None` if a part or the formula is missing.

    What follows the first formula was not asked for. Two parts or more without a formula, where a small model stops,
    are joined by "and".
    """
    parts: dict[str, str] = {}
    for line in _HEADING.sub(r"\1: ", output).splitlines():
        if (formula := _FORMULA.match(line)) is not None:
            return Draft(tuple(parts.items()), formula[1].strip(" `*.")) if parts else None
        if (part := _PART.match(line)) is not None and (predicate := parse_predicate(part[2])) is not None:
            parts.setdefault(part[1], predicate)
    return Draft(tuple(parts.items()), " and ".join(parts)) if len(parts) > 1 else None
