"""The compound's own words: where a predicate says and, or, not, that is a decomposition which nobody has to write.

English only; what is read wrongly is no worse than a bad proposal, for decompositions are ranked by execution.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from nlparam.evals.decomposition.expression import And, Expression, Not, Or, Part

# A leaf by its number, or ("and" | "or" | "not", operands).
_Shape: TypeAlias = int | tuple[str, list]

_MOST_READINGS = 4
_CONTRAST = re.compile(
    r",?\s+(?:but|yet|while|though|although)\s+|,\s*(?:and\s+)?(?=(?:not|never|without|neither)\b)", re.IGNORECASE
)
_OR = re.compile(r",?\s+or\s+(?:else\s+)?", re.IGNORECASE)
_AND = re.compile(r",?\s+and\s+", re.IGNORECASE)
_NEITHER = re.compile(r"^(.*?)\bneither\s+(.+)$", re.IGNORECASE)
_NOR = re.compile(r",?\s+nor\s+", re.IGNORECASE)
_ADVERBS = re.compile(r"\b(?:also|both|either|at the same time)\s+", re.IGNORECASE)
_NOTHING = re.compile(
    r"^(?:\w+\s+)??(?:about\s+|of\s+)?(?:nothing|anything|something|everything)(?:\s+(?:else|other)\b.*)?$",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(r"^(?:about|as|at|by|for|from|in|of|on|to|with|regarding|concerning)$", re.IGNORECASE)
_VERB = re.compile(
    r"^(?:is|are|was|were|has|have|had|does|do|asks|talks|discusses|mentions|describes|contains|expresses|praises"
    r"|complains|criticises|criticizes|uses|refers|speaks|tells|reports|includes|involves|shows|says|gives"
    r"|makes|takes|offers|requests|recommends|explains|concerns|deals|focuses|covers|addresses|argues|seeks"
    r"|warns|announces|sounds|comes|begins|ends|quotes|thanks|invites|lacks|promotes|compares|blames|supports"
    r"|opposes|calls|names|lists)$",
    re.IGNORECASE,
)
_PARTICIPLE = re.compile(r"^(?:being|written|made|told|addressed|meant|set)$", re.IGNORECASE)
_AFTER_A_VERB = re.compile(
    r"^(?:a|an|the|about|that|to|for|how|some|any|no|something|someone|its|their|his|her)$", re.IGNORECASE
)
# Bare words behind "is about X and": these are adjectives ("negative"), those may be either ("musical", "music").
_ADJECTIVE = re.compile(
    r"^(?:very\s+|rather\s+)?(?:\w+(?:ive|ful|ous|less|able|ible|ish)|sad|glad|happy|angry|rude|polite|formal|informal"
    r"|long|short|good|bad|funny|boring|urgent|old|new|true|false|personal|emotional|ironic|sarcastic)$",
    re.IGNORECASE,
)
_EITHER = re.compile(r"^\w+(?:al|ic|ed|ent|ant|ar|ary)$", re.IGNORECASE)
_FUNCTION_WORD = re.compile(
    r"^(?:about|as|at|by|for|from|in|of|on|to|with|regarding|concerning|a|an|the|is|are|was|were|it|its|this|that"
    r"|and|or|but|not|nor|neither|either|both|else|nothing|anything|other|no|only|does|do|has|have|text|texts)$",
    re.IGNORECASE,
)


def readings(predicate: str) -> list[Expression]:
    """What a predicate says by its own and, or, not: at most four readings, the likeliest first.

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
        own = _read(part)
        if own and own[0] != Part(part):
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
    text = " ".join(predicate.replace("n't ", " not ").replace("n’t ", " not ").split()).strip(" .,;")
    if not text or any(mark in text for mark in '"“”()'):
        return []
    leaves: list[str] = []
    shape = _contrasted(text.removesuffix(" only"), leaves)
    options, negated = _resolved(leaves)
    found = (_built(shape, chosen, negated) for chosen in itertools.islice(itertools.product(*options), _MOST_READINGS))
    return list(dict.fromkeys(one for one in found if one is not None))


def _contrasted(text: str, leaves: list[str]) -> _Shape:
    pieces = [part for piece in _pieces(_CONTRAST, text) for part in _behind_a_list(piece)]
    return _joined("and", [_clause(piece, leaves) for piece in pieces])


def _behind_a_list(text: str) -> list[str]:
    """ "is about a, b or c and is negative" is "and" of "or": the verb begins anew behind a list that shares one."""
    for place in _AND.finditer(text):
        before, after = text[: place.start()], text[place.end() :]
        alternatives = _pieces(_OR, before)
        if len(alternatives) > 1 and _begins_with_verb(after) and not any(map(_begins_with_verb, alternatives[1:])):
            return [before, *_behind_a_list(after)]
    return [text]


def _clause(text: str, leaves: list[str]) -> _Shape:
    text = _ADVERBS.sub("", text) if _OR.search(text) or _AND.search(text) else text
    if (neither := _NEITHER.match(text)) is not None and _NOR.search(neither[2]):
        first, *rest = _pieces(_NOR, neither[2])
        items = [f"{neither[1]}{first}", *rest]
        return _joined("and", [("not", [_leaf(item, leaves)]) for item in items])
    alternatives = _listed(_pieces(_OR, text), _AND)
    if len(alternatives) > 1:
        positive, is_negated = _positive(alternatives[0])
        whole = is_negated and not any(_AND.search(one) or _begins_with_verb(one) for one in alternatives[1:])
        if whole:  # "not about sport or music" is about neither
            alternatives[0] = positive
        joined = _joined("or", [_conjunction(one, leaves) for one in alternatives])
        return ("not", [joined]) if whole else joined
    return _conjunction(text, leaves)


