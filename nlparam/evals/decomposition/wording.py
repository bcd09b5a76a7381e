"""A predicate split at its own and, or, but, not: decompositions that nobody has to write. English only.

What a piece leaves out is a guess: in "is about sport and X", X is what the text is, or what it is about. Where this is
open there are several readings, which are ranked by execution like any other decomposition.
"""

import itertools
import re
from collections.abc import Sequence

from nlparam.evals.decomposition.expression import And, Expression, Not, Or, Part, joined

_MOST_READINGS = 4
_CONTRAST = re.compile(
    r",?\s+(?:but|yet|while|though|although)\s+|,\s*(?:and\s+)?(?=(?:not|never|without|neither)\b)", re.IGNORECASE
)
_OR, _AND, _NOR = (re.compile(rf",?\s+{word}\s+", re.IGNORECASE) for word in ("or(?: else)?", "and", "nor"))
_NEITHER = re.compile(r"^(.*?)\bneither\s+(.+)$", re.IGNORECASE)
_ADVERBS = re.compile(r"\b(?:also|both|either|at the same time)\s+", re.IGNORECASE)
# How a piece is negated, and what it then says.
_NEGATIONS = (
    (r"(is|are|was|were|has|have) (?:not|never) (.+)", r"\1 \2"),
    (r"(?:does|do|did) not (\w+)(.*)", lambda match: _third_person(match[1]) + match[2]),
    (r"(?:not|never) (.+)", r"\1"),
    (r"(?:without|lacks) (.+)", r"has \1"),
    (r"(\w+s) (?:no|never) (.+)", r"\1 \2"),
)
_VERB = re.compile(
    r"(?:is|are|was|were|has|have|had)\b|\w+s (?:a|an|the|about|that|to|for|how|any|some|no|its|their|his|her)\b",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(r"(?:about|as|at|by|for|from|in|of|on|to|with)", re.IGNORECASE)
_ADJECTIVE = re.compile(r"\w+(?:ive|ful|ous|less|able|ible|ish)", re.IGNORECASE)
_PARTICIPLE = re.compile(rf"\w+(?:ed|en) {_PREPOSITION.pattern}\b.*", re.IGNORECASE)
_NOTHING = re.compile(r"(?:\w+ )??(?:about |of )?(?:no|any|some|every)thing(?: (?:else|other)\b.*)?", re.IGNORECASE)
_FUNCTION_WORD = re.compile(
    rf"{_PREPOSITION.pattern}|(?:a|an|the|is|are|was|were|it|its|this|that|and|or|but|not|nor|neither|either|both|else"
    r"|nothing|anything|other|no|only|does|do|has|have|texts?)"
)


def readings(predicate: str) -> list[Expression]:
    """What a predicate says by its own and, or, not: at most four readings.

    "but", "while" and ", not" join looser than "or", and that looser than "and". Verbs and prepositions are carried
    over: "is about business or politics" is about politics, too. A negated part is "not" of the positive one.

    ```pycon
    >>> [str(reading) for reading in readings("is about food or games, but not positive")]
    ['("is about food" or "is about games") and not "is positive"']

    ```

    **Returns:** an empty list for a predicate without and, or, not, which is simple.
    """
    return [one for one in _read(predicate) if not isinstance(one, Part)]


def simplified(expression: Expression, predicate: str) -> Expression:
    """With each part that is itself a compound taken apart by its own words, and without "not not".

    Raises `ValueError` if a part says all that `predicate` says: that is no simple part of it.
    """
    # From the last to the first, so that the numbers of the others stay.
    for number, part in reversed(list(enumerate(expression.parts))):
        if own := _read(part):
            expression = expression.replace(number, own[0])
    expression = _plain(expression)
    if not isinstance(expression, Part):
        for part in expression.parts:
            if repeats(part, predicate):
                raise ValueError(f"the part {part!r} says the whole again")
    return expression


def repeats(part: str, predicate: str) -> bool:
    """Whether all words of a predicate that say something are among those of a part, or they are the same."""
    said, whole = _content(part), _content(predicate)
    return part.casefold() == predicate.casefold() or (len(whole) > 1 and whole <= said)


def _read(predicate: str) -> list[Expression]:
    """As `readings`, with those that are one part: "is about sport and nothing else" is about sport."""
    text = " ".join(re.sub("n['’]t ", " not ", predicate).split()).strip(" .,;").removesuffix(" only")
    if not text or any(mark in text for mark in '"“”()'):
        return []
    shape = _split(text)
    found = []
    for meant in itertools.islice(itertools.product(*_meanings(shape)), _MOST_READINGS):
        reading: Expression | None = shape
        for number, part in reversed(list(enumerate(meant))):
            if reading is not None:
                reading = reading.remove(number) if part is None else reading.replace(number, Part(part))
        if reading is not None:
            found.append(_plain(reading))
    return list(dict.fromkeys(found))


def _split(text: str) -> Expression:
    """The pieces of a predicate, as they stand in it, joined."""
    clauses = [part for piece in _pieces(_CONTRAST, text) for part in _behind_a_list(piece)]
    return joined(And, [_clause(clause) for clause in clauses] or [Part(text)])


def _behind_a_list(text: str) -> list[str]:
    """ "is about a, b or c and is negative" is "and" of "or": the verb begins anew behind a list that shares one."""
    for place in _AND.finditer(text):
        before, after = text[: place.start()], text[place.end() :]
        alternatives = _pieces(_OR, before)
        if len(alternatives) > 1 and _VERB.match(after) and not any(map(_VERB.match, alternatives[1:])):
            return [before, *_behind_a_list(after)]
    return [text]


def _clause(text: str) -> Expression:
    text = _ADVERBS.sub("", text) if _OR.search(text) or _AND.search(text) else text
    if (neither := _NEITHER.match(text)) is not None and _NOR.search(neither[2]):
        first, *rest = _pieces(_NOR, neither[2])
        return joined(And, [Not(Part(item)) for item in (f"{neither[1]}{first}", *rest)])
    alternatives = _listed(_pieces(_OR, text))
    # "not about sport or music" is about neither.
    whole = isinstance(_leaf(alternatives[0]), Not) if len(alternatives) > 1 else False
    if whole and not any(_AND.search(one) or _VERB.match(one) for one in alternatives[1:]):
        first = _leaf(alternatives[0])
        return Not(joined(Or, [Part(first.parts[0]), *map(_leaf, alternatives[1:])]))
    return joined(Or, [joined(And, [_leaf(one) for one in _listed(_pieces(_AND, item))]) for item in alternatives])


def _pieces(separator: re.Pattern, text: str) -> list[str]:
    return [piece for piece in (piece.strip(" ,") for piece in separator.split(text)) if piece] or [text]


def _listed(pieces: list[str]) -> list[str]:
    """With lists ("a, b or c") in items: commas before the last piece belong to what joins the pieces."""
    items = [
        item.strip() for piece in pieces[:-1] for item in ([piece] if _AND.search(piece) else piece.split(",")) if item
    ]
    return [*items, pieces[-1]]


def _leaf(text: str) -> Expression:
    for pattern, positive in _NEGATIONS:
        if re.fullmatch(pattern, text, re.IGNORECASE):
            return Not(Part(re.sub(pattern, positive, text, flags=re.IGNORECASE)))
    return Part(text)


def _third_person(verb: str) -> str:
    irregular = {"be": "is", "have": "has", "do": "does", "go": "goes"}
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ies"
    return irregular.get(verb) or (f"{verb}es" if re.search(r"(?:s|x|z|ch|sh)$", verb) else f"{verb}s")


def _meanings(shape: Expression) -> list[Sequence[str | None]]:
    """For each piece the predicates that it may mean; `None` alone where it names no property ("nothing else")."""
    meanings: list[Sequence[str | None]] = []
    last = ""
    for text, alike in zip(shape.parts, _alike(shape), strict=True):
        meant: Sequence[str | None] = [None]
        if not _NOTHING.fullmatch(text):
            meant = completed = _completed(text, last, alike)
            last = completed[0]
        meanings.append(meant)
    return meanings


def _alike(shape: Expression) -> list[bool]:
    """For each piece whether it is an alternative to the one before: then it leaves out the same."""
    if isinstance(shape, Not):
        return _alike(shape.of)
    if not isinstance(shape, And | Or):
        return [False]
    return [
        one or (isinstance(shape, Or) and place > 0 and len(operand.parts) == 1)
        for place, operand in enumerate(shape.of)
        for one in _alike(operand)
    ]


def _completed(text: str, last: str, alike: bool) -> list[str]:
    """The predicates that a piece may mean, with what it leaves out taken from the one before."""
    if _VERB.match(text):
        return [text]
    verb, carried = _head(last)
    first, _, rest = text.partition(" ")
    if _PREPOSITION.fullmatch(first):
        same = carried.casefold().endswith(f" {first.casefold()}") and rest
        return [f"{carried} {rest}" if same else f"{verb} {text}"]
    if _ADJECTIVE.fullmatch(text):
        return [f"is {text}"]
    meant = [f"{carried} {text}"] if alike or not last else [f"{carried} {text}", f"is {text}"]
    return list(dict.fromkeys(reversed(meant) if _PARTICIPLE.fullmatch(text) else meant))


def _head(predicate: str) -> tuple[str, str]:
    """The verb of a predicate, and its beginning up to its preposition, or the verb again."""
    if not predicate:
        return "is", "is about"
    words = predicate.split()
    for number, word in enumerate(words[1:4], start=1):
        if _PREPOSITION.fullmatch(word) and number + 1 < len(words):
            return words[0], " ".join(words[: number + 1])
    return words[0], words[0]


def _plain(expression: Expression) -> Expression:
    """Without "not not", without one "and" in another, and without what is said twice."""
    if isinstance(expression, Not):
        inner = _plain(expression.of)
        return inner.of if isinstance(inner, Not) else Not(inner)
    if isinstance(expression, And | Or):
        whole = joined(type(expression), map(_plain, expression.of))
        return joined(type(whole), dict.fromkeys(whole.of)) if isinstance(whole, And | Or) else whole
    return expression


def _content(text: str) -> frozenset[str]:
    """The words that say something, without a plural's s."""
    words = (word for word in re.findall(r"\w+", text.casefold()) if not _FUNCTION_WORD.fullmatch(word))
    return frozenset(word.removesuffix("s") if len(word) > 3 else word for word in words)
