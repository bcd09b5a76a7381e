"""What `nlparam.compare` returns: predicates that hold more often in one group of texts than in the others."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.comparing.folder import fields_of_comparison, pack_comparison
from nlparam.comparing.records import Finding, Group, Units
from nlparam.results.page.page import AbstractPage
from nlparam.results.result import AbstractResult, Files, Folder
from nlparam.runtime.costs import Costs

if TYPE_CHECKING:
    from nlparam.corpus.corpus import Corpus


@dataclasses.dataclass(frozen=True)
class Comparison(AbstractResult):
    """What tells groups of texts apart, in predicates.

    **Attributes:**

    - `groups`, in the order given; `goal`.
    - `findings`: every candidate. Those that are claimed come first, the largest effect first, then those that were
      tested without success, then the rest in the order in which they were given up.
    - `corpus`, `units`: the texts, and which of them were used for what.
    - `judgments`: `(n_distinct, n_findings)`, the judged probabilities, `nan` where not judged; columns as `findings`.
    - `covariates`: the names of what was adjusted for.
    - `confidence`: the level of the intervals. They hold for one predicate at a time.
    - `level`: the false discovery rate (or family-wise error rate) that claims keep to, by `correction` ("bh", "by" or
      "holm").
    - `warnings`: what a reader should know about the texts and groups.
    - `settings`, `versions`, `costs`: how it was made and what it cost.
    - `pictures`: where texts stand for images, small pictures of those that are quoted, by text, as data URLs.
    """

    main = "comparison.json"
    again = "compare again with --overwrite"

    groups: list[Group]
    goal: str
    findings: list[Finding]
    corpus: "Corpus"
    units: Units
    judgments: np.ndarray
    covariates: tuple[str, ...]
    confidence: float
    level: float
    correction: str
    warnings: list[str]
    settings: dict[str, Any]
    versions: dict[str, str]
    costs: Costs
    pictures: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def claims(self) -> list[Finding]:
        """The findings that are claimed, the largest effect first."""
        return [finding for finding in self.findings if finding.claimed]

    @property
    def tested(self) -> list[Finding]:
        """The findings that were judged on the validation split."""
        return [finding for finding in self.findings if finding.tested]

    def finding(self, predicate: str) -> Finding:
        """The finding of one predicate. Raises `KeyError` if it was no candidate."""
        for finding in self.findings:
            if finding.predicate == predicate:
                return finding
        raise KeyError(predicate)

    def pack(self, folder: Path) -> tuple[dict[str, Any], Files]:
        del folder
        return pack_comparison(self)

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder) -> "Comparison":
        return cls(**fields_of_comparison(contents, folder))

    def page(self) -> AbstractPage:
        from nlparam.comparing.page import ComparisonPage

        return ComparisonPage(self)
