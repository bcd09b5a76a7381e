"""What `nlparam.compare` returns: predicates that hold more often in one group of texts than in the others."""

import dataclasses
from pathlib import Path
from typing import Any

from nlparam.comparing.folder import fields_of_comparison, pack_comparison
from nlparam.comparing.people import labelling, orders_to_label
from nlparam.comparing.records import ComparisonLike, Finding
from nlparam.comparing.tables import finding_columns, finding_examples, unit_columns
from nlparam.denotation.labelling import Labelling
from nlparam.denotation.labels import Labelled
from nlparam.results.frames import AbstractTabular
from nlparam.results.page.sections import AbstractPage
from nlparam.results.result import AbstractResult, Files, Folder


@dataclasses.dataclass(frozen=True)
class Comparison(ComparisonLike, AbstractResult, AbstractTabular):
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
    - `following`: how well the goal was followed, `None` if nothing was asked about that.
    - `pictures`: where texts stand for images, small pictures of those that are quoted, by text, as data URLs.
    """

    main = "comparison.json"
    again = "compare again with --overwrite"

    def finding(self, predicate: str) -> Finding:
        """The finding of one predicate. Raises `KeyError` if it was no candidate."""
        return {finding.predicate: finding for finding in self.findings}[predicate]

    def to_label(self, n: int = 100, *, seed: int = 0) -> list[dict[str, str]]:
        """Rows for people to label: `n` texts for each tested predicate, drawn at random, as many of each group.

        Each row has a `text`, a `predicate`, the `group` and an empty `label`: yes or no. All predicates get the same
        texts. The labels are for `nlparam.compare(..., labels=)`, with the other arguments as they were. Raises
        `ValueError` for `n` below the number of groups.
        """
        if n < len(self.groups):
            raise ValueError(f"got n={n}, expected at least one text for each of {len(self.groups)} groups")
        orders = orders_to_label(self, seed=seed)
        rows = [
            (self.corpus.distinct[text], group.name)
            for group, order in zip(self.groups, orders, strict=True)
            for text in order[: n // len(self.groups)].tolist()
        ]
        return [
            {"text": text, "predicate": finding.predicate, "group": group, "label": ""}
            for text, group in rows
            for finding in self.tested
        ]

    def labelling(self, *, seed: int = 0) -> "Labelling":
        """Which texts people label next, how many labels are needed, and how far people and judge agree."""
        return labelling(self, seed=seed)

    def pack(self, folder: Path) -> tuple[dict[str, Any], Files]:
        del folder
        return pack_comparison(self)

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder) -> "Comparison":
        return cls(**fields_of_comparison(contents, folder))

    def text_columns(self) -> dict[str, list[Any]]:
        return unit_columns(self)

    def summary_columns(self) -> dict[str, list[Any]]:
        return finding_columns(self)

    def example_columns(self, k: int) -> dict[str, list[Any]]:
        return finding_examples(self, k)

    def page(self, *, labels: Labelled | None = None) -> AbstractPage:
        """Its report. With `labels` it shows how people and judge agree."""
        from nlparam.comparing.page import ComparisonPage

        return ComparisonPage(self, self.labelling().agreement(labels) if labels else ())

    def beside(self, folder: Path) -> dict[str, Any]:
        predicates = [finding.predicate for finding in self.tested]
        return {"labels": Labelled.kept(folder, self.corpus.texts, predicates)}
