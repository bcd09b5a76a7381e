"""Phrasing: categories become predicates, and siblings get one grammatical form."""

import collections
import dataclasses
import itertools
import re
from collections.abc import Callable, Sequence

import numpy as np

from nlparam.language.asking import ask
from nlparam.language.goals import Goal, read_goal
from nlparam.language.parse import parse_predicate
from nlparam.language.prompting import Prompt, load_prompt, one_line
from nlparam.lm.engine import Engine

# So many predicates tell how most of them begin.
_ENOUGH = 4
_FALLBACK = "is about"
# Words that a predicate may begin with before what it says: "is about", "is written in", "complains about".
_JOINING = re.compile(r"about|as|at|by|for|from|in|into|of|on|regarding|related|that|to|with|written", re.IGNORECASE)
# "is spoken by", "was said in": a participle before a joining word is no part of what a predicate says.
_PARTICIPLE = re.compile(r"(?:\w+(?:ed|en|ing)|said|told|made|set)", re.IGNORECASE)
_ARTICLES = frozenset(("a", "an", "the"))
_STEM = 4  # letters that "tells" and "telling" have in common
_INFLECTION = re.compile(r"\w?(?:d|e?s|ed|ing)?")  # behind a shorter word: "adding", "cuts"
_SUBJECT = re.compile(r"^(?:the|this) [\w-]+ (?=(?:is|are|was|has)\b)", re.IGNORECASE)
# "is speaking by the Queen" is no English.
_ACTIVE_BY = re.compile(r"(?<=^is )\w+ing(?= by\b)", re.IGNORECASE)
_PARTICIPLES = {
    "composing": "composed", "giving": "given", "making": "made", "narrating": "narrated", "posting": "posted",
    "publishing": "published", "reporting": "reported", "saying": "said", "sending": "sent", "singing": "sung",
    "speaking": "spoken", "telling": "told", "writing": "written",
}  # fmt: skip
# So many words of the goal in a row are no predicate's own.
_ECHO = 4
# A goal of a few words that does not ask for topics can stand in a predicate.
_SHORT_ASPECT = 4
_TOPICAL = frozenset(("about", "topic", "topics", "subject", "theme", "category", "categories", "texts", "text"))
# Verbs that do not end in "s" after "The text".
_VERBS = frozenset(("can", "could", "may", "might", "must", "should", "will", "would"))
_IRREGULAR = frozenset(("am", "are", "be", "do", "go", "have"))
# What follows these is no thing that a text could be about.
_LINKING = _VERBS | frozenset(("does", "has", "is", "was", "were"))
# The prompts and their longest answers, where the goal asks for what was done or happened, and elsewhere.
_PROMPTS = {False: "phrase", True: "phrase_told"}
_MOST_TOKENS = {False: 16, True: 24}
# "Simpson's name is not an anagram" is said, not what a text is about; "a man who is lost" may be.
_CLAUSE = re.compile(
    r"(?!.*\b(?:how|that|what|when|where|whether|which|who|whose|why)\b)\S.*\s(?:is|are|was|were|has|have|had)\s\S.*",
    re.IGNORECASE,
)
# Below this cosine of their embeddings a rewording says something else.
_SAME_MEANING = 0.5


