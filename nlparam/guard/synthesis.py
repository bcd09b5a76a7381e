"""Synthetic texts for a guard: written by a language model after a plan, judged by the rules, copied in disguise."""

import collections
import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.guard.agreement import yes_begins
from nlparam.guard.constitution import ROLES, Constitution, Rule
from nlparam.guard.obfuscation import obfuscate
from nlparam.guard.plan import TOPICS, Item, Plan
from nlparam.language.asking import ask, ask_all
from nlparam.language.parse import parse_predicates
from nlparam.language.prompting import load_prompt
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine
from nlparam.numerics.heads.head import log_odds_of

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

    A text is dropped if the judge does not agree with what it was written for: that its restricted rule holds, or, for
    a permitted one, that no restricted rule does. What was dropped is written again, up to `plan.n_draws` times.

    Everything goes through the store of `engine` and of `judge` under what it depends on: after a change of one rule
    only its own texts are written, and only judgments about it or its texts are made (and, with a small model, what
    changes because the texts written for one rule tell where the "yes" of another begins).

    Raises `LanguageModelError` and `StoreError` as the engine does.
    """
    counts: collections.Counter[str] = collections.Counter()
    topics = _topics(constitution, engine)
    rules = {rule.id: rule for rule in constitution.rules}
    drafts: list[_Draft] = []
    known: set[tuple[str, str]] = set()
    due: list[int] = []
    for draw in range(plan.n_draws):
        items = plan.items(constitution, topics, draw=draw)
        if draw == 0:
            counts["planned"] = len(items)
            due = list(range(len(items)))
        texts = _write([items[place] for place in due], rules, engine, counts, again=draw > 0)
        fresh = []
        for place in due:
            item = items[place]
            if (text := texts.get(item.key)) is None:
                continue
            if (item.role, text.casefold()) in known:
                counts["repeated"] += 1
                continue
            known.add((item.role, text.casefold()))
            fresh.append(_Draft(place, item, text))
        _judge(fresh, constitution, judge)
        drafts += fresh
        # Where a yes begins is told by all texts so far, so that one that was kept may be dropped, and the reverse.
        _agree(drafts, constitution, strong=engine.lm.strong)
        kept = {draft.place for draft in drafts if not draft.dropped}
        due = [place for place in range(len(items)) if place not in kept]
        if not due or engine.meter.spent is not None:
            break
    counts["given up"] = len(due)
    counts["written"] = len(drafts)
    drafts.sort(key=lambda draft: draft.place)  # the draws of an item one after another
    counts.update(draft.dropped or "kept" for draft in drafts)
    examples = [draft.example(rules[draft.item.rule]) for role in ROLES for draft in drafts if draft.item.role == role]
    examples += [copy for example in examples if not example.dropped for copy in _copies(example, plan)]
    return Synthesis(tuple(examples), dict(counts))


@dataclasses.dataclass
class _Draft:
    """A text that was written for an item, the place of the item in the plan, and what the judge said of it."""

    place: int
    item: Item
    text: str
    answers: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))  # (n_restricted,)
    labels: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, bool))  # (n_restricted,)
    dropped: str = ""

    def example(self, rule: Rule) -> Example:
        return Example(
            text=self.text,
            restricted=rule.restricted,
            obfuscation="",
            probabilities=tuple(map(float, self.answers)),
            labels=tuple(map(bool, self.labels)),
            dropped=self.dropped,
            **dataclasses.asdict(self.item),
        )


def _topics(constitution: Constitution, engine: Engine) -> dict[str, Sequence[str]]:
    """The hints of each rule; for a rule without, what the language model thinks of."""
    prompt = load_prompt("guard_topics")
    unhinted = [rule for rule in constitution.rules if not rule.hints]
    rows = ({"predicate": rule.predicate} for rule in unhinted)
    answers = ask(engine, prompt, rows, parse_predicates, what="topics", max_tokens=100)
    found: dict[str, Sequence[str]] = {rule.id: rule.hints for rule in constitution.rules}
    for rule, listed in zip(unhinted, answers, strict=True):
        found[rule.id] = listed[:12] if listed and len(listed) >= 3 else TOPICS
    return found


def _write(
    items: Sequence[Item], rules: dict[str, Rule], engine: Engine, counts: collections.Counter[str], *, again: bool
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
        answers = ask_all(engine, requests, read_example, what="writing again" if again or attempt else "writing")
        unusable = []
        for item, answer in zip(left, answers, strict=True):
            text, why = answer or ("", "not answered")
            if why:
                counts[why] += 1
                unusable.append(item)
            else:
                texts[item.key] = text
        left = unusable
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


def _judge(drafts: Sequence[_Draft], constitution: Constitution, judge: AbstractJudge) -> None:
    """Asks of each text whether it breaks each of the restricted rules."""
    restricted = constitution.restricted
    for role in ROLES:
        own = [draft for draft in drafts if draft.item.role == role]
        if not own:
            continue
        answers = judge.judge_all([draft.text for draft in own], [rule.of(role) for rule in restricted])
        for draft, row in zip(own, answers, strict=True):
            draft.answers = row


def _agree(drafts: Sequence[_Draft], constitution: Constitution, *, strong: bool) -> None:
    """Says of each text which rules it breaks, and drops it where this is not what it was written for."""
    restricted = [rule.id for rule in constitution.restricted]
    for role in ROLES:
        own = [draft for draft in drafts if draft.item.role == role]
        if not own:
            continue
        log_odds = log_odds_of(np.stack([draft.answers for draft in own]))
        # What is held out decides nothing that training sees, so it is only read by what the other texts tell.
        training = np.asarray([not draft.item.held_out for draft in own])
        written_for = [draft.item.rule for draft in own if not draft.item.held_out]
        begins = np.asarray(
            [0.0 if strong else _begins(log_odds[training], written_for, restricted, rule) for rule in restricted]
        )
        for draft, row, holds in zip(own, log_odds, log_odds > begins, strict=True):
            draft.labels = holds
            draft.dropped = ""
            number = restricted.index(draft.item.rule) if draft.item.rule in restricted else None
            if np.isnan(row if number is None else row[number]).any():
                draft.dropped = "not judged"
            elif number is not None and not holds[number]:
                draft.dropped = "restricted, judged permitted"
            elif number is None and holds.any():
                draft.dropped = "permitted, judged restricted"


def _begins(log_odds: np.ndarray, written_for: Sequence[str], restricted: Sequence[str], rule: str) -> float:
    """Where the yes of a rule begins, by the texts of a role that are trained on."""
    column = log_odds[:, restricted.index(rule)]
    own = np.asarray([other == rule for other in written_for])
    permitted = np.asarray([other not in restricted for other in written_for])
    # Without permitted rules, what was written for the others; some of it may break this one, too.
    others = permitted if permitted.any() else ~own
    there = np.isfinite(column)
    return yes_begins(column[own & there], column[others & there])


def _copies(example: Example, plan: Plan) -> list[Example]:
    item = Item(**{field.name: getattr(example, field.name) for field in dataclasses.fields(Item)})
    return [
        dataclasses.replace(
            example, text=obfuscate(example.text, name, seed=item.seed), obfuscation=name, key=f"{example.key}-{name}"
        )
        for name in plan.copies(item)
    ]
