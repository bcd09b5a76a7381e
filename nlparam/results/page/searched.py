"""What is searched where a page is served, and the section of a page in which a reader marks, searches and edits."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.results.folder import digest_of_content
from nlparam.results.page.blocks import Desk, Section, Words


@dataclasses.dataclass(frozen=True)
class Searched:
    """All texts of a result.

    **Attributes:**

    - `corpus`: the texts.
    - `names`: of the predicates, as the page shows them; `predicates`, as they are judged, "" for "none of these".
    - `denotations`: `(n_texts, n_predicates)`, not a number where a predicate says nothing of a text.
    - `places`: the part of the page that each predicate has, for links.
    - `noun`: what a predicate is called.
    """

    corpus: Corpus
    names: Sequence[str]
    predicates: Sequence[str]
    denotations: np.ndarray
    places: Sequence[str]
    noun: str = "predicate"


def desk_section(
    searched: Searched, settings: Mapping[str, Any], *, tree: Mapping[str, Any] | None = None
) -> Section | None:
    """Where a reader marks and searches texts, and edits a `tree`; `None` where there is nothing to mark."""
    if not len(searched.names):
        return None
    data = {
        # In the storage of the browser, what was done to this result.
        "key": digest_of_content([list(searched.predicates), len(searched.corpus), str(settings.get("date"))])[:20],
        "names": list(searched.names),
        "predicates": list(searched.predicates),
        "places": list(searched.places),
        "noun": searched.noun,
        "texts": len(searched.corpus),
        **({} if tree is None else {"tree": tree}),
    }
    doing = "Edit the tree, and mark texts" if tree is not None else "Mark and search texts"
    what = "Say of a quoted text whether the predicate holds: there are buttons beside each. Marks go to labels.csv."
    return Section("marking", doing, [Words(what), Desk(data)], "Edit" if tree is not None else "Mark")