@dataclasses.dataclass
class Phraser:
    """Turns categories into predicates under a goal, all in one form where most of them have one.

    If at least half of the first predicates begin with the same words ("is about", "is written in"), the others are
    asked for once more, to begin like these. Where the goal says how predicates begin ("has a topic of"), they do. What
    happened is described, or the text says so. Then the language model corrects the grammar of each, as far as it keeps
    the words. Plain predicates stand in for answers of no use. They say how the others begin only if most are plain, or
    if the goal asks for topics.
    """

    engine: Engine
    goal: str
    lead: str | None = dataclasses.field(default=None, init=False)
    _tried: dict[str, str] = dataclasses.field(default_factory=dict, init=False)
    _standing_in: set[str] = dataclasses.field(default_factory=set, init=False)
    _corrected: dict[str, str] = dataclasses.field(default_factory=dict, init=False)

    def __post_init__(self):
        self.prompts = {is_told: load_prompt(name) for is_told, name in _PROMPTS.items()}
        self.identity = " ".join(prompt.version for prompt in (*self.prompts.values(), load_prompt("correct")))

    @property
    def began(self) -> bool:
        """Whether categories were phrased already."""
        return bool(self._tried)

    def knows(self, category: str) -> bool:
        """Whether a category was phrased already."""
        return category in self._tried

    def phrase(self, categories: Sequence[str], *, complete: bool = False) -> list[str]:
        """The predicate of each category; `complete` if there will be no others, which then all begin alike."""
        distinct = list(dict.fromkeys(categories))
        read = read_goal(self.goal)
        self._ask([category for category in distinct if category not in self._tried], read)
        if read.lead is not None:
            return self._in_good_english([_led(self._tried[category], read.lead) for category in categories])
        if self.lead is None and (complete or len(self._tried) >= _ENOUGH):
            self.lead = _most_common_lead(self._telling(read.aspect))
        if self.lead is not None:
            self._ask_again([c for c in distinct if lead(self._tried[c]) != self.lead], self.lead, read)
        return self._in_good_english([self._tried[category] for category in categories])

    def _in_good_english(self, predicates: Sequence[str]) -> list[str]:
        new = [predicate for predicate in dict.fromkeys(predicates) if predicate not in self._corrected]
        self._corrected |= zip(new, _corrected(self.engine, new), strict=True)
        return [self._corrected[predicate] for predicate in predicates]

    def _telling(self, aspect: str) -> list[str]:
        """The predicates that say how the others begin."""
        made = [predicate for category, predicate in self._tried.items() if category not in self._standing_in]
        plain_is_right = _is_topical(aspect) or 2 * len(made) < len(self._tried)
        return list(self._tried.values()) if plain_is_right else made

    def _ask(self, categories: Sequence[str], goal: Goal) -> None:
        prompt, most = self.prompts[goal.is_told], _MOST_TOKENS[goal.is_told]
        rows = ({"goal": goal.aspect, "category": category} for category in categories)
        answers = ask(self.engine, prompt, rows, _first_predicate, what="phrasing", max_tokens=most)
        for category, predicate in zip(categories, inflected(answers, goal.aspect), strict=True):
            self._tried[category] = phrased(predicate, category, goal=goal, prompt=prompt)
            if self._tried[category] != predicate and self._tried[category] == _plain(category, goal):
                self._standing_in.add(category)

    def _ask_again(self, categories: Sequence[str], begins: str, goal: Goal) -> None:
        # Of what happened, a plain predicate says less than another form does.
        kept = _is_topical(goal.aspect) or goal.is_told
        plain = {} if kept else {category: _plain(category, goal) for category in categories}
        self._tried |= {category: text for category, text in plain.items() if lead(text) == begins}
        others = [category for category in categories if lead(self._tried[category]) != begins]
        reworded = _reworded(self.engine, [self._tried[category] for category in others], begins)
        for category, new in zip(others, reworded, strict=True):
            old = self._tried[category]
            # A plain predicate has the words of the goal, too, which a rewording can keep without saying anything.
            said = category if category in self._standing_in else old
            if new is not None and lead(new) == begins and _shares_a_word(new, said) and not _is_about_a_clause(new):
                self._tried[category] = new
            elif _joined_alike(lead(old), begins):
                self._tried[category] = f"{begins} {_after_lead(old)}"
            elif category in self._standing_in and not begins.endswith("about") and not _CLAUSE.fullmatch(category):
                self._tried[category] = f"{begins} {category}"


def _joined_alike(one: str, other: str) -> bool:
    """Whether two leads end with the same joining word, so that what follows one can follow the other: "is speaking
    by" and "is spoken by".
    """
    last = one.split()[-1]
    return last == other.split()[-1] and len(one.split()) > 1 and _JOINING.fullmatch(last) is not None


def _led(predicate: str, begins: str) -> str:
    return predicate if predicate.casefold().startswith(begins.casefold()) else f"{begins} {what_it_says(predicate)}"


def _most_common_lead(predicates: Sequence[str]) -> str | None:
    """The words that at least half of some predicates begin with."""
    begins, n_times = collections.Counter(lead(predicate) for predicate in predicates).most_common(1)[0]
    return begins if 2 * n_times >= len(predicates) else None


def inflected(predicates: Sequence[str | None], goal: str) -> list[str | None]:
    """Predicates whose verb agrees with "the text": "talk in English" beside "talks in Russian" becomes "talks in".

    A first word counts as a verb if another predicate has it with an "s", or the goal uses it as one ("do they talk").
    """
    begins = {predicate.split()[0].casefold() for predicate in predicates if predicate is not None}

    def agreeing(predicate: str) -> str:
        first, *rest = predicate.split()
        if first.casefold() in _VERBS | _IRREGULAR:
            return predicate
        is_verb = f"{first.casefold()}s" in begins or (rest and not first.endswith("s") and _is_verb_of(goal, first))
        return " ".join([f"{first}s", *rest]) if is_verb else predicate

    return [None if predicate is None else agreeing(predicate) for predicate in predicates]


