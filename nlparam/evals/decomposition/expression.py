"""Predicates joined by and, or, not: a small tree, parsed and printed, evaluated on denotations by the numerics."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nlparam.errors import ExpressionError
from nlparam.numerics.statistics.logic import Tree

# What nobody reads any more; also bounds the recursion.
_LONGEST, _DEEPEST, _MOST_PARTS = 10_000, 40, 64
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|“[^”]*”)|(?P<mark>[()]|&&?|\|\|?|!|¬|∧|∨)|(?P<word>\w+))""", re.DOTALL
)
_OPERATORS = {"&": "and", "&&": "and", "∧": "and", "|": "or", "||": "or", "∨": "or", "!": "not", "¬": "not"}


class Expression:
    """A predicate (`Part`), or others joined by `And`, `Or`, `Not`; immutable. `str` writes what `parse` reads."""

    @property
    def parts(self) -> list[str]:
        """The predicate of each part, from left to right; one that occurs twice is there twice."""
        return [part.predicate for part in _leaves(self)]

    def tree(self, columns: Mapping[str, int]) -> Tree:
        """As the numerics take it: each part as the number of its column.

        Raises `ExpressionError` for a part that has none.
        """
        if isinstance(self, Part):
            if self.predicate not in columns:
                raise ExpressionError(
                    f"the part {self.predicate!r} has no denotation, expected one of {len(columns)} predicates that "
                    "were judged"
                )
            return columns[self.predicate]
        if isinstance(self, Not):
            return ("not", self.of.tree(columns))
        assert isinstance(self, And | Or)
        return (self.word, *(operand.tree(columns) for operand in self.of))

    def outline(self) -> list[tuple[int, str]]:
        """In lines to be read, each with its depth: what is joined stands below "all of" or "any of"."""
        if isinstance(self, Part):
            return [(0, self.predicate)]
        if isinstance(self, Not):
            (_, first), *rest = self.of.outline()
            return [(0, f"not: {first}"), *rest]
        assert isinstance(self, And | Or)
        lines = [(depth + 1, words) for operand in self.of for depth, words in operand.outline()]
        return [(0, "all of" if isinstance(self, And) else "any of"), *lines]

    def replace(self, number: int, by: "Expression") -> "Expression":
        """With part `number` (counted as in `parts`) replaced."""
        replaced = _changed(self, number, by)
        assert replaced is not None  # only a removal can leave nothing
        return replaced

    def remove(self, number: int) -> "Expression | None":
        """Without part `number` and the "not" around it; `None` if nothing is left."""
        return _changed(self, number, None)


@dataclasses.dataclass(frozen=True)
class Part(Expression):
    """A simple predicate."""

    predicate: str

    def __str__(self) -> str:
        return json.dumps(self.predicate, ensure_ascii=False)


@dataclasses.dataclass(frozen=True)
class Not(Expression):
    """Holds where `of` does not."""

    of: Expression

    def __str__(self) -> str:
        return f"not {_wrapped(self.of)}"


@dataclasses.dataclass(frozen=True)
class And(Expression):
    """Holds where all of `of` do."""

    of: tuple[Expression, ...]
    word = "and"

    def __str__(self) -> str:
        return " and ".join(map(_wrapped, self.of))


@dataclasses.dataclass(frozen=True)
class Or(Expression):
    """Holds where one of `of` does."""

    of: tuple[Expression, ...]
    word = "or"

    def __str__(self) -> str:
        return " or ".join(map(_wrapped, self.of))


def parse(text: str, names: Mapping[str, str] | None = None) -> Expression:
    """Reads an expression. Nothing in it is ever run.

    **Arguments:** `text`, predicates in double quotes joined by `and`, `or`, `not` (in any case; also `&`, `|`, `!`)
    and parentheses; `not` binds tightest, then `and`. `names` are what bare words stand for: `A and not B`.

    ```pycon
    >>> str(parse('"is about sport" AND ("is sad" or not "is long")'))
    '"is about sport" and ("is sad" or not "is long")'

    ```

    Raises `ExpressionError`, which says where.
    """
    if len(text) > _LONGEST:
        raise ExpressionError(f"the expression has {len(text):,} characters, expected at most {_LONGEST:,}")
    parser = _Parser(text, names or {})
    expression = parser.disjunction(0)
    parser.expect_end()
    if len(expression.parts) > _MOST_PARTS:
        raise ExpressionError(f"the expression has {len(expression.parts)} parts, expected at most {_MOST_PARTS}")
    return expression


class _Token(NamedTuple):
    kind: str  # "and", "or", "not", "(", ")", "part", "end"
    value: str
    place: int