def _conjunction(text: str, leaves: list[str]) -> _Shape:
    return _joined("and", [_leaf(piece, leaves) for piece in _listed(_pieces(_AND, text), None)])


def _leaf(text: str, leaves: list[str]) -> int:
    leaves.append(text)
    return len(leaves) - 1


def _joined(word: str, operands: list[_Shape]) -> _Shape:
    return operands[0] if len(operands) == 1 else (word, operands)


def _pieces(separator: re.Pattern, text: str) -> list[str]:
    return [piece for piece in (piece.strip(" ,") for piece in separator.split(text)) if piece]


def _listed(pieces: list[str], tighter: re.Pattern | None) -> list[str]:
    """With lists ("a, b or c") in items: commas before the last piece belong to what joins the pieces."""
    if len(pieces) < 2:
        return pieces
    items: list[str] = []
    for piece in pieces[:-1]:
        apart = tighter is not None and tighter.search(piece) is not None
        items += [piece] if apart else [item.strip() for item in piece.split(",") if item.strip()]
    return [*items, pieces[-1]]


def _resolved(leaves: Sequence[str]) -> tuple[list[list[str | None]], list[bool]]:
    """For each leaf the predicates that it may mean (`None`: it says nothing), and whether it is negated."""
    options: list[list[str | None]] = []
    negated: list[bool] = []
    last = ""
    for leaf in leaves:
        text, is_negated = _positive(leaf)
        negated.append(is_negated)
        # "nothing else" and "not about anything else" name no property of their own.
        if _NOTHING.match(text):
            options.append([None])
            continue
        meant = _completed(text, last)
        options.append(list(meant))
        last = meant[0]
    return options, negated


def _positive(text: str) -> tuple[str, bool]:
    """A leaf without its negation, and whether there was one."""
    for pattern, positive in (
        (r"^(is|are|was|were|has|have)\s+(?:not|never)\s+(.+)$", r"\1 \2"),
        (r"^(?:not|never)\s+(.+)$", r"\1"),
        (r"^(?:without|lacks)\s+(.+)$", r"has \1"),
        (r"^(\w+s)\s+(?:no|never)\s+(.+)$", r"\1 \2"),
    ):
        if re.match(pattern, text, re.IGNORECASE):
            return re.sub(pattern, positive, text, flags=re.IGNORECASE), True
    if (does := re.match(r"^(?:does|do|did)\s+not\s+(\w+)(.*)$", text, re.IGNORECASE)) is not None:
        return _third_person(does[1]) + does[2], True
    return text, False


def _third_person(verb: str) -> str:
    irregular = {"be": "is", "have": "has", "do": "does", "go": "goes"}
    if verb in irregular:
        return irregular[verb]
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ies"
    return f"{verb}es" if re.search(r"(?:s|x|z|ch|sh)$", verb) else f"{verb}s"


def _completed(text: str, last: str) -> list[str]:
    """The predicates that a leaf may mean, with what it leaves out taken from the leaf before."""
    words = text.split()
    if _begins_with_verb(text):
        return [text]
    verb, carried = _head(last) if last else ("is", "is about")
    if _PARTICIPLE.match(words[0]):
        return [f"is {text.removeprefix('being ')}"]
    if _PREPOSITION.match(words[0]):
        same = carried.split()[-1].casefold() == words[0].casefold()
        return [f"{carried if same else verb} {' '.join(words[1:]) if same else text}".strip()]
    if _ADJECTIVE.match(text):
        return [f"is {text}"]
    if carried != "is" and _EITHER.match(text):
        return [f"{carried} {text}", f"is {text}"]
    return [f"{carried} {text}"]


def _begins_with_verb(text: str) -> bool:
    words = text.casefold().split()
    if _VERB.match(words[0]):
        return True
    return len(words) > 1 and words[0].endswith("s") and _AFTER_A_VERB.match(words[1]) is not None


def _head(predicate: str) -> tuple[str, str]:
    """The verb of a predicate, and its beginning up to its preposition, or the verb again."""
    words = predicate.split()
    for number, word in enumerate(words[1:4], start=1):
        if _PREPOSITION.match(word) and number + 1 < len(words):
            return words[0], " ".join(words[: number + 1])
    return words[0], words[0]


def _built(shape: _Shape, chosen: Sequence[str | None], negated: Sequence[bool]) -> Expression | None:
    if isinstance(shape, int):
        predicate = chosen[shape]
        if predicate is None:
            return None
        return Not(Part(predicate)) if negated[shape] else Part(predicate)
    word, operands = shape
    built = [one for one in (_built(operand, chosen, negated) for operand in operands) if one is not None]
    if not built:
        return None
    if word == "not":
        return _plain(Not(built[0]))
    return _plain(And(tuple(built)) if word == "and" else Or(tuple(built)))


def _plain(expression: Expression) -> Expression:
    """Without "not not", without one "and" in another, and without what is said twice."""
    if isinstance(expression, Not):
        inner = _plain(expression.of)
        return inner.of if isinstance(inner, Not) else Not(inner)
    if isinstance(expression, And | Or):
        join = type(expression)
        operands = tuple(dict.fromkeys(_flat(join, map(_plain, expression.of))))
        return operands[0] if len(operands) == 1 else join(operands)
    return expression


def _flat(join: type[And] | type[Or], operands) -> Iterator[Expression]:
    for operand in operands:
        if isinstance(operand, And | Or) and isinstance(operand, join):
            yield from operand.of
        else:
            yield operand


def _content(text: str) -> frozenset[str]:
    """The words that say something, without a plural's s."""
    words = re.findall(r"\w+", text.casefold())
    return frozenset(
        word.removesuffix("s") if len(word) > 3 else word for word in words if not _FUNCTION_WORD.match(word)
    )
