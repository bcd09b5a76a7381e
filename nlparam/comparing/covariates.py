"""Covariates of a comparison: columns to adjust for, refused where they say which group a text is of."""

from collections.abc import Mapping, Sequence

import numpy as np

from nlparam.errors import CorpusError
from nlparam.numerics.statistics.covariates import Covariates, encode, remaining_association

# More of the group that a covariate explains in spite of the adjustment is worth a warning.
_MOST_LEFT, _SURE = 0.02, 0.01


def adjusted_for(columns: Mapping[str, Sequence], groups: np.ndarray, names: Sequence[str]) -> Covariates:
    """Covariates of the observations that are to be tested.

    **Arguments:** `columns`, for each covariate one value per observation (see
    `nlparam.numerics.statistics.covariates`); `groups`, `(n,)` integers; `names` of the groups.

    Raises `CorpusError` for a covariate that is constant, has missing numbers, has too many categories, or says which
    group a text is of, so that nothing can be compared at equal values.
    """
    for name, values in columns.items():
        if not _separable(encode({name: values}, len(groups)).matrix, groups, len(names)):
            raise CorpusError(_tells_group(f"the covariate {name!r} says", names))
    covariates = encode(columns, len(groups))
    if not _separable(covariates.matrix, groups, len(names)):
        raise CorpusError(_tells_group(f"the covariates {', '.join(map(repr, columns))} together say", names))
    return covariates


def unadjusted(
    covariates: Covariates, columns: Mapping[str, Sequence], groups: np.ndarray, n_groups: int
) -> tuple[dict[str, float], list[str]]:
    """What a covariate still says of the groups, given the adjustment: a share from 0 to 1 for each; and warnings."""
    found = remaining_association(covariates, columns, groups, n_groups)
    warnings = [
        f"the covariate {name!r} still says which group a text is of, given the adjustment ({left.share:.0%} of what "
        "is left): the groups have few texts of equal values, and adjusted differences may be its own; compare texts "
        "of a range that both have"
        for name, left in found.items()
        if left.share > _MOST_LEFT and left.p_value <= _SURE
    ]
    return {name: left.share for name, left in found.items()}, warnings


def _tells_group(subject: str, names: Sequence[str]) -> str:
    return (
        f"{subject} which of the groups {', '.join(map(repr, names))} a text is of: its effect and that of the group "
        "cannot be told apart; leave it out"
    )


def _separable(matrix: np.ndarray, groups: np.ndarray, n_groups: int) -> bool:
    """Whether differences between groups can be estimated beside the covariates: neither is made up of the others."""
    ones, members = np.ones((len(groups), 1)), np.eye(n_groups)[groups]
    without = np.linalg.matrix_rank(np.hstack([ones, matrix]))
    return bool(np.linalg.matrix_rank(np.hstack([members, matrix])) == without + n_groups - 1)
