"""Statements: what a language model says of single texts under a goal, in a few words."""

import collections
import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from nlparam.language.asking import ask_all
from nlparam.language.goals import Goal, read_goal
from nlparam.language.parse import parse_category
from nlparam.language.prompting import cut_words, load_prompt
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine

# The ways to ask; the first is the one that is taken where nothing speaks for another.
WORDINGS = ("state", "state_general")
# "It is written in German" answers what "German" does; what a model says of the text as such is no answer.
_SENTENCE = re.compile(
    r"^(?:it is|it's|is|are|was)\s+(?:(?:written|spoken|about|set)\b)?\s*(?:in|about|by|on)?\b\s*", re.IGNORECASE
)
# A question of the goal that was written off as the answer: "is it advertising", "do people talk".
_QUESTION = re.compile(
    r"^(?:(?:is|are|was|were|does|do|did)\s+(?:it|this|that|they|these|the texts?)|does|do|did)\s+(?=\w)", re.IGNORECASE
)
_OF_THE_TEXT = re.compile(
    r"^(?:the|this) (?:text|speaker|label|author)s?\b(?! is (?:written|spoken|about|set)\b)", re.IGNORECASE
)
_NO_ANSWER = re.compile(
    r"^(?:(?:data|i|he|she|they|we|you|it|labels?|n/?a)$|not\b|none\b|unknown|unclear|unspecified|no (?:answer|label)"
    r"|i['’]?m\b|i am\b|(?:we|you|they)(?: are|['’]re)\b)",
    re.IGNORECASE,
)
# Questions whose answers are words of the question: "does it tell the story or judge the film?"
_CHOICE = re.compile(r"^(?:whether|is|are|was|were|do|does|did|has|have|can|will|would|should)\b|\bor\b", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:the|an?) (?=\w)", re.IGNORECASE)
_MOST_TOKENS = 10
_STEM = 5  # letters that "speaking" and "speaker" have in common
_LABEL = re.compile(r"^(?:label|answer|category)\s*(?:\([^)]*\))?\s*:\s*", re.IGNORECASE)


