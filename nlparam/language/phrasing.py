"""Phrasing: categories become predicates, and siblings get one grammatical form."""

import collections
import dataclasses
import re
from collections.abc import Callable, Sequence

import numpy as np

from nlparam.language.lm.base import Completion, Request
from nlparam.language.lm.engine import Engine
from nlparam.language.parse import parse_predicate
from nlparam.language.prompting import Prompt, load_prompt

# After so many categories it is clear whether predicates are a category behind the same words.
_TRIED = 4
_FALLBACK = "is about"
# Words that a predicate may begin with before what it says: "is about", "is written in", "complains about".
_JOINING = frozenset(
    (
        "about",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "of",
        "on",
        "regarding",
        "related",
        "to",
        "with",
        "written",
    )
)
_SUBJECT = re.compile(r"^(?:the|this) [\w-]+ (?=(?:is|are|was|has)\b)", re.IGNORECASE)
# So many words of the goal in a row are no predicate's own.
_ECHO = 4
# Below this cosine of their embeddings a rewording says something else.
_SAME_MEANING = 0.5


@dataclasses.dataclass
class Phraser:
    """Turns categories into predicates under a goal.

    The first few are asked for one by one. If at least half of them are the category behind the same words ("is about
    sports", "is about politics"), so are all, and nothing more is asked.
    """

    engine: Engine
    goal: str
    template: str | None = dataclasses.field(default=None, init=False)
    _tried: dict[str, str] = dataclasses.field(default_factory=dict, init=False)

    def __post_init__(self):
        self.prompt = load_prompt("phrase")
        self.identity = self.prompt.version

    def phrase(self, categories: Sequence[str]) -> list[str]:
        """The predicate of each category."""
        distinct = list(dict.fromkeys(categories))
        if self.template is None:
            asked = [category for category in distinct if category not in self._tried][: max(_TRIED, 1)]
            self._ask(asked)
            self.template = _common_template(self._tried)
        if self.template is None:
            self._ask([category for category in distinct if category not in self._tried])
            return [self._tried[category] for category in categories]
        return [f"{self.template} {category}" for category in categories]

    def _ask(self, categories: Sequence[str]) -> None:
        requests = [Request(self.prompt.fill(goal=self.goal, category=c), max_tokens=16) for c in categories]
        answers = self.engine.complete_stored(requests, what="phrasing")
        for category, answer in zip(categories, answers, strict=True):
            self._tried[category] = phrased(answer, category, goal=self.goal, prompt=self.prompt)


def phrased(answer: Completion | None, category: str, *, goal: str, prompt: Prompt) -> str:
    """The predicate that the language model made of a category; "is about CATEGORY" where it made none."""
    first = answer.text.strip().splitlines()[:1] if answer is not None else []
    predicate = parse_predicate(first[0]) if first else None
    # "The news is about sports" is what one text is, too: "is about sports".
    predicate = None if predicate is None else _SUBJECT.sub("", predicate)
    if predicate is None or _repeats(predicate, category, prompt) or _echoes(predicate, goal):
        return f"{_FALLBACK} {category}"
    return predicate


def _repeats(predicate: str, category: str, prompt: Prompt) -> bool:
    """Whether the predicate is that of an example of the prompt, for a category that is another than the example's.

    A small model repeats an example instead of following it.
    """
    examples = prompt.sections[-1][1]
    its_own = f"Category: {category}.\nProperty: {predicate}\n".casefold() in examples.casefold()
    return f"Property: {predicate}" in examples and not its_own


def _echoes(predicate: str, goal: str) -> bool:
    """Whether some words of the goal stand in the predicate as they do there: a small model writes the goal off."""
    said, asked = (f" {' '.join(text.casefold().split())} " for text in (predicate, goal))
    words = asked.split()
    runs = (words[start : start + _ECHO] for start in range(len(words) - _ECHO + 1))
    return any(f" {' '.join(run)} " in said for run in runs)