class _Parser:
    """Recursive descent, one function for each level of binding."""

    def __init__(self, text: str, names: Mapping[str, str]):
        self.text, self.names = text, names
        self.tokens = list(self._tokens())
        self.next = 0

    def disjunction(self, depth: int) -> Expression:
        return self._joined("or", Or, self.conjunction, depth)

    def conjunction(self, depth: int) -> Expression:
        return self._joined("and", And, self.negation, depth)

    def _joined(self, word: str, join, operand, depth: int) -> Expression:
        operands = [operand(depth)]
        while self.tokens[self.next].kind == word:
            self.next += 1
            operands.append(operand(depth))
        if len(operands) == 1:
            return operands[0]
        # (a and b) and c is a and b and c.
        flat = (inner for one in operands for inner in (one.of if isinstance(one, join) else (one,)))
        return join(tuple(flat))

    def negation(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            raise ExpressionError(f"the expression is nested more than {_DEEPEST} deep: {self.text[:60]!r}")
        token = self.tokens[self.next]
        self.next += 1
        if token.kind == "not":
            return Not(self.negation(depth + 1))
        if token.kind == "(":
            inner = self.disjunction(depth + 1)
            if self.tokens[self.next].kind != ")":
                raise self._unexpected("a closing parenthesis")
            self.next += 1
            return inner
        if token.kind == "part":
            return Part(token.value)
        self.next -= 1
        raise self._unexpected("a predicate in double quotes, not, or a parenthesis")

    def expect_end(self) -> None:
        if self.tokens[self.next].kind != "end":
            raise self._unexpected("and, or, or the end")

    def _tokens(self) -> Iterator[_Token]:
        place, end = 0, len(self.text.rstrip())
        while place < end:
            match = _TOKEN.match(self.text, place)
            if match is None:
                raise ExpressionError(
                    f"the expression {self.text[:80]!r} cannot be read at {self.text[place : place + 20]!r}: expected "
                    "predicates in double quotes, joined by and, or, not"
                )
            start = match.start(match.lastgroup or 0)
            yield self._token(match, start)
            place = match.end()
        yield _Token("end", "", place)

    def _token(self, match: re.Match, place: int) -> _Token:
        if (quoted := match["quoted"]) is not None:
            predicate = quoted[1:-1].strip() if quoted[0] == "“" else _unquoted(quoted)
            if not predicate:
                raise ExpressionError(f"the expression {self.text[:80]!r} has an empty predicate")
            return _Token("part", predicate, place)
        if (mark := match["mark"]) is not None:
            return _Token(_OPERATORS.get(mark, str(mark)), str(mark), place)
        word = match["word"]
        if word.casefold() in ("and", "or", "not"):
            return _Token(word.casefold(), word, place)
        if word in self.names:
            return _Token("part", self.names[word], place)
        known = f", or one of {', '.join(self.names)}" if self.names else ""
        raise ExpressionError(
            f"the expression {self.text[:80]!r} has the bare word {word!r}, expected and, or, not, a predicate in "
            f"double quotes{known}"
        )

    def _unexpected(self, expected: str) -> ExpressionError:
        token = self.tokens[self.next]
        got = "the end" if token.kind == "end" else repr(token.value)
        return ExpressionError(
            f"the expression {self.text[:80]!r} has {got} at character {token.place + 1}, expected {expected}"
        )


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(quoted, strict=False)).strip()
    except ValueError:  # a backslash that is no escape
        return quoted[1:-1].strip()


def _wrapped(expression: Expression) -> str:
    return f"({expression})" if isinstance(expression, And | Or) else str(expression)


def _leaves(expression: Expression) -> Iterator[Part]:
    if isinstance(expression, Part):
        yield expression
    elif isinstance(expression, Not):
        yield from _leaves(expression.of)
    elif isinstance(expression, And | Or):
        for operand in expression.of:
            yield from _leaves(operand)


def _changed(expression: Expression, number: int, by: Expression | None) -> Expression | None:
    if isinstance(expression, Part):
        assert number == 0
        return by
    if isinstance(expression, Not):
        inner = _changed(expression.of, number, by)
        if isinstance(inner, Not):  # not not is nothing
            return inner.of
        return None if inner is None else Not(inner)
    assert isinstance(expression, And | Or)
    operands = []
    for operand in expression.of:
        n_parts = len(operand.parts)
        changed = _changed(operand, number, by) if 0 <= number < n_parts else operand
        number -= n_parts
        if changed is not None:
            operands.append(changed)
    if len(operands) < 2:
        return operands[0] if operands else None
    return type(expression)(tuple(operands))
