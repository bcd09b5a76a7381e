"""Predicates joined by and, or, not: a small tree, parsed and printed, evaluated on denotations by the numerics."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, NamedTuple

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

    word: ClassVar[str] = ""

    @property
    def operands(self) -> "tuple[Expression, ...]":
        """What it joins; none of a `Part`."""
        of = getattr(self, "of", ())
        return of if isinstance(of, tuple) else (of,)

    @property
    def parts(self) -> list[str]:
        """The predicate of each part, from left to right; one that occurs twice is there twice."""
        return [self.predicate] if isinstance(self, Part) else [part for one in self.operands for part in one.parts]

    def tree(self, columns: Mapping[str, int]) -> Tree:
        """As the numerics take it: each part as the number of its column.

        Raises `ExpressionError` for a part that has none.
        """
        if not isinstance(self, Part):
            return (self.word, *(operand.tree(columns) for operand in self.operands))
        if self.predicate not in columns:
            raise ExpressionError(
                f"the part {self.predicate!r} has no denotation, expected one of {len(columns)} predicates that were "
                "judged"
            )
        return columns[self.predicate]

    def outline(self) -> list[tuple[int, str]]:
        """In lines to be read, each with its depth: what is joined stands below "all of" or "any of"."""
        if isinstance(self, Part):
            return [(0, self.predicate)]
        lines = [line for operand in self.operands for line in operand.outline()]
        if isinstance(self, Not):
            return [(0, f"not: {lines[0][1]}"), *lines[1:]]
        return [(0, "all of" if isinstance(self, And) else "any of"), *((depth + 1, words) for depth, words in lines)]

    def __str__(self) -> str:
        if isinstance(self, Part):
            return json.dumps(self.predicate, ensure_ascii=False)
        operands = [f"({one})" if isinstance(one, And | Or) else str(one) for one in self.operands]
        return f"not {operands[0]}" if isinstance(self, Not) else f" {self.word} ".join(operands)

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


@dataclasses.dataclass(frozen=True)
class Not(Expression):
    """Holds where `of` does not."""

    of: Expression
    word = "not"


@dataclasses.dataclass(frozen=True)
class And(Expression):
    """Holds where all of `of` do."""

    of: tuple[Expression, ...]
    word = "and"


@dataclasses.dataclass(frozen=True)
class Or(Expression):
    """Holds where one of `of` does."""

    of: tuple[Expression, ...]
    word = "or"


def joined(join: type[And] | type[Or], operands: Iterable[Expression]) -> Expression:
    """Expressions joined: (a and b) and c is a and b and c; one alone is itself."""
    flat = [inner for one in operands for inner in (one.operands if isinstance(one, join) else (one,))]
    return flat[0] if len(flat) == 1 else join(tuple(flat))


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
    parser.expect("end", "and, or, or the end")
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
        return self._joined(Or, self.conjunction, depth)

    def conjunction(self, depth: int) -> Expression:
        return self._joined(And, self.negation, depth)

    def _joined(self, join: type[And] | type[Or], operand: Callable[[int], Expression], depth: int) -> Expression:
        operands = [operand(depth)]
        while self._next_is(join.word):
            operands.append(operand(depth))
        return joined(join, operands)

    def negation(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            raise ExpressionError(f"the expression is nested more than {_DEEPEST} deep: {self.text[:60]!r}")
        if self._next_is("not"):
            return Not(self.negation(depth + 1))
        if self._next_is("("):
            inner = self.disjunction(depth + 1)
            self.expect(")", "a closing parenthesis")
            return inner
        return Part(self.expect("part", "a predicate in double quotes, not, or a parenthesis").value)

    def expect(self, kind: str, named: str) -> _Token:
        token = self.tokens[self.next]
        if not self._next_is(kind):
            got = "the end" if token.kind == "end" else repr(token.value)
            raise ExpressionError(f"{self._start} has {got} at character {token.place + 1}, expected {named}")
        return token

    def _next_is(self, kind: str) -> bool:
        found = self.tokens[self.next].kind == kind
        self.next += found
        return found

    @property
    def _start(self) -> str:
        return f"the expression {self.text[:80]!r}"

    def _tokens(self) -> Iterator[_Token]:
        place, end = 0, len(self.text.rstrip())
        while place < end:
            match = _TOKEN.match(self.text, place)
            if match is None:
                raise ExpressionError(
                    f"{self._start} cannot be read at {self.text[place : place + 20]!r}: expected predicates in double "
                    "quotes, joined by and, or, not"
                )
            yield self._token(str(match.lastgroup), match[match.lastgroup or 0], match.start(match.lastgroup or 0))
            place = match.end()
        yield _Token("end", "", place)

    def _token(self, group: str, value: str, place: int) -> _Token:
        if group == "quoted":
            predicate = value[1:-1].strip() if value[0] == "“" else _unquoted(value)
            if not predicate:
                raise ExpressionError(f"{self._start} has an empty predicate")
            return _Token("part", predicate, place)
        if group == "mark" or value.casefold() in ("and", "or", "not"):
            return _Token(_OPERATORS.get(value, value.casefold()), value, place)
        if value in self.names:
            return _Token("part", self.names[value], place)
        known = f", or one of {', '.join(self.names)}" if self.names else ""
        raise ExpressionError(
            f"{self._start} has the bare word {value!r}, expected and, or, not, a predicate in double quotes{known}"
        )


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(quoted, strict=False)).strip()
    except ValueError:  # a backslash that is no escape
        return quoted[1:-1].strip()


def _changed(expression: Expression, number: int, by: Expression | None) -> Expression | None:
    if isinstance(expression, Part):
        assert number == 0
        return by
    operands = []
    for operand in expression.operands:
        n_parts = len(operand.parts)
        changed = _changed(operand, number, by) if 0 <= number < n_parts else operand
        number -= n_parts
        if changed is not None:
            operands.append(changed)
    if isinstance(expression, Not):
        if not operands:
            return None
        # not not is nothing
        return operands[0].of if isinstance(operands[0], Not) else Not(operands[0])
    assert isinstance(expression, And | Or)
    return joined(type(expression), operands) if operands else None