def _common_template(phrased: dict[str, str]) -> str | None:
    """The words before the category, if at least half of some predicates are these words and the category."""
    if len(phrased) < 2:
        return None
    counts: collections.Counter[str] = collections.Counter()
    for category, predicate in phrased.items():
        before, found, after = predicate.casefold().partition(category.casefold())
        if found and not after and before.strip():
            counts[before.strip()] += 1
    template, n_times = counts.most_common(1)[0] if counts else ("", 0)
    return template if 2 * n_times >= len(phrased) else None


def lead(predicate: str) -> str:
    """The words a predicate begins with before it says what: "is about", "complains about", "praises"."""
    words = predicate.split()
    end = 1
    while end < min(len(words) - 1, 4) and words[end].casefold() in _JOINING:
        end += 1
    return " ".join(words[:end]).casefold()


def is_parallel(predicates: Sequence[str]) -> bool:
    """Whether some predicates all begin with the same words."""
    return len({lead(predicate) for predicate in predicates}) <= 1


@dataclasses.dataclass
class ParallelForm:
    """Rewords siblings so that all begin with the same words.

    The language model rewords those that do not begin as most do. What it wrote counts if it begins as asked, is no
    other sibling and means the same (by the cosine of embeddings); else the predicate gets a deterministic form, "is
    about" and what it says.

    **Arguments:** `embed`, embeds sentences as unit vectors.
    """

    engine: Engine
    embed: Callable[[Sequence[str]], np.ndarray]

    def __post_init__(self):
        self.prompt = load_prompt("rephrase")
        self.identity = self.prompt.version

    def rephrase(self, predicates: Sequence[str], *, fixed: Sequence[bool] | None = None) -> list[str]:
        """The predicates in one form, in their order; those that are `fixed` (a user's own) stay as they are."""
        kept = [False] * len(predicates) if fixed is None else list(fixed)
        if is_parallel(predicates):
            return list(predicates)
        leads = collections.Counter(lead(predicate) for predicate in predicates)
        common, n_times = leads.most_common(1)[0]
        if n_times == 1:
            common = _FALLBACK
        others = [n for n, p in enumerate(predicates) if lead(p) != common and not kept[n]]
        requests = [
            Request(self.prompt.fill(predicate=_line(predicates[n]), lead=common), max_tokens=20) for n in others
        ]
        answers = self.engine.complete_stored(requests, what="phrasing")
        reworded = list(predicates)
        for number, answer in zip(others, answers, strict=True):
            first = answer.text.strip().splitlines()[:1] if answer is not None else []
            new = parse_predicate(first[0]) if first else None
            if new is None or not self._usable(new, predicates[number], common, reworded):
                new = f"{common} {what_it_says(predicates[number])}" if common.endswith("about") else None
            if new is not None and new.casefold() not in {p.casefold() for p in reworded}:
                reworded[number] = new
        if is_parallel([p for p, keep in zip(reworded, kept, strict=True) if not keep]):
            return reworded
        return _deterministic(predicates, kept)

    def _usable(self, new: str, old: str, common: str, others: Sequence[str]) -> bool:
        if lead(new) != common or new.casefold() in {other.casefold() for other in others}:
            return False
        vectors = self.embed([new, old])
        return float(vectors[0] @ vectors[1]) >= _SAME_MEANING


def _deterministic(predicates: Sequence[str], kept: Sequence[bool]) -> list[str]:
    """Every predicate as "is about" and what it says, unless two of them became one."""
    new = [p if keep else f"{_FALLBACK} {what_it_says(p)}" for p, keep in zip(predicates, kept, strict=True)]
    return new if len({p.casefold() for p in new}) == len(new) else list(predicates)


def what_it_says(predicate: str) -> str:
    """What a predicate says, without the words it begins with."""
    rest = " ".join(predicate.split()[len(lead(predicate).split()) :])
    return re.sub(r"^(?:an?|the)\s+", "", rest or predicate)


def _line(predicate: str) -> str:
    return " ".join(predicate.split())
