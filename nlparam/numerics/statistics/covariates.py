"""Covariates as columns of a regression: numbers bend as natural cubic splines, categories are indicators.

A covariate seldom acts along a line: a judge says yes more often to texts of a middle length. Where groups differ in
length too, a line leaves a difference that is none of theirs. A natural cubic spline (linear beyond its outermost
knots) of five degrees of freedom follows such curves, and costs a test of some hundred texts next to nothing
(Harrell 2015, *Regression Modeling Strategies*, section 2.4).
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nlparam.errors import CorpusError, check_at_least

# The name of the length of the texts, for which no values need to be given.
LENGTH = "length"
# Degrees of freedom of a spline, and how many texts there must be for each.
FREEDOM = 5
_TEXTS_EACH = 15
# A category with fewer observations is put together with the other rare ones.
_LEAST = 5
# Into how many ranges a number is cut to see whether it still goes with the groups.
_STEPS = 16
_OTHER, _MISSING = "(other)", "(missing)"


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How the values of one covariate become columns, for the texts it was learned from and for new ones.

    **Attributes:** `name`; `knots` of the spline of a number, two for a line, none for a category; `levels` of a
    category that have a column each, `base` the one that has none; `centre` and `scale` of the columns, `(n_columns,)`.
    """

    name: str
    knots: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    base: str = ""
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return bool(self.knots)

    def columns(self, values: Sequence) -> np.ndarray:
        """`(n, n_columns)` of `n` values. A category not seen before counts as "(other)" if there is one, else as base.

        Raises `CorpusError` for a number that is missing.
        """
        if self.numeric:
            bare = _spline(_numbers(self.name, list(values)), self.knots)
        else:
            given = [_level(value) for value in values]
            known = {self.base, *self.levels}
            given = [level if level in known else _OTHER for level in given]
            bare = np.asarray([[level == one for one in self.levels] for level in given], np.float64)
            bare = bare.reshape(len(given), len(self.levels))
        return (bare - np.asarray(self.centre)) / np.asarray(self.scale)


