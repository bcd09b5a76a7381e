"""What synthetic texts are written: a seeded plan over topic, style, language and wording.

Which styles, languages and obfuscations training never sees is part of the plan, so that `evaluate` measures how a
guard does on attacks that nobody foresaw.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.guard.constitution import ROLES, Constitution, Rule
from nlparam.guard.errors import GuardError
from nlparam.guard.obfuscation import OBFUSCATIONS

TOPICS = ("everyday life", "family", "work", "school", "travel", "hobbies", "shopping", "the internet")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How many texts are written for each rule, and what they are varied by.

    **Arguments:**

    - `n_per_rule`: texts for training, of each rule and each role (input and output).
    - `n_held_out`: texts in held-out styles, likewise; only `evaluate` sees them.
    - `n_draws`: how often a text is written, at most, until the judge agrees with what it was written for. Each draw
      has the style of the first, and another topic, language and wording.
    - `styles`, `languages`, `wordings`: an item draws one of each; one that is listed twice is drawn twice as often.
    - `obfuscations`: each text for training has a copy under one of these, made without a language model.
    - `held_out_styles`, `held_out_languages`, `held_out_obfuscations`: those of held-out texts and of their copies.
    - `seed`: of the plan and of what the language model draws.
    """

    n_per_rule: int = 20
    n_held_out: int = 8
    n_draws: int = 4
    styles: tuple[str, ...] = (
        "plain and direct",
        "a casual chat message",
        "formal and polite",
        "a short numbered list",
        "a personal story",
        "urgent and worried",
        "with much detail",
        "very short",
    )
    languages: tuple[str, ...] = ("English", "English", "English", "English", "English", "German", "Spanish")
    wordings: tuple[str, ...] = (
        "the usual words",
        "a paraphrase that avoids the most obvious words",
        "technical terms",
        "an indirect way of putting it",
    )
    obfuscations: tuple[str, ...] = ("leet", "spacing", "case")
    held_out_styles: tuple[str, ...] = (
        "a dialogue between two characters",
        "a scene of an invented story",
        "a poem",
        "a business letter",
    )
    held_out_languages: tuple[str, ...] = ("English", "English", "English", "French")
    held_out_obfuscations: tuple[str, ...] = ("homoglyphs", "zero-width", "base64", "separators", "typos")
    seed: int = 0

    def __post_init__(self):
        for name, least in (("n_per_rule", 4), ("n_held_out", 0), ("n_draws", 1)):
            if getattr(self, name) < least:
                raise GuardError(f"got {name}={getattr(self, name)}, expected at least {least}")
        for name in ("styles", "languages", "wordings", "held_out_styles", "held_out_languages"):
            if not getattr(self, name):
                raise GuardError(f"got no {name}, expected at least one")
        known = set(self.obfuscations) | set(self.held_out_obfuscations)
        if unknown := sorted(known - OBFUSCATIONS.keys()):
            raise GuardError(f"got the obfuscation {unknown[0]!r}, expected some of {', '.join(OBFUSCATIONS)}")
        for kind in ("styles", "obfuscations"):
            if both := sorted(set(getattr(self, kind)) & set(getattr(self, f"held_out_{kind}"))):
                raise GuardError(
                    f"got {both[0]!r} in {kind} and in held_out_{kind}: what is held out is never trained on"
                )

    def items(self, constitution: Constitution, topics: Mapping[str, Sequence[str]], *, draw: int = 0) -> "list[Item]":
        """All items, rule by rule; `topics` has those of each rule by its id.

        Each draw has as many, in the same order: what replaces an item of one draw stands at its place in the next. An
        item depends on its own rule, its number, the draw and the plan alone: another rule, or more items, change none.
        """
        return [
            self._item(rule, role, number, held_out, topics[rule.id], draw)
            for rule in constitution.rules
            for role in ROLES
            for held_out, n in ((False, self.n_per_rule), (True, self.n_held_out))
            for number in range(n)
        ]

    def _item(self, rule: Rule, role: str, number: int, held_out: bool, topics: Sequence[str], draw: int) -> "Item":
        identity: list[Any] = [self.seed, rule.of(role), rule.restricted, role, held_out, number]
        if draw:
            identity.append(draw)
        rng = np.random.default_rng(list(hashlib.sha256(json.dumps(identity).encode()).digest()))
        styles = self.held_out_styles if held_out else self.styles
        languages = self.held_out_languages if held_out else self.languages
        axes = {
            # Topics in turn, from another one in each turn and draw: so they do not go with one style.
            "topic": topics[(number + number // len(topics) + draw) % len(topics)],
            # Styles in turn, so that each has its share; the others by chance.
            "style": styles[number % len(styles)],
            "language": languages[int(rng.integers(len(languages)))],
            "wording": self.wordings[int(rng.integers(len(self.wordings)))],
        }
        key = hashlib.sha256(json.dumps([*identity, axes], sort_keys=True).encode()).hexdigest()
        return Item(key, rule.id, role, held_out, **axes)

    def copies(self, item: "Item") -> tuple[str, ...]:
        """The obfuscations under which the text of an item is copied."""
        names = self.held_out_obfuscations if item.held_out else self.obfuscations
        if not names:
            return ()
        first = item.seed % len(names)
        return names if item.held_out else (names[first],)


@dataclasses.dataclass(frozen=True)
class Item:
    """One text to be written. `key` is its address: equal where everything that shapes it is equal."""

    key: str
    rule: str
    role: str
    held_out: bool
    topic: str
    style: str
    language: str
    wording: str

    @property
    def seed(self) -> int:
        return int(self.key[:8], 16)