@dataclasses.dataclass
class Stater:
    """Asks of one text at a time what it is under a goal.

    Answers are stored, so that the same text under the same goal is asked once, and remembered: `stated` maps texts to
    statements. Of a goal with several parts, a text is asked about one; `parts` maps statements to that.

    **Arguments:** `n_words`, how much of a text the model is shown; `wording`, one of `WORDINGS`; `with_states`: states
    may come with what is said, so that `states` need not read these.
    """

    engine: Engine
    n_words: int = 60
    wording: str = WORDINGS[0]
    with_states: bool = False
    stated: dict[str, str] = dataclasses.field(default_factory=dict, init=False)
    parts: dict[str, Goal] = dataclasses.field(default_factory=dict, init=False)

    @property
    def identity(self) -> str:
        return " ".join(load_prompt(wording).version for wording in WORDINGS)

    def state(self, texts: Sequence[str], *, goal: str) -> list[str | None]:
        """What each text is, in one spelling; `None` where the answer is not usable."""
        statements = self._ask(texts, goal, self.wording)
        self.stated |= {text: said for text, said in zip(texts, statements, strict=True) if said is not None}
        return statements

    def names(self, text: str) -> tuple[str, ...]:
        """What a text was said to be, `()` if it was not stated."""
        return (self.stated[text],) if text in self.stated else ()

    def states(self, texts: Sequence[str], *, goal: str) -> list[np.ndarray | None]:
        """What the language model is about to say of each text, before its first word; `None` where it was not read."""
        prompt, (part, *_) = load_prompt(self.wording), read_goal(goal).parts
        requests = [Request(prompt.fill(images=(), **self._fields(text, part)), state=True) for text in texts]
        return self.engine.read_states(requests, what="reading")

    def choose_wording(self, texts: Sequence[str], *, goal: str, n_groups: int) -> None:
        """Tries each wording on a few texts, and keeps the one that sorts them best into so many groups."""
        told = {wording: information(self._ask(texts, goal, wording), n_groups) for wording in WORDINGS}
        self.wording = max(WORDINGS, key=lambda wording: told[wording])

    def narrow(self, texts: Sequence[str], paths: Sequence[Sequence[str]], *, goal: str) -> list[str | None]:
        """What each text is, more precisely than the last name of its path says; `None` if nothing more was said."""
        prompt, further, read = load_prompt(self.wording), load_prompt("narrower"), read_goal(goal)

        def conversation(text: str, path: Sequence[str]) -> Request:
            asked = prompt.fill(images=(), **self._fields(text, read.part_for(text)))
            names = (message for name in path for message in further.fill(label=name))
            return Request((*asked, *names), max_tokens=_MOST_TOKENS, temperature=0.0, seed=0)

        requests = [conversation(text, path) for text, path in zip(texts, paths, strict=True)]
        answers = ask_all(self.engine, requests, statement_of, what="stating")
        return [
            None if said is None or said in path or prompt.wrote(said) else said
            for said, path in zip(answers, paths, strict=True)
        ]

    def _fields(self, text: str, asked: Goal) -> dict[str, str]:
        return {
            "text": cut_words(text, self.n_words),
            "asked": asked.asked.rstrip("?"),
            "aspect": asked.aspect.rstrip("?"),
        }

    def _ask(self, texts: Sequence[str], goal: str, wording: str) -> list[str | None]:
        prompt, read = load_prompt(wording), read_goal(goal)
        parts = {text: read.part_for(text) for text in texts}
        # Prompts of one part begin alike: a language model reads that once for all that follow one another.
        ordered = sorted(parts, key=lambda text: parts[text].aspect)
        prompts = [prompt.fill(images=(), **self._fields(text, parts[text])) for text in ordered]
        requests = [Request(one, max_tokens=_MOST_TOKENS, with_state=self.with_states) for one in prompts]
        answers = ask_all(self.engine, requests, statement_of, what="stating")
        said = dict.fromkeys(ordered)
        for text, answer in zip(ordered, answers, strict=True):
            if answer is not None and not prompt.wrote(answer) and not _asks_back(answer, parts[text]):
                said[text] = answer
                self.parts.setdefault(answer, parts[text])
        return [said[text] for text in texts]


def _asks_back(said: str, goal: Goal) -> bool:
    """Whether a statement is a word of the goal and no answer to it: "speaker", where it is asked who is speaking."""
    words = (word.casefold()[:_STEM] for word in re.findall(r"\w+", goal.aspect))
    word = _ARTICLE.sub("", said)
    stem = word.casefold()[:_STEM]
    return (
        word.isalpha()
        and stem in words
        and not _CHOICE.search(goal.aspect)
        and all(stem not in example.casefold() for example in goal.examples)
    )


def information(statements: Sequence[str | None], n_groups: int) -> float:
    """How much the most frequent statements tell texts apart: their part of the entropy, in nats.

    Low if all texts are said to be the same, and low if each is said to be something else.
    """
    counts = collections.Counter(said for said in statements if said is not None)
    shares = np.asarray([n for _, n in counts.most_common(n_groups)]) / max(len(statements), 1)
    return float(-(shares * np.log(shares)).sum())


def statement_of(answer: str) -> str | None:
    """What an answer says of the text, without a sentence around it; `None` if it says nothing."""
    first = _LABEL.sub("", next((line for line in answer.splitlines() if line.strip()), "").strip())
    category = None if _OF_THE_TEXT.match(first) else parse_category(first)
    said = None if category is None else _SENTENCE.sub("", _QUESTION.sub("", category))
    if not said or _NO_ANSWER.match(said):
        return None
    return category_of(said)


def category_of(answer: str) -> str | None:
    """The category that an answer names, in one spelling ("Sports", "sports." and "SPORTS" are one)."""
    category = parse_category(answer)
    if category is None:
        return None
    # All-capital words are acronyms ("UK", "AI") and stay.
    return " ".join(word if word.isupper() and len(word) <= 4 else word.lower() for word in category.split())