def _is_verb_of(goal: str, word: str) -> bool:
    """Whether the goal uses a word as a verb: "do they talk", "does it tell a story or judge it"."""
    verb = rf"(?<!\bthe\s)(?<!\ba\s)(?<!\ban\s)\b{re.escape(word)}\b"
    asked = rf"\b(?:do|does|did|to)\s(?:[^.?!]*\s)?{verb}|\b(?:they|we|you)\s(?:\w+\s)?{verb}"
    return re.search(asked, goal, re.IGNORECASE) is not None


def _shares_a_word(new: str, old: str) -> bool:
    """Whether a rewording kept some word of what was said, at least its beginning ("poetry", "poem").

    Acronyms are written out ("UK"): what has short words only passes if the rewording has a name.
    """
    said = {word.casefold()[:3] for word in re.findall(r"\w{3,}", what_it_says(old))}
    if not said:
        return old.casefold() in new.casefold() or any(word[0].isupper() for word in new.split())
    return any(word.casefold()[:3] in said for word in re.findall(r"\w+", new))


def phrased(predicate: str | None, category: str, *, goal: Goal, prompt: Prompt) -> str:
    """The predicate that the language model made of a category, or a plain one where it made none."""
    # "The news is about sports" is what one text is, too: "is about sports".
    predicate = None if predicate is None else _passive(_SUBJECT.sub("", predicate))
    usable = (
        predicate is not None
        and not _repeats(predicate, category, prompt)
        and (goal.is_told or not _echoes(predicate, goal.aspect))
        and _has_a_verb(predicate, category)
        and _shares_a_word(predicate, category)
        and not _is_about_a_clause(predicate)
    )
    return predicate if usable and predicate is not None else _plain(category, goal)


def _passive(predicate: str) -> str:
    """With a past participle before "by": "is spoken by the Queen"."""
    return _ACTIVE_BY.sub(lambda found: _PARTICIPLES.get(found[0].casefold(), found[0]), predicate)


def _first_predicate(answer: str) -> str | None:
    """The predicate in the first line of an answer, if there is one."""
    first = answer.strip().splitlines()[:1]
    return parse_predicate(first[0]) if first else None


def _reworded(engine: Engine, predicates: Sequence[str], begins: str) -> list[str | None]:
    """What the language model makes of predicates that are to begin with some words."""
    rows = ({"predicate": one_line(predicate), "lead": begins} for predicate in predicates)
    return ask(engine, load_prompt("rephrase"), rows, _first_predicate, what="phrasing", max_tokens=20)


def _corrected(engine: Engine, predicates: Sequence[str]) -> list[str]:
    """Predicates with the articles, plurals and capitals that the language model would give them."""
    rows = ({"predicate": one_line(predicate)} for predicate in predicates)
    answers = ask(engine, load_prompt("correct"), rows, _first_predicate, what="phrasing", max_tokens=24)
    return [
        new if new is not None and _keeps_the_words(new, old) else old
        for new, old in zip(answers, predicates, strict=True)
    ]


def _keeps_the_words(new: str, old: str) -> bool:
    """Whether a correction says the same: names stay as they are, and so do the beginnings of all other words."""
    names = {word for word in re.findall(r"\w+", old) if word != word.lower()}
    those, these = _words(new), _words(old)
    return (
        lead(new) == lead(old)
        and all(any(_same_word(one, other) for other in these) for one in those)
        and all(any(_same_word(one, other) for one in those) for other in these)
        and names <= set(re.findall(r"\w+", new))
    )


def _words(predicate: str) -> set[str]:
    return {word.casefold() for word in re.findall(r"\w+", predicate)} - _ARTICLES


def _same_word(one: str, other: str) -> bool:
    """Whether two words are forms of one: they begin alike, and behind a short one there is an ending."""
    short, long = sorted((one, other), key=len)
    if len(short) >= _STEM:
        return short[:_STEM] == long[:_STEM]
    return long.startswith(short) and _INFLECTION.fullmatch(long[len(short) :]) is not None


def _plain(category: str, goal: Goal) -> str:
    """A predicate that is correct, if not pretty: "is about sports", "has C++ as the programming language"."""
    first, *rest = category.split()
    aspect = goal.aspect.strip().rstrip("?.")
    named = aspect.casefold().startswith("the ")
    if _CLAUSE.fullmatch(category):
        return f"says that {category}"
    if goal.is_told:
        verb = "are" if re.search(r"[^s]s (?:of|between) ", aspect) else "is"
        return f"says that {aspect} {verb} {category}" if named and goal.of_somebody else f"describes {category}"
    if rest and first.endswith("s") and _is_verb_of(goal.aspect, first[:-1]):
        return category  # "judges the film", where the goal is whether it tells or judges
    short = len(aspect.split()) <= _SHORT_ASPECT and " about" not in aspect
    return f"has {category} as {aspect}" if named and short and not _is_topical(aspect) else f"{_FALLBACK} {category}"


