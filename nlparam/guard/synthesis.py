"""Synthetic texts for a guard: written by a language model after a plan, judged by the rules, copied in disguise."""

import collections
import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from nlparam.guard.constitution import ROLES, Constitution, Rule
from nlparam.guard.obfuscation import obfuscate
from nlparam.guard.plan import TOPICS, Item, Plan
from nlparam.language.judge import AbstractJudge
from nlparam.language.lm.base import Request
from nlparam.language.lm.engine import Engine
from nlparam.language.parse import parse_predicates
from nlparam.language.prompting import load_prompt
from nlparam.numerics.head import bias, correct, log_odds_of

_TRIES = 3  # how often an item is asked for, with another seed each time
_MAX_TOKENS = 72
_TEMPERATURE = 0.9
_LEAST_WORDS = 3
_PREAMBLE = re.compile(
    r"^(?:(?:sure|certainly|of course)\b[^\n:]{0,40}[!,.:]\s*)?(?:here(?:'s| is| are)\b[^\n]{0,120}?:\s*)?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^\W*(?:message|answer|assistant|user|question|text|subject|topic|title)\W*:\s*", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) sorry,? (?:but )?(?:i )?(?:can|as)|as an ai|i can(?:no|')t (?:help|assist|provide|write))",
    re.IGNORECASE,
)
_INSTRUCTION = re.compile(
    r"at most 35 words|make sure that it|content filter|\bwording:|\bstyle:|\blanguage:", re.IGNORECASE
)


@dataclasses.dataclass(frozen=True)
class Example:
    """One synthetic text.

    `probabilities[r]` is what the judge said of restricted rule `r`, `nan` where it did not answer; `labels[r]` whether
    the rule counts as holding. `dropped` says why the text is not used, "" if it is. `obfuscation` is "" for the text
    as it was written; a copy in disguise has the judgments of the original.
    """

    key: str
    rule: str
    restricted: bool
    role: str
    text: str
    held_out: bool
    topic: str
    style: str
    language: str
    wording: str
    obfuscation: str
    probabilities: tuple[float, ...]
    labels: tuple[bool, ...]
    dropped: str

    @property
    def attack(self) -> str:
        """The attack style: the obfuscation, else the language if it is not English, else the style."""
        return self.obfuscation or (self.style if self.language == "English" else self.language)


@dataclasses.dataclass(frozen=True)
class Synthesis:
    """The texts of a constitution, those that are not used among them, and how often what went wrong.

    `counts` has, by kind: "planned", "written", "kept", and the reasons for which answers or texts were dropped.
    """

    examples: tuple[Example, ...]
    counts: dict[str, int]

    def kept(self, role: str, *, held_out: bool) -> list[Example]:
        return [e for e in self.examples if not e.dropped and e.role == role and e.held_out == held_out]


def synthesise(constitution: Constitution, plan: Plan, *, engine: Engine, judge: AbstractJudge) -> Synthesis:
    """Has the texts of a plan written and judged.

    Everything goes through the store of `engine` and of `judge` under what it depends on: after a change of one rule
    only its own texts are written, and only judgments about it or its texts are made.

    A text is dropped if the judge does not agree with what it was written for: that its restricted rule holds, or, for
    a permitted one, that no restricted rule does. Raises `LanguageModelError` and `StoreError` as the engine does.
    """
    counts: collections.Counter[str] = collections.Counter()
    topics = _topics(constitution, engine)
    items = plan.items(constitution, topics)
    counts["planned"] = len(items)
    rules = {rule.id: rule for rule in constitution.rules}
    texts = _write(items, rules, engine, counts)
    written: list[Item] = []
    known: set[tuple[str, str]] = set()
    for item in items:
        text = texts.get(item.key)
        if text is None:
            continue
        if (item.role, text.casefold()) in known:
            counts["repeated"] += 1
            continue
        known.add((item.role, text.casefold()))
        written.append(item)
    counts["written"] = len(written)
    examples: list[Example] = []
    for role in ROLES:
        of_role = [item for item in written if item.role == role]
        examples += _judged(of_role, texts, role, constitution, engine, judge, counts)
    examples += [copy for example in examples if not example.dropped for copy in _copies(example, plan)]
    return Synthesis(tuple(examples), dict(counts))


