"""How much the growing of a taxonomy does, and what its children must fulfil."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from nlparam.denotation.session import changed
from nlparam.errors import check_at_least

DEFAULT_DEPTH = 2
_AUTO = (2, 8)
# How many texts are stated, and how many times as many where the first level is uncertain.
_N_STATED, _TIMES_MORE = 120, 3
# What a small node gets at least.
_LEAST_CANDIDATES, _LEAST_SCREENED, _LEAST_JUDGED = 12, 16, 64


@dataclasses.dataclass(frozen=True)
class TaxonomyOptions:
    """How much is asked, and what the children of a node must fulfil.

    **Arguments:**

    - `n_stated`: how many texts of the corpus the language model states, once for all nodes; by default 120, then three
      times as many where it is uncertain which texts are under which child of the first level.
    - `n_candidates`, `n_screened`, `n_judged`: how many predicates are considered for the root, on how many texts each
      of them is judged, and on how many those that are chosen; a node with a share s of the texts gets sqrt(s) of it,
      but no fewer than 12, 16 and 64 where these are fewer.
      `n_judged=None` judges what is chosen on all texts of the node.
    - `least_texts`: a node with fewer texts is not divided.
    - `least_share`, `most_share`: between which a child's share of its parent's texts must lie.
    - `uncovered`, the price of a text under no child, in nats of the likelihood of its statement; `overlap`, that of
      every child beyond the first that it is under, when thresholds are moved.
    - `max_correlation`: above which the denotations of two siblings may not be correlated.
    - `correct_bias`: move the threshold of each predicate to where its yes and no answers part (small models).
    - `n_compared`: how many pairs of candidates of a node the language model compares to find near-duplicates.
    """

    n_stated: int | None = None
    n_candidates: int = 16
    n_screened: int = 32
    n_judged: int | None = 80
    least_texts: int = 40
    least_share: float = 0.04
    most_share: float = 0.6
    uncovered: float = 1.0
    overlap: float = 0.5
    max_correlation: float = 0.7
    correct_bias: bool = True
    n_compared: int = 6

    def __post_init__(self):
        check_at_least(8, n_stated=self.first_stated)
        check_at_least(2, n_candidates=self.n_candidates)
        check_at_least(6, n_screened=self.n_screened)
        check_at_least(4, least_texts=self.least_texts)
        if self.n_judged is not None and self.n_judged < self.n_screened:
            raise ValueError(f"got n_judged={self.n_judged}, expected at least n_screened={self.n_screened} or None")
        if not 0 <= self.least_share < self.most_share <= 1:
            raise ValueError(
                f"got shares from {self.least_share} to {self.most_share}, expected 0 <= least_share < most_share <= 1"
            )
        check_at_least(0, uncovered=self.uncovered, overlap=self.overlap, n_compared=self.n_compared)
        if not 0 < self.max_correlation <= 1:
            raise ValueError(f"got max_correlation={self.max_correlation}, expected above 0 and at most 1")

    @property
    def first_stated(self) -> int:
        """How many texts are stated at first."""
        return _N_STATED if self.n_stated is None else self.n_stated

    @property
    def most_stated(self) -> int:
        """How many are stated where the first level is uncertain."""
        return _TIMES_MORE * _N_STATED if self.n_stated is None else self.n_stated


# A small model judges few texts and is corrected; a strong one is believed, and judges more.
STRONG = TaxonomyOptions(n_stated=256, n_candidates=32, n_screened=64, n_judged=512, correct_bias=False)


def options_of(default: TaxonomyOptions, given: TaxonomyOptions | Mapping[str, Any] | None) -> TaxonomyOptions:
    """The options as given, or the default with some of its fields changed; `n_judged` alone bounds `n_screened` too.

    Raises `ValueError` for a name that is no field, and for fields that do not fit together.
    """
    if isinstance(given, Mapping) and given.get("n_judged") is not None:
        given = {"n_screened": min(default.n_screened, given["n_judged"])} | dict(given)
    return changed(default, given)


class Effort(NamedTuple):
    """How many candidates a node has, on how many texts they are judged, and those that are chosen."""

    n_candidates: int
    n_screened: int
    n_judged: int

    @property
    def n_half(self) -> int:
        """On how many texts the candidates of all divisions that are as likely are judged."""
        return (self.n_screened + self.n_judged) // 2

    @property
    def n_sought(self) -> int:
        """How many candidates are sought for the texts that the children leave out."""
        return max(self.n_candidates // 3, 2)


def efforts(n_rows: int, n_all: int, options: TaxonomyOptions) -> Effort:
    """What a node of `n_rows` of `n_all` texts gets; see `TaxonomyOptions`."""
    share = (n_rows / n_all) ** 0.5
    n_screened = min(n_rows, max(_LEAST_SCREENED, round(options.n_screened * share)))
    n_judged = n_rows
    if options.n_judged is not None:
        n_judged = max(min(_LEAST_JUDGED, options.n_judged), round(options.n_judged * share))
    n_candidates = max(min(_LEAST_CANDIDATES, options.n_candidates), round(options.n_candidates * share))
    return Effort(n_candidates, n_screened, min(n_judged, n_rows))


def children_range(children: int | str | tuple[int, int] | None) -> tuple[int, int]:
    """The least and the most children of a node: from `"auto"` (or `None`), a number, `"MIN-MAX"` or a pair.

    Raises `ValueError` for anything else.
    """
    if children is None or children == "auto":
        return _AUTO
    if isinstance(children, str):
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", children)
        if found is None:
            raise ValueError(f"got children={children!r}, expected auto, a number, or MIN-MAX (for instance 3-6)")
        least, most = int(found[1]), int(found[2] or found[1])
    elif isinstance(children, int):
        least = most = children
    else:
        least, most = children
    if not 2 <= least <= most:
        raise ValueError(f"got {least} to {most} children, expected at least 2, and no more at least than at most")
    return least, most
