r"""Sensitivity: how unequally would a judge have to err for a difference between two groups to be its own?

A judge of sensitivity $s_g$ and specificity $c_g$ in group $g$ says yes to a share
$p_g = \pi_g s_g + (1 - \pi_g)(1 - c_g)$ of texts, where $\pi_g$ is the share that is true. If both groups have the same
true share $\pi$, then

$$p_1 - p_2 = \pi (s_1 - s_2) - (1 - \pi)(c_1 - c_2).$$

Without labels nothing more can be known than how large these differences have to be: the tipping point. It is an
analysis of what would have to be believed, not an interval.

With labels of both groups no such figure is needed. Estimate the share of either group by
`nlparam.numerics.statistics.correction` from its own labels, and combine them as any two independent rates:
`rates.newcombe((first.value[k], first.low[k], first.high[k]), (second.value[k], second.low[k], second.high[k]))`, with
the standard error `hypot(first.standard_error[k], second.standard_error[k])` for a test. Where clusters reach across
the groups the two are not independent: use `curves.curves` with the groups as strata, and `curves.change`.
"""

from typing import NamedTuple


class TippingPoint(NamedTuple):
    """How much more a judge would have to err in one group than in the other, in points (0.05 is five of a hundred).

    `sensitivity`: of the texts for which the predicate holds, so many more are missed where the share is
    lower. `specificity`: of the texts for which it does not hold, so many more get a yes where the share is higher.
    `both`: so many more of either kind of text get a yes where the share is higher. Each alone would do; None
    where even a judge that errs always would not. `share` is the true share that these hold for, equal in both groups.
    """

    sensitivity: float | None
    specificity: float | None
    both: float
    share: float


def tipping_point(
    first: float,
    second: float,
    *,
    difference: float | None = None,
    sensitivity: float = 1.0,
    specificity: float = 1.0,
) -> TippingPoint:
    """The difference in error rates that would explain a difference of two shares as the judge sees them.

    **Arguments:** `first` and `second`, the shares; `difference`, what is to be explained, by default all of
    `first - second`. With the end of its interval that is nearer to 0, the figure is what would make the finding no
    longer significant; 0 where the interval holds 0. `sensitivity` and `specificity`, what is known of the judge's
    right answers over both groups: the common true share then follows from the mean of the shares (Rogan and Gladen
    1978), else it is that mean.

    ```pycon
    >>> found = tipping_point(0.30, 0.20)
    >>> "{0.sensitivity:.2f} {0.specificity:.3f} {0.both:.2f}".format(found)
    '0.40 0.133 0.10'

    ```

    A difference of 10 points where a quarter of all texts is meant: the judge would have to miss 40 points more in the
    one group, or to say yes wrongly to 13 points more in the other.

    Raises `ValueError` for shares or rates outside of [0, 1], or a judge that is right for no more than chance.
    """
    for name, rate in (
        ("first", first),
        ("second", second),
        ("sensitivity", sensitivity),
        ("specificity", specificity),
    ):
        if not 0 <= rate <= 1:
            raise ValueError(f"got {name}={rate}, expected a number in [0, 1]")
    if not sensitivity + specificity > 1:
        raise ValueError(
            f"got sensitivity={sensitivity} and specificity={specificity}, expected more than 1 together: such answers "
            "say nothing about the texts"
        )
    gap = abs(first - second if difference is None else difference)
    if not gap <= 1:
        raise ValueError(f"got difference={difference}, expected a number between -1 and 1")
    share = ((first + second) / 2 + specificity - 1) / (sensitivity + specificity - 1)
    share = min(max(share, 0.0), 1.0)
    return TippingPoint(_part(gap, share), _part(gap, 1 - share), gap, share)


def nearest_to_zero(low: float, high: float) -> float:
    """The end of an interval that is nearer to 0, and 0 where the interval holds it: a `difference` to explain.

    Raises `ValueError` unless `low <= high`.
    """
    if not low <= high:
        raise ValueError(f"got an interval from {low} to {high}, expected its lower end first")
    return max(low, 0.0) + min(high, 0.0)


def _part(gap: float, share: float) -> float | None:
    """What makes a gap if it acts on a share of the texts."""
    if gap == 0:
        return 0.0
    return gap / share if gap <= share else None