def learn(name: str, values: Sequence, *, freedom: int = FREEDOM) -> Encoding:
    """The encoding of one covariate, from its values for `n` texts.

    Numbers, or strings that all are numbers, get a natural cubic spline with knots at quantiles, of at most `freedom`
    columns (1 gives a line): fewer where they have few distinct values or there are few texts. All else is a category,
    and a missing one is a category of its own.

    Raises `CorpusError` for a covariate without values, one that is constant, one with missing numbers or with too many
    categories; `ValueError` for `freedom` below 1.
    """
    check_at_least(1, freedom=freedom)
    values = list(values)
    n_present = sum(not _is_missing(value) for value in values)
    if n_present == 0:
        raise CorpusError(f"the covariate {name!r} has no values: leave it out")
    if not is_numeric(values):
        return _categories(name, [_level(value) for value in values])
    numbers = _numbers(name, values)
    if np.ptp(numbers) == 0:
        raise _constant(name, values[0])
    knots = _knots(numbers, min(freedom, max(len(numbers) // _TEXTS_EACH, 1)))
    bare = _spline(numbers, knots)
    return Encoding(name, knots=knots, centre=tuple(bare.mean(axis=0)), scale=tuple(bare.std(axis=0)))


@dataclasses.dataclass(frozen=True)
class Covariates:
    """`(n, n_columns)` columns for `n` observations, and the `encodings` of the covariates they stand for, in order."""

    encodings: tuple[Encoding, ...]
    matrix: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the covariates; each may have several columns."""
        return tuple(encoding.name for encoding in self.encodings)


def encode(columns: Mapping[str, Sequence], n: int, *, freedom: int = FREEDOM) -> Covariates:
    """The columns of some covariates, each centred and of standard deviation 1.

    **Arguments:** `columns`, for each covariate one value for each of `n` observations; `freedom`, see `learn`.

    Raises what `learn` does, and `CorpusError` for another number of values.
    """
    for name, values in columns.items():
        if len(values) != n:
            raise CorpusError(f"the covariate {name!r} has {len(values)} values, expected {n}: one for each text")
    encodings = tuple(learn(name, values, freedom=freedom) for name, values in columns.items())
    parts = [encoding.columns(columns[encoding.name]) for encoding in encodings]
    return Covariates(encodings, np.concatenate([np.zeros((n, 0)), *parts], axis=1))


class Remaining(NamedTuple):
    """How far a covariate still says which group a text is of, given what was adjusted for.

    `share`, of the variation of a group that the adjustment leaves, which finer steps of the covariate explain (an
    adjusted R squared, 0 to 1; that of the group for which it is largest), and the `p_value` of its F test, corrected
    for the number of groups.
    """

    share: float
    p_value: float


def remaining_association(
    covariates: Covariates, columns: Mapping[str, Sequence], groups: np.ndarray, n_groups: int
) -> dict[str, Remaining]:
    """For each number among the covariates, how far it still goes with the groups, given all that was adjusted for.

    If the share is not small, adjusted differences may still be those of the covariate: it acts along a curve that the
    spline does not follow, or the groups hardly have texts of equal values.

    **Arguments:** `columns`, what `covariates` were made of; `groups`, `(n,)` integers in `range(n_groups)`.
    """
    import scipy.stats

    n = len(groups)
    base = np.column_stack([np.ones(n), covariates.matrix])
    found = {}
    for encoding in covariates.encodings:
        steps = _steps(_numbers(encoding.name, list(columns[encoding.name]))) if encoding.numeric else None
        if steps is None:
            continue
        full = np.column_stack([base, steps])
        freedom = n - int(np.linalg.matrix_rank(full))
        added = n - int(np.linalg.matrix_rank(base)) - freedom
        if added == 0 or freedom < n / 2:  # the columns say all there is, or there are too few texts to ask
            continue
        worst = Remaining(0.0, 1.0)
        for group in range(n_groups):
            member = (groups == group).astype(np.float64)
            left, rest = (float(np.sum((member - one @ np.linalg.lstsq(one, member)[0]) ** 2)) for one in (base, full))
            if left <= 1e-9 * n:
                continue
            share = max(1 - (rest / freedom) / (left / (freedom + added)), 0.0)
            ratio = math.inf if rest <= 1e-12 * n else ((left - rest) / added) / (rest / freedom)
            p_value = min(n_groups * float(scipy.stats.f.sf(ratio, added, freedom)), 1.0)
            worst = max(worst, Remaining(share, p_value), key=lambda one: one.share)
        found[encoding.name] = worst
    return found


def _steps(numbers: np.ndarray) -> np.ndarray:
    """Indicators of up to 16 ranges of a number, each with about as many texts, without the first."""
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, _STEPS + 1)[1:-1]))
    place = np.searchsorted(edges, numbers, side="right")
    return (place[:, None] == np.unique(place)[None, 1:]).astype(np.float64)


def lengths(texts: Sequence[str]) -> list[float]:
    """The length of each text as a covariate: the logarithm of its number of characters, `(n,)`."""
    return [math.log1p(len(text)) for text in texts]


def is_numeric(values: Sequence) -> bool:
    """Whether all values that are there are finite numbers, or strings of such."""
    present = [_number(value) for value in values if not _is_missing(value)]
    return bool(present) and all(number is not None and math.isfinite(number) for number in present)


def _knots(numbers: np.ndarray, freedom: int) -> tuple[float, ...]:
    distinct = np.unique(numbers)
    if len(distinct) <= freedom + 1:
        return tuple(distinct.tolist())
    shares = np.linspace(0, 1, freedom + 1)
    knots = np.unique(np.quantile(numbers, shares))
    # Where one value is that of most texts, quantiles fall together.
    return tuple((knots if len(knots) == freedom + 1 else np.quantile(distinct, shares)).tolist())


def _spline(numbers: np.ndarray, knots: tuple[float, ...]) -> np.ndarray:
    """`(n, n_knots - 1)`: the natural cubic splines that are 1 at one knot and 0 at the others, without the first."""
    from scipy.interpolate import CubicSpline

    if len(knots) == 2:
        return (numbers - knots[0])[:, None] / (knots[1] - knots[0])
    spline = CubicSpline(knots, np.eye(len(knots))[:, 1:], bc_type="natural")
    inside = np.clip(numbers, knots[0], knots[-1])
    return spline(inside) + spline(inside, 1) * (numbers - inside)[:, None]


def _categories(name: str, levels: list[str]) -> Encoding:
    counts = Counter(levels)
    if len(counts) == 1:
        raise _constant(name, levels[0])
    frequent = [level for level, n in counts.most_common() if n >= _LEAST]
    if len(frequent) > len(levels) / 10 or not frequent:
        raise CorpusError(
            f"the covariate {name!r} has {len(counts)} different values in {len(levels)} texts, expected numbers, or "
            "categories of ten texts and more: choose a coarser field; if texts belong together by it, as those of an "
            "author or a thread do, give it as clusters= (--cluster-field)"
        )
    kept = set(frequent)
    merged = [level if level in kept else _OTHER for level in levels]
    # The first is what the others are compared with.
    base, *shown = dict.fromkeys([*frequent, *merged])
    bare = np.asarray([[level == one for one in shown] for level in merged], np.float64).reshape(len(merged), -1)
    return Encoding(
        name, levels=tuple(shown), base=base, centre=tuple(bare.mean(axis=0)), scale=tuple(bare.std(axis=0))
    )


def _numbers(name: str, values: list) -> np.ndarray:
    n_missing = sum(_is_missing(value) for value in values)
    if n_missing:
        raise CorpusError(
            f"the covariate {name!r} is missing for {n_missing} of {len(values)} texts: fill these values or leave the "
            "texts out"
        )
    numbers = np.asarray([math.nan if (one := _number(value)) is None else one for value in values], np.float64)
    if not np.isfinite(numbers).all():
        strange = values[int(np.argmin(np.isfinite(numbers)))]
        raise CorpusError(f"the covariate {name!r} has the value {strange!r}, expected finite numbers")
    return numbers


def _constant(name: str, value: object) -> CorpusError:
    return CorpusError(f"the covariate {name!r} is {value!r} for all texts: nothing to adjust for, leave it out")


def _level(value: object) -> str:
    return _MISSING if _is_missing(value) else str(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)  # pyright: ignore[reportArgumentType] - what is no number raises
    except (TypeError, ValueError):
        return None


def _is_missing(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
    )
