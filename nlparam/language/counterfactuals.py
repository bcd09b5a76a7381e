"""Counterfactuals: new inputs on which an explanation can be put to the test."""

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from nlparam.errors import check_at_least
from nlparam.language.asking import ask_all
from nlparam.language.prompting import cut_words, load_prompt, one_line
from nlparam.language.propose.both import in_turn
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine

_STRINGS = TypeAdapter(list[str])
_ARRAY = re.compile(r'\[\s*["{\[]')  # brackets that stand in a text have no such beginning
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(?=(\s*:\s*["\[])?)', re.DOTALL)  # and what follows the name of a field
_NUMBERED = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):]|(?:new )?input(?: \d{1,2})?:)\s*(.+)$", re.IGNORECASE)
_MOST_ROUNDS = 3
_LONGEST = 4000  # characters
_SHOWN = 5  # of the counterfactuals there are, in the prompt for more


class Case(NamedTuple):
    """What a model was given, what it answered, and how it explained that."""

    input: str
    answer: str
    explanation: str


@dataclasses.dataclass
class CounterfactualWriter:
    """Has a language model write counterfactuals: half for which the explanation suggests the same answer, half others.

    What it writes twice counts once, and what it copies from the input not at all; where too few are left, it is asked
    again, up to three times in all.

    **Arguments:** `n_counterfactuals`, how many to write for each case; `n_words`, how much of an input and of an
    explanation the model is shown; `seed` seeds what it writes.
    """

    engine: Engine
    n_counterfactuals: int = 10
    n_words: int = 200
    temperature: float = 0.8
    seed: int = 0

    def __post_init__(self):
        check_at_least(2, n_counterfactuals=self.n_counterfactuals)
        self.prompts = [load_prompt(f"counterfactuals_{kind}") for kind in ("same", "other")]
        self.identity = " ".join(prompt.version for prompt in self.prompts)

    def write(self, cases: Sequence[Case], *, task: str = "") -> list[list[str]]:
        """The counterfactuals of each case, distinct and in the order written, `n_counterfactuals` at most.

        `task` says in a sentence what the inputs are and what is answered about them.
        """
        written: list[tuple[list[str], list[str]]] = [([], []) for _ in cases]
        half = -(-self.n_counterfactuals // 2)
        for round_number in range(_MOST_ROUNDS):
            wanting = [
                (number, side) for number in range(len(cases)) for side in (0, 1) if len(written[number][side]) < half
            ]
            if not wanting:
                break
            requests = [
                self._request(cases[number], side, half, written[number][side], round_number, task)
                for number, side in wanting
            ]
            answers = ask_all(self.engine, requests, parse_inputs, what="writing")
            for (number, side), inputs in zip(wanting, answers, strict=True):
                seen = {_plain(text) for text in (cases[number].input, *written[number][0], *written[number][1])}
                for text in inputs or []:
                    if _plain(text) not in seen and len(written[number][side]) < half:
                        seen.add(_plain(text))
                        written[number][side].append(text)
        # In turn, so that the first few of a case are of both kinds.
        return [in_turn(both)[: self.n_counterfactuals] for both in written]

    def _request(
        self, case: Case, side: int, n_asked: int, there: Sequence[str], round_number: int, task: str
    ) -> Request:
        listed = "".join(f"\n- {cut_words(text, 60)}" for text in there[:_SHOWN])
        shown = cut_words(case.input, self.n_words)
        messages = self.prompts[side].fill(
            task=task,
            input=shown,
            answer=one_line(case.answer),
            explanation=cut_words(case.explanation, self.n_words),
            n_counterfactuals=str(n_asked),
            avoid=f"Do not repeat these:{listed}" if there else "",
        )
        n_tokens = min(n_asked * (30 + 2 * len(shown.split())), 2000)
        return Request(messages, max_tokens=n_tokens, temperature=self.temperature, seed=self.seed + round_number)


def parse_inputs(output: str) -> list[str]:
    """Distinct inputs from a JSON array of strings; where the model ignored the format, quoted or numbered ones."""
    array, end = _ARRAY.search(output), output.rfind("]")
    texts: list[str] = []
    if array is not None:
        start = array.start()
        try:
            texts = _STRINGS.validate_json(output[start : end + 1])
        except ValidationError:
            # A small model forgets a comma, is cut off in the middle, or writes objects: what it finished counts.
            texts = [_unquoted(quoted) for quoted, of_field in _QUOTED.findall(output[start:]) if not of_field]
    if not texts:
        lines = (_NUMBERED.match(line) for line in output.splitlines())
        texts = [match[1].strip().strip('"“”').rstrip(",").strip('"“”') for match in lines if match]
    usable = (text.strip() for text in texts if any(c.isalpha() for c in text) and len(text) <= _LONGEST)
    return list(dict.fromkeys(usable))


def _unquoted(quoted: str) -> str:
    try:
        return json.loads(f'"{quoted}"', strict=False)
    except ValueError:
        return quoted


def _plain(text: str) -> str:
    """The words of a text: counterfactuals that differ in case, spaces and punctuation alone are one."""
    return " ".join(re.findall(r"\w+", text.casefold()))
