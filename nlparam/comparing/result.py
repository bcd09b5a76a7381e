"""What `nlparam.compare` returns: predicates that hold more often in one group of texts than in the others."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.comparing.folder import fields_of_comparison, pack_comparison
from nlparam.comparing.records import ComparisonLike, Finding
from nlparam.results.page.page import AbstractPage
from nlparam.results.result import AbstractResult, Files, Folder


@dataclasses.dataclass(frozen=True)
class Comparison(ComparisonLike, AbstractResult):
    """What tells groups of texts apart, in predicates.

    **Attributes:**

    - `groups`, in the order given; `goal`.
    - `findings`: every candidate. Those that are claimed come first, the largest effect first, then those that were
      tested without success, then the rest in the order in which they were given up.
    - `corpus`, `units`: the texts, and which of them were used for what.
    - `judgments`: `(n_distinct, n_findings)`, the judged probabilities, `nan` where not judged; columns as `findings`.
    - `covariates`: the names of what was adjusted for.
    - `unadjusted`: for each number among them, how far it still says which group a text is of, given the adjustment: a
      share from 0 to 1 of what the adjustment leaves.
    - `confidence`: the level of the intervals. They hold for one predicate at a time.
    - `level`: the false discovery rate (or family-wise error rate) that claims keep to, by `correction` ("bh", "by" or
      "holm").
    - `warnings`: what a reader should know about the texts and groups.
    - `settings`, `versions`, `costs`: how it was made and what it cost.
    - `pictures`: where texts stand for images, small pictures of those that are quoted, by text, as data URLs.
    """

    main = "comparison.json"
    again = "compare again with --overwrite"

    def finding(self, predicate: str) -> Finding:
        """The finding of one predicate. Raises `KeyError` if it was no candidate."""
        for finding in self.findings:
            if finding.predicate == predicate:
                return finding
        raise KeyError(predicate)

    def to_label(self, n: int = 100, *, seed: int = 0) -> list[dict[str, str]]:
        """Rows for people to label: `n` texts for each tested predicate, drawn at random, as many of each group.

        Each row has a `text`, a `predicate`, the `group` and an empty `label`: yes or no. All predicates get the same
        texts. The labels are for `nlparam.compare(..., labels=)`, with the other arguments as they were. Raises
        `ValueError` for `n` below the number of groups.
        """
        if n < len(self.groups):
            raise ValueError(f"got n={n}, expected at least one text for each of {len(self.groups)} groups")
        rng, rows = np.random.default_rng(seed), []
        for number, group in enumerate(self.groups):
            drawn = np.unique(self.units.text[self.units.validated & (self.units.group == number)])
            chosen = rng.choice(drawn, min(n // len(self.groups), len(drawn)), replace=False)
            rows += [(self.corpus.distinct[text], group.name) for text in chosen.tolist()]
        return [
            {"text": text, "predicate": finding.predicate, "group": group, "label": ""}
            for text, group in rows
            for finding in self.tested
        ]

    def pack(self, folder: Path) -> tuple[dict[str, Any], Files]:
        del folder
        return pack_comparison(self)

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder) -> "Comparison":
        return cls(**fields_of_comparison(contents, folder))

    def page(self) -> AbstractPage:
        from nlparam.comparing.page import ComparisonPage

        return ComparisonPage(self)