def _is_about_a_clause(predicate: str) -> bool:
    """Whether a sentence stands where a thing should: "is about their name is long"."""
    return not lead(predicate).endswith(" that") and _CLAUSE.fullmatch(_after_lead(predicate)) is not None


def _is_topical(aspect: str) -> bool:
    return any(word in _TOPICAL for word in aspect.casefold().split())


def _has_a_verb(predicate: str, category: str) -> bool:
    """Whether "The text ..." becomes a sentence: the first word may be a verb ("is", "praises"), and was added."""
    first = predicate.split()[0].casefold()
    return (first.endswith("s") and not category.casefold().startswith(first)) or first in _VERBS


def _repeats(predicate: str, category: str, prompt: Prompt) -> bool:
    """Whether the predicate is that of an example of the prompt for another category, which a small model repeats."""
    stems = {word.casefold()[:3] for word in re.findall(r"\w{3,}", category)}
    if all(word.casefold()[:3] in stems for word in re.findall(r"\w{3,}", what_it_says(predicate))):
        return False  # "angry" expresses anger, too
    for (_, asked), (role, said) in itertools.pairwise(prompt.sections):
        if role == "assistant" and said.casefold() == predicate.casefold():
            return f": {category}.".casefold() not in asked.casefold()
    return False


def _echoes(predicate: str, goal: str) -> bool:
    """Whether some words of the goal stand in the predicate as they do there: a small model writes the goal off."""
    said, asked = (f" {' '.join(text.casefold().split())} " for text in (predicate, goal))
    words = asked.split()
    runs = (words[start : start + _ECHO] for start in range(len(words) - _ECHO + 1))
    return any(f" {' '.join(run)} " in said for run in runs)


def lead(predicate: str) -> str:
    """The words a predicate begins with before it says what: "is about", "is spoken by", "praises"."""
    words = predicate.split()
    end = 1
    if len(words) > 3 and _PARTICIPLE.fullmatch(words[1]) and _JOINING.fullmatch(words[2]):
        end = 3
    while end < min(len(words) - 1, 4) and _JOINING.fullmatch(words[end]):
        end += 1
    return " ".join(words[:end]).casefold()


def is_parallel(predicates: Sequence[str]) -> bool:
    """Whether some predicates all begin with the same words."""
    return len({lead(predicate) for predicate in predicates}) <= 1


@dataclasses.dataclass
class ParallelForm:
    """Rewords siblings so that all begin with the same words.

    The language model rewords those that do not begin as most do. What it wrote counts if it begins as asked, is no
    other sibling and means the same (by the cosine of embeddings); else the predicate becomes "is about" and what it
    says.

    **Arguments:** `embed`, embeds sentences as unit vectors.
    """

    engine: Engine
    embed: Callable[[Sequence[str]], np.ndarray]

    def __post_init__(self):
        self.identity = load_prompt("rephrase").version

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
        reworded = list(predicates)
        answers = _reworded(self.engine, [predicates[number] for number in others], common)
        for number, new in zip(others, answers, strict=True):
            if new is None or not self._usable(new, predicates[number], common, reworded):
                plain = common.endswith("about") and _says_a_thing(predicates[number])
                new = f"{common} {what_it_says(predicates[number])}" if plain else None
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
    """Every predicate as "is about" and what it says, unless two of them became one, or one cannot be said so."""
    if not all(keep or _says_a_thing(p) for p, keep in zip(predicates, kept, strict=True)):
        return list(predicates)
    new = [p if keep else f"{_FALLBACK} {what_it_says(p)}" for p, keep in zip(predicates, kept, strict=True)]
    return new if len({p.casefold() for p in new}) == len(new) else list(predicates)


def _says_a_thing(predicate: str) -> bool:
    """Whether "is about" may stand before what a predicate says: not before "made upstream", "boring", "that it is"."""
    begins = lead(predicate)
    return begins not in _LINKING and not begins.endswith(" that")


def what_it_says(predicate: str) -> str:
    """What a predicate says, without the words it begins with."""
    return re.sub(r"^(?:an?|the)\s+", "", _after_lead(predicate) or predicate)


def _after_lead(predicate: str) -> str:
    return " ".join(predicate.split()[len(lead(predicate).split()) :])
