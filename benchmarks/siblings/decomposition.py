"""Planted compound predicates: is the chosen decomposition right, and is an error in one part mended in that part?

Texts with planted topics, moods and forms, of which some are rare; 30 compounds of two or three of them. The language
model is scripted and errs: half of what it proposes has a wrong part, a wrong operator, or a part too few; its
criticism overlooks four in ten faults, and three in ten are mended wrongly; it says yes of 5% of the texts for which a
part does not hold, and no of 3% for which it does, and errs in other places about another wording. A planted error is
mended if one change, of the spoiled part, makes the whole right for 90% of the texts that the change was not chosen by.

With `--lm` a language model does it all: `python -m benchmarks.siblings.decomposition --lm native --texts 40` takes
apart compounds of the topics of AG News, with `--planted` those of short texts with planted topics and moods.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import nlparam
from benchmarks.commands import DATA, command, read_yaml
from benchmarks.siblings._compounds import mended, news, truth
from benchmarks.siblings._compounds import planted as planted_compounds
from benchmarks.simulated import share, yes_or_no
from nlparam.evals.decomposition import Decomposed, Expression, Not, Part, parse
from nlparam.lm.base import Request
from nlparam.lm.scripted import ScriptedModel

_N_TEXTS = 240
_SAYS_YES, _SAYS_NO = 0.05, 0.03
_SLIPS, _OVERLOOKS, _MENDS_WRONG = 0.5, 0.4, 0.3

_DATA = read_yaml(Path(__file__).with_name("compounds.yaml"))
# A property: the word that shows it, other wordings, and what it could be confused with.
_PROPERTIES = {name: (one["word"], one["wordings"], one["confused"]) for name, one in _DATA["properties"].items()}
_WORDINGS = {wording: name for name, (_, others, _) in _PROPERTIES.items() for wording in (name, *others)}


def texts(seed: int = 0) -> list[str]:
    """Texts in which each property holds for a fifth to a half, one topic each."""
    rng = np.random.default_rng(seed)
    topics = ["is about sport", "is about food", "is about travel", "is about music"]
    made = []
    for number in range(_N_TEXTS):
        held = [topics[int(rng.integers(4))]]
        held += [["is negative"], ["is positive"], []][int(rng.choice(3, p=[0.4, 0.35, 0.25]))]
        held += [
            name
            for name, share in (("is a question", 0.25), ("is a letter", 0.3), ("is personal", 0.45))
            if rng.random() < share
        ]
        made.append(f"Note {number}: " + " ".join(_PROPERTIES[name][0] for name in held) + ".")
    return made


def holds(name: str, text: str) -> bool:
    """The truth."""
    return _PROPERTIES[name][0] in text


@dataclasses.dataclass
class Oracle:
    """Takes the compounds apart, finds fault, mends, rewords and judges, and errs in each."""

    compounds: Mapping[str, Expression]

    def __call__(self, request: Request) -> Any:
        prompt = request.messages[-1].content
        if request.labels is not None:
            text, _, question = prompt.rpartition("\n\nProperty: ")
            return self._judge(question.removesuffix(". Yes or no?"), text)
        if "one of its parts" in prompt:
            part = prompt.partition("one of its parts is: ")[2].splitlines()[0]
            return json.dumps(self._alternatives(part))
        right = self.compounds[prompt.rpartition("Property: ")[2].splitlines()[0]]
        if "Name the worst fault" in prompt:
            shown = prompt.rpartition("Property: ")[2]
            wrong = _letters(right) not in shown
            return "A part is wrong." if wrong and share("criticise", prompt) >= _OVERLOOKS else "none"
        if "Criticism:" in prompt:
            return _letters(right if share("refine", prompt) >= _MENDS_WRONG else self._slip(right, prompt))
        seed = f"{prompt} {request.seed}"
        return _letters(self._slip(right, seed) if share("propose", seed) < _SLIPS else right)

    def _judge(self, predicate: str, text: str) -> dict[str, float]:
        if predicate in self.compounds:
            held = bool(truth(self.compounds[predicate], [text], holds)[0])
        else:
            name = _WORDINGS.get(predicate)
            held = name is not None and holds(name, text)
        if share("judge", predicate, text) < (_SAYS_NO if held else _SAYS_YES):
            held = not held
        return yes_or_no(held, 0.9)

    def _alternatives(self, part: str) -> list[str]:
        name = _WORDINGS[part]
        _, others, confused = _PROPERTIES[name]
        return [*(wording for wording in (name, *others) if wording != part), *confused][:4]

    def _slip(self, right: Expression, seed: str) -> Expression:
        number = int(share("part", seed) * len(right.parts))
        kind = share("slip", seed)
        left = right.remove(number)
        if kind < 0.25 and left is not None:
            return left
        if kind < 0.4:
            return right.replace(number, Not(Part(right.parts[number])))
        confused = _PROPERTIES[right.parts[number]][2]
        return right.replace(number, Part(confused[int(share("confused", seed) * len(confused))]))


def measure() -> dict[str, Any]:
    """The section `decomposition` of `python -m benchmarks.siblings`."""
    corpus = texts()
    # Named so that nothing can be read from the name, and everything is what the language model proposes.
    compounds = {f"is of kind {number}": parse(written) for number, written in enumerate(_DATA["expressions"], start=1)}
    lm = ScriptedModel(Oracle(compounds), identity="oracle of compounds")
    right, unranked, values, repaired, alone, reworded = [], [], [], [], [], []
    for seed, (name, expression) in enumerate(compounds.items()):
        labels = truth(expression, corpus, holds)
        options = {"n_proposals": 4, "n_alternatives": 4, "store": ":memory:", "seed": seed}
        found = nlparam.decompose(name, corpus, labels, lm=lm, **options)
        right.append(found.execution.agreement(found.chosen.expression))
        unranked.append(np.mean([found.execution.agreement(one.expression) for one in found.ranked]))
        values.append(found.chosen.assistance.value)
        rows = np.random.default_rng(0).permutation(len(found.execution.labels))
        for spoiled, number in _planted_errors(expression, found):
            part, agreement = mended(spoiled, found.execution, rows)
            repaired.append(part is not None and agreement >= 0.9)
            alone.append(repaired[-1] and part == number)
            part, agreement = mended(spoiled, found.execution, rows, expression.parts[number])
            reworded.append(part == number and agreement >= 0.9)
    return {
        "compounds": len(compounds),
        "texts": len(corpus),
        "agreement": round(float(np.mean(right)), 4),
        "agreement_at_least_90": float(np.mean(np.asarray(right) >= 0.9)),
        "agreement_of_all_proposed": round(float(np.mean(unranked)), 4),
        "assistive_value": round(float(np.mean(values)), 3),
        "planted_errors": len(repaired),
        "repaired_by_one_edit": round(float(np.mean(repaired)), 4),
        "repaired_in_that_part_alone": round(float(np.mean(alone)), 4),
        # The same where the right wording is not among those that may be put in, but only others of the same meaning.
        "repaired_by_another_wording": round(float(np.mean(reworded)), 4),
        "lm": "oracle with errors",
    }


def _planted_errors(expression: Expression, found: Decomposed) -> list[tuple[Expression, int]]:
    """The compound with one part confused, as far as that was judged, and which part."""
    judged = found.execution.columns
    errors = [
        (expression.replace(number, Part(other)), number)
        for number, part in enumerate(expression.parts)
        for other in _PROPERTIES[part][2]
        if other in judged and all(one in judged for one in expression.parts)
    ]
    return [error for error in errors if found.execution.agreement(error[0]) < 0.85]


def _letters(expression: Expression) -> str:
    """As a language model writes it: parts by letters, and a formula."""
    letters = {part: chr(ord("A") + number) for number, part in enumerate(dict.fromkeys(expression.parts))}
    formula = str(expression)
    for part, letter in letters.items():
        formula = formula.replace(str(Part(part)), letter)
    return "\n".join([*(f"{letter}: {part}" for part, letter in letters.items()), f"Formula: {formula}"])


def run(
    lm: Annotated[str | None, "by default an oracle with errors"] = None,
    n_texts: int = 40,
    planted: Annotated[bool, "short texts with planted properties, not AG News"] = False,
    n_compounds: Annotated[int | None, "the first few of the planted compounds"] = None,
    store: str | None = None,
    data: Path | None = None,
) -> Any:
    """Planted compounds, taken apart and repaired."""
    if lm is None:
        return measure()
    if planted:
        return planted_compounds(lm, n_texts, store, n_compounds)
    return news(lm, data or Path(os.environ.get("NLPARAM_SHARED_DATA", DATA)), n_texts, store)


if __name__ == "__main__":
    command(run)