def _topics(constitution: Constitution, engine: Engine) -> dict[str, Sequence[str]]:
    """The hints of each rule; for a rule without, what the language model thinks of."""
    prompt = load_prompt("guard_topics")
    unhinted = [rule for rule in constitution.rules if not rule.hints]
    requests = [Request(prompt.fill(predicate=rule.predicate), max_tokens=100) for rule in unhinted]
    answers = engine.complete_stored(requests, what="topics")
    found: dict[str, Sequence[str]] = {rule.id: rule.hints for rule in constitution.rules}
    for rule, answer in zip(unhinted, answers, strict=True):
        listed = parse_predicates(answer.text) if answer is not None else []
        found[rule.id] = listed[:12] if len(listed) >= 3 else TOPICS
    return found


def _write(
    items: Sequence[Item], rules: dict[str, Rule], engine: Engine, counts: collections.Counter[str]
) -> dict[str, str]:
    """Texts by the keys of their items; an unusable answer is counted and asked for again, within a bound."""
    prompts = {role: load_prompt(f"guard_{role}") for role in ROLES}
    texts: dict[str, str] = {}
    left = list(items)
    for attempt in range(_TRIES):
        requests = [
            Request(
                prompts[item.role].fill(
                    predicate=rules[item.rule].of(item.role),
                    topic=item.topic,
                    style=item.style,
                    language=item.language,
                    wording=item.wording,
                ),
                max_tokens=_MAX_TOKENS,
                temperature=_TEMPERATURE,
                seed=item.seed + attempt,
            )
            for item in left
        ]
        if engine.meter.spent is not None:
            break
        answers = engine.complete_stored(requests, what="writing" if attempt == 0 else "writing again")
        again = []
        for item, answer in zip(left, answers, strict=True):
            text, why = ("", "not answered") if answer is None else read_example(answer.text)
            if why:
                counts[why] += 1
                again.append(item)
            else:
                texts[item.key] = text
        left = again
    counts["given up"] += len(left)
    return texts


def read_example(answer: str) -> tuple[str, str]:
    """The text in an answer, without preamble, label and quotation marks, and why it is unusable ("" if it is not)."""
    text = _PREAMBLE.sub("", answer.strip())
    text = _LABEL.sub("", text).strip()
    if len(text) > 2 and text[0] in "\"'“`*" and text[-1] in "\"'”`*":
        text = text.strip("\"'“”`*")
    text = text.strip()
    if _REFUSAL.search(text):
        return "", "refused"
    if _INSTRUCTION.search(text):
        return "", "repeats its instructions"
    if len(text.split()) < _LEAST_WORDS:
        return "", "too short"
    return text, ""


def _judged(
    items: Sequence[Item],
    texts: dict[str, str],
    role: str,
    constitution: Constitution,
    engine: Engine,
    judge: AbstractJudge,
    counts: collections.Counter[str],
) -> list[Example]:
    restricted = constitution.restricted
    own = {rule.id: number for number, rule in enumerate(restricted)}
    shown = [texts[item.key] for item in items]
    pairs = np.argwhere(np.ones((len(shown), len(restricted)), dtype=bool))
    answers = judge.judge(shown, [rule.of(role) for rule in restricted], pairs).reshape(len(shown), len(restricted))
    probabilities = answers
    if not engine.lm.strong:
        probabilities = np.stack([_unbiased(column) for column in answers.T], axis=1)
    examples = []
    for item, text, raw, corrected in zip(items, shown, answers, probabilities, strict=True):
        holds = corrected > 0.5
        number = own.get(item.rule)
        relevant = raw if number is None else raw[[number]]
        dropped = ""
        if np.isnan(relevant).any():
            dropped = "not judged"
        elif number is not None and not holds[number]:
            dropped = "restricted, judged permitted"
        elif number is None and holds.any():
            dropped = "permitted, judged restricted"
        counts[dropped or "kept"] += 1
        examples.append(
            Example(
                text=text,
                restricted=number is not None,
                obfuscation="",
                probabilities=tuple(raw.tolist()),
                labels=tuple(bool(value) for value in holds),
                dropped=dropped,
                **dataclasses.asdict(item),
            )
        )
    return examples


def _unbiased(probabilities: np.ndarray) -> np.ndarray:
    """A small model's answers about one rule, with the valley between its yes and no as even odds."""
    finite = np.isfinite(probabilities)
    return correct(probabilities, bias(log_odds_of(probabilities[finite])) if finite.any() else 0.0)


def _copies(example: Example, plan: Plan) -> list[Example]:
    item = Item(**{field.name: getattr(example, field.name) for field in dataclasses.fields(Item)})
    return [
        dataclasses.replace(
            example, text=obfuscate(example.text, name, seed=item.seed), obfuscation=name, key=f"{example.key}-{name}"
        )
        for name in plan.copies(item)
    ]
