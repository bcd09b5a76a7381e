"""Goals as people write them, and what is understood of them: an aspect of a text, perhaps examples of answers."""

import dataclasses
import functools
import re
import zlib
from collections.abc import Sequence

from nlparam.errors import GoalError

# A goal is about one thing. A list of so many short items names several.
_MANY, _SHORT = 4, 5
_INTRODUCED = re.compile(
    r"[,;:(\s]*(?:\b(?:e\.\s?g\.|for example|for instance|such as)|(?<=,\s)like\b|:(?=\s))[,:]?\s*"
    r"(?:(?:for example|for instance|such as)\b[,:]?\s*)?(?P<items>[^()]+)\)?$",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"\s*\((?P<items>[^()]+)\)$")
# "group the texts by tone", "I would like to cluster them based on the topics"
_INSTRUCTION = re.compile(
    r"^.*?\b(?:group|cluster|sort|classify|categori[sz]e|divide|split|organi[sz]e|separate|partition|arrange)\w*\b"
    r".*?\b(?:by|according to|based on|in terms of|with respect to|depending on)\s+(?P<aspect>.+)$",
    re.IGNORECASE,
)
# What follows in a long goal says how the predicates are to look, not what they are about.
_LOOK = re.compile(
    r"(?:;|(?<!e\.g)(?<!i\.e)(?<!etc)[.!](?=\s)|,?\s+(?:each|every)\s+(?:cluster|group|description|predicate)\b).*$",
    re.I | re.S,
)
# 'has a topic of <something>', as the goals of the paper say what a predicate looks like.
_TEMPLATE = re.compile(r"""['"“‘`]([^'"“”‘’`<>\[\]]*?)\s*[<\[][\w ]+[>\]]\.?['"”’`]""")
# 'has a topic/language of <something>'
_SEVERAL_LED = re.compile(r"has an? (?P<items>[\w -]+(?:/[\w -]+)+) of", re.IGNORECASE)
# "the topic, place or language of the text" are three aspects of it.
_SEVERAL = re.compile(
    r"the (?P<items>[\w-]+(?:(?:,\s*|/|,?\s+)(?:(?:and|or)\s+)?[\w-]+)+) (?P<of>of .+)", re.IGNORECASE
)
# "where <something> says what kind of package it is" tells what an answer is.
_MEANT = re.compile(
    r"\bwhere\s+[<\[][\w ]+[>\]]\s+(?:is|says|names|tells|means|describes|stands for)\s+(?P<aspect>[^.;]+)",
    re.IGNORECASE,
)
# What a goal is not about is no part of it: a small model that reads it answers with it.
_NOT_MEANT = re.compile(
    r"(?:[,;]?\s+(?:\()?(?:no matter|regardless of|irrespective of)|(?:,|\s\()\s*whatever)\b[^,;()]*\)?", re.IGNORECASE
)
# "what kind of change was made", "what happened", "who is to blame": of something that the text tells of. What is done
# to texts, or said in them, is of the text: "the language it is written in", "which president is quoted".
_HAPPENED = re.compile(
    r"\b(?:happen|occur|(?:took|takes?) place|(?:went|goes|go) wrong|to blame|at fault|responsible for)", re.IGNORECASE
)
_DONE = re.compile(
    r"\b(?!(?:it|this|these|they|texts?|speaker|author|writer|narrator)\b)[\w'’-]+\s"
    r"(?:(?P<past>was|were|has been|have been)|is|are)\s(?:being\s|not\s)?(?P<done>[\w-]+)",
    re.IGNORECASE,
)
# "what the sender wants", but not "the needs of the customer", or what a text needs.
_WANTED = re.compile(
    r"\b(?!(?:the|an?|his|her|its|their|my|our|your|it|texts?|which|what)\s)[\w'’-]+\s"
    r"(?:did|wants?|wanted|needs?|needed|wish(?:es|ed)?|hopes?|hoped|plans?|planned|intends?|tries|tried|fears?|feared)\b",
    re.IGNORECASE,
)
_TO_TEXTS = re.compile(
    r"addressed|aimed|asked|based|called|composed|described|discussed|expressed|given|intended|meant|mentioned|named"
    r"|narrated|posted|presented|published|quoted|recorded|reported|requested|said|sent|set|shown|signed|spoken|sung"
    r"|told|translated|used|written",
    re.IGNORECASE,
)
_NO_VERB = re.compile(
    r"a|about|an|and|as|at|by|for|from|he|her|his|i|in|it|its|like|of|often|on|open|or|she|that|the|their|there|these"
    r"|they|this|those|to|we|with|you",
    re.IGNORECASE,
)
_PARTICIPLE = re.compile(
    r"\w+(?:ed|en|wn|ght)|born|built|cut|done|felt|found|held|hit|hurt|kept|left|lost|made|met|paid|put|shut|sold|spent"
    r"|struck|won",
    re.IGNORECASE,
)
# "the age of the speaker", "the relationship between the two people": of somebody, which the text is not. What somebody
# speaks of, in which language or mood, is of the text.
_OF_SOMEBODY = re.compile(
    r"(?!(?:(?:the|what|which)\s)?(?:emotion|feeling|language|mood|sentiment|style|subject|theme|tone|topic|voice)s?\s)"
    r"(?:[\w'’-]+\s){1,4}(?:of|between)\s(?:(?:the|an?|both|two|all|these|those)\s)+(?:[\w'’-]+\s)??"
    r"(?!(?:answer|chapter|computer|cover|error|folder|letter|newsletter|number|offer|order|paper|poster|server)s?\b)"
    r"(?:(?:\w{2,}(?:er|ee|ian|ist|or)|agent|applicant|boy|candidate|character|child|client|couple|defendant|friend"
    r"|girl|guest|hero|immigrant|man|neighbour|parent|patient|person|president|protagonist|student|victim|witness"
    r"|woman)(?:e?s)?"
    r"|children|family|families|men|people|women)(?:\s(?:about|and|at|for|in|on|towards?|with)\s.+)?",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")
_COMMAS = re.compile(r"\s*[,;/|]\s*")
_WORDS_BETWEEN = re.compile(r"\s+(?:or|and)\s+", re.IGNORECASE)
_ARTICLE = re.compile(r"^an?\s+(?=\w)", re.IGNORECASE)
_LAST = re.compile(r"^(?:or|and)\s+", re.IGNORECASE)
_REST = frozenset(("neither", "neither one", "neither of them", "none", "none of these", "nothing of this"))
_NO_EXAMPLES = frozenset(("etc", "etc.", "...", "…", "and so on", "others", "other"))
_GOES_ON = re.compile(r"\betc\b|\.\.\.|…|\band so on\b|\bothers?\W*$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Goal:
    """What predicates are to be about.

    `text` is the goal as it was given; `aspect`, what is understood of it, in one line, as prompts name it; `examples`
    are answers that a text could have, if some are known, and `complete` says whether these are all there are ("the
    tone: praise, complaint, or neither"); `lead` are the words that predicates are to begin with, if the goal says so
    ("has a topic of").
    """

    text: str
    aspect: str
    examples: tuple[str, ...] = ()
    lead: str | None = None
    complete: bool = False

    @property
    def asked(self) -> str:
        """The aspect and the examples of its answers, as a prompt names them."""
        return self.aspect if not self.examples else f"{self.aspect} (for example {', '.join(self.examples)})"

    @property
    def is_told(self) -> bool:
        """Whether the text tells of what it asks for, and is not that itself: what was done, happened or is wanted, or
        what somebody is.
        """
        if any(found.search(self.aspect) for found in (_HAPPENED, _WANTED)) or self.of_somebody:
            return True
        return any(
            found["past"] is not None or _PARTICIPLE.fullmatch(found["done"])
            for found in _DONE.finditer(self.aspect)
            if not _TO_TEXTS.fullmatch(found["done"]) and not _NO_VERB.fullmatch(found["done"])
        )

    @property
    def of_somebody(self) -> bool:
        """Whether it asks for what somebody in the text, or behind it, is: the age of the speaker."""
        return _OF_SOMEBODY.fullmatch(self.aspect.rstrip("?")) is not None

    @functools.cached_property
    def parts(self) -> tuple["Goal", ...]:
        """The goals with one aspect each, if the goal names two or three, such as the topic and the language of the
        text; else the goal itself.
        """
        found = _SEVERAL.fullmatch(self.aspect)
        items = _items(found["items"]) if found else []
        if found is None or not 1 < len(items) < _MANY or any(" " in item for item in items):
            return (self,)
        aspects = [f"the {item} {found['of']}" for item in items]
        return tuple(dataclasses.replace(self, text=aspect, aspect=aspect) for aspect in aspects)

    def part_for(self, text: str) -> "Goal":
        """The part that a text is asked about: each about one, always the same."""
        return self.parts[zlib.crc32(text.encode("utf-8", "surrogatepass")) % len(self.parts)]

    @property
    def names_several(self) -> tuple[str, ...]:
        """The things that the goal lists, if it names several instead of one."""
        items = _items(self.aspect)
        return tuple(items) if len(items) >= _MANY and _short(items) else ()


def with_examples(goal: str, examples: Sequence[str]) -> str:
    """A goal with examples of answers behind it, as `read_goal` finds them. Raises `GoalError` for an example without
    any words, or with a comma, which would make two of it.
    """
    said = [_one_line(example) for example in examples]
    for example in said:
        if not any(character.isalnum() for character in example) or _COMMAS.search(example):
            raise GoalError(f"got the example {example!r} of an answer, expected a few words without commas")
    return f"{_one_line(goal).rstrip(' .')} (for example {', '.join(said)})" if said else goal


def goal_of_attributes(attributes: Sequence[str]) -> str:
    """ "the topic, location or language of the text" """
    *first, last = [attribute.strip() for attribute in attributes]
    return f"the {', '.join(first)} or {last} of the text" if first else f"the {last} of the text"


def read_goal(text: str) -> Goal:
    """Reads a goal: a noun phrase, a question, an instruction ("group by tone"), or the long form of the paper.

    Examples of answers may stand behind it ("the form (poem, song, riddle)").

    Raises `GoalError` for a goal without any words.
    """
    given = _one_line(_listed_lines(text))
    if not any(character.isalnum() for character in given):
        raise GoalError(
            f"got the goal {text!r}, expected what the predicates are to be about, for instance "
            '"what the customer complains about" or "the language it is written in"'
        )
    template = _TEMPLATE.search(" ".join(text.split()))
    lead = _one_line(template[1]) if template else None
    meant = _MEANT.search(given) if template else None
    aspect = _NOT_MEANT.sub("", meant["aspect"] if meant else _LOOK.sub("", given)).rstrip(" .!:")
    if lead is not None and (several := _SEVERAL_LED.fullmatch(lead)) is not None:
        aspect, lead = goal_of_attributes(several["items"].split("/")), None
    aspect, examples, complete = _without_examples(aspect)
    instruction = _INSTRUCTION.match(aspect)
    aspect = instruction["aspect"] if instruction else aspect
    complete = complete and _GOES_ON.search(given) is None
    return Goal(text, aspect or given, tuple(dict.fromkeys(examples)), lead or None, complete)


def _listed_lines(text: str) -> str:
    """Lines with bullets, or many lines, are a list."""
    lines = [line for line in text.splitlines() if line.strip()]
    bulleted = [_BULLET.sub("", line) for line in lines]
    listed = len(lines) >= _MANY or (len(lines) > 1 and bulleted != lines)
    return (", " if listed else " ").join(bulleted)


def _without_examples(aspect: str) -> tuple[str, list[str], bool]:
    """The goal without the examples of answers that stand behind it, these, and whether nothing says that they are
    examples.
    """
    for pattern in (_INTRODUCED, _IN_BRACKETS):
        found = pattern.search(aspect)
        if found and found.start() > 0:
            items = _items(found["items"])
            if items and (len(items) > 1 or ":" not in found[0]) and _short(items):
                introduced = aspect[found.start() : found.start("items")].strip(" ,;(")
                return aspect[: found.start()].rstrip(" ,;:("), _without_articles(items), introduced == ":"
    return aspect, [], False


def _without_articles(items: list[str]) -> list[str]:
    """ "A joke, a proverb or a recipe" names three answers."""
    return [_ARTICLE.sub("", item) for item in items] if all(map(_ARTICLE.match, items)) else items


def _items(listed: str) -> list[str]:
    """The items of a list: between commas, or where there is none between "or" and "and"."""
    *parts, last = _COMMAS.split(listed)
    # "poem, song or riddle" has three items, "answer yes or no, or choose from a list" two.
    parts += [last] if parts and _LAST.match(last) else _WORDS_BETWEEN.split(last)
    items = [_LAST.sub("", part).strip(" .'\"") for part in parts]
    return _neither([item for item in items if item and item.casefold() not in _NO_EXAMPLES])


def _neither(items: list[str]) -> list[str]:
    """Of two things or neither, the third in words that can be judged: "neither praise nor complaint"."""
    named = [item for item in items if item.casefold() not in _REST]
    if len(named) == len(items):
        return items
    return [*named, "neither {} nor {}".format(*named)] if len(named) == 2 else named


def _short(items: Sequence[str]) -> bool:
    return all(len(item.split()) <= _SHORT for item in items)


def _one_line(text: str) -> str:
    return " ".join(text.split()).strip("\"'“”‘’ ")
