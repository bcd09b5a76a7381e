"""What `nlparam.taxonomy` returns: a tree whose nodes are predicates, the children explaining their parent's texts."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.denotation.labels import Labelled
from nlparam.errors import EditError
from nlparam.results.frames import AbstractTabular
from nlparam.results.page.sections import AbstractPage
from nlparam.results.result import AbstractResult, Files, Folder
from nlparam.runtime.costs import Costs
from nlparam.runtime.words import counted
from nlparam.taxonomies.edit import plan
from nlparam.taxonomies.folder import compared_settings, fields_of_taxonomy, pack_taxonomy
from nlparam.taxonomies.placing import columns_of, node_columns, node_examples, placed
from nlparam.taxonomies.records import ROOT, STOPS, Node, TreeLike, judged
from nlparam.taxonomies.yaml_file import FILE, read

if TYPE_CHECKING:
    from nlparam.denotation.labelling import Labelling
    from nlparam.taxonomies.over_time import SharesOverTime
    from nlparam.taxonomies.page.by_group import GroupTrend
    from nlparam.taxonomies.people import NodeShares


@dataclasses.dataclass(frozen=True)
class Taxonomy(TreeLike, AbstractResult, AbstractTabular):
    """A tree of predicates over a corpus.

    **Attributes:**

    - `nodes`: every node by its id, depth first, "none of these" after its siblings.
    - `corpus`: the texts.
    - `denoter`: denotes new texts for the predicates of all nodes.
    - `judgments`: every answer of the language model that the denotations of the nodes rest on.
    - `result`: why growing ended.
    - `settings`, `versions`, `costs`: how it was made and what it cost.
    - `stamps`: the time of each text, a number or an ISO date, `None` where it has none; `None` without times.
    - `clusters`: what each text belongs to, such as a thread, `None` where it stands for itself; `None` without.
    - `sample`: texts drawn at random and judged, by which shares are corrected; `None` if there was no such round.
    - `chance`: of nodes with children, whether these separate texts of the sample that did not choose them better than
      chance; empty without a sample.
    - `following`: how well the goal was followed, `None` if nothing was asked about that.
    """

    main = "taxonomy.json"
    again = "grow it again with --overwrite"
    # Times, and what is judged for them, change no node.
    not_compared = AbstractResult.not_compared | {"form", "n_words", "time_unit", "inference"}

    def pack(self, folder: Path) -> tuple[dict[str, Any], Files]:
        return pack_taxonomy(self, folder)

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder, *, embedder: Any = None) -> "Taxonomy":
        return cls(**fields_of_taxonomy(contents, folder, embedder))

    @classmethod
    def compared(cls, contents: Mapping[str, Any]) -> dict[str, Any]:
        return compared_settings(contents["settings"])

    @classmethod
    def unsaved(cls, folder: Path) -> str | None:
        """An edit of `taxonomy.yaml` that no refit has heeded."""
        if change := unfitted(folder):
            return (
                f"{folder / FILE} was edited ({change}): run `nlparam refit {folder}` first, choose another --out, or "
                "lose the edit with --overwrite"
            )
        return None

    def over_time(
        self,
        node: str = ROOT,
        *,
        unit: str | None = None,
        confidence: float = 0.95,
        labels: Labelled | str | Path | None = None,
    ) -> "SharesOverTime":
        """The shares of the children of a node over time, of all texts of a time step, with confidence intervals.

        They are as the language model sees them where random texts were judged (`sample`), else as the heads do.
        `trends` says which of them rise, fall or change, at a false discovery rate of 5% over the children.

        **Arguments:** `unit`, "day", "week", "month" or "year", by which dates are grouped; by default that of the
        settings, else the finest that gives few steps; `labels`, of people, for texts drawn at random and all children
        of the node: shares are then as people see them. Raises `CorpusError` if the taxonomy was grown without stamps,
        or a child has no labels.
        """
        from nlparam.taxonomies.over_time import over_time

        return over_time(self, node, unit=unit, confidence=confidence, labels=labels)

    def shares(self, labels: Labelled | str | Path | None = None, *, confidence: float = 0.9) -> "NodeShares":
        """The shares of all texts that are under each node, with confidence intervals.

        They are as the language model sees them where random texts were judged (`sample`), else as the heads do. With
        `labels` of people, for texts drawn at random, the shares of nodes that have 30 labels are as people see them.
        Raises `CorpusError` for labels of other texts or predicates.
        """
        from nlparam.taxonomies.people import shares

        return shares(self, None if labels is None else Labelled.given(labels, self.texts), confidence=confidence)

    def over_time_by(self, groups: Sequence[Any], node: str = ROOT, **asked: Any) -> "dict[str, SharesOverTime]":
        """The shares of the children of a node over time in each group of texts, and what rises, falls or changes.

        The verdicts allow for all groups and children together. Texts without a group do not count, nor does a group
        whose texts are all of one time.

        **Arguments:** `groups`, one value for each text; `level` and `correction` ("bh", "by", "holm") of the claims;
        the others as `over_time` takes them. Raises `CorpusError` as it does, and where no texts were judged.
        """
        from nlparam.taxonomies.over_time import over_time_by

        return over_time_by(self, groups, node, **asked)

    def labelling(self, *, seed: int = 0) -> "Labelling":
        """Which texts people label next, how many labels are needed, and how far people and judge agree.

        The children of a node are asked about where a person says that the node holds.
        """
        from nlparam.taxonomies.people import labelling

        return labelling(self, seed=seed)

    def text_columns(self) -> dict[str, list[Any]]:
        found = placed(self, self.corpus, self.spread(), Costs())
        # What is not known of a text is no 0: the children of a node are denoted for the texts under it.
        return columns_of(self, dataclasses.replace(found, denotations=self.spread(np.nan)))

    def summary_columns(self) -> dict[str, list[Any]]:
        return node_columns(self)

    def example_columns(self, k: int) -> dict[str, list[Any]]:
        return node_examples(self, k)

    def page(
        self,
        *,
        update: Mapping[str, Any] | None = None,
        labels: Labelled | None = None,
        trends: "Sequence[GroupTrend]" = (),
    ) -> AbstractPage:
        """Its report. `update` is what the last update found (`Update.to_dict`): the page then shows what changed. With
        `labels` it shows how people and judge agree, with `trends` what rises and falls in each group."""
        from nlparam.taxonomies.page.tree import TaxonomyPage

        return TaxonomyPage(self, update, self.labelling().agreement(labels) if labels else (), trends)

    def beside(self, folder: Path) -> dict[str, Any]:
        from nlparam.taxonomies.page.by_group import kept_trends
        from nlparam.taxonomies.page.drift import kept_update

        predicates = [judged(self.nodes[node]) for node in self.predicate_ids]
        labels = Labelled.kept(folder, self.texts, predicates)
        return {"update": kept_update(folder), "labels": labels, "trends": kept_trends(folder)}

    def __str__(self) -> str:
        """The tree in plain text, a line for each node: its id and predicate, the number of texts and their share."""
        rows: list[tuple[str, Node]] = []

        def visit(node: Node, indent: str) -> None:
            shown = [child for child in self.children(node.id, residual=True) if len(child) or not child.residual]
            for child in shown:
                last = child is shown[-1]
                number = "" if child.residual else f"{child.id} "
                rows.append((f"{indent}{'└─' if last else '├─'} {number}{' '.join(child.name.split())}", child))
                visit(child, f"{indent}{'   ' if last else '│  '}")

        visit(self.root, "")
        width = max((len(text) for text, _ in rows), default=0)
        lines = [counted(len(self.corpus), "text")]
        for text, node in rows:
            notes = ["partial: the budget was spent"] if node.partial else []
            if (why := node.stopped) in (STOPS.budget_spent, STOPS.few_texts, STOPS.nothing_usable):
                notes.append(f"not divided: {why}")
            note = f"  ({'; '.join(notes)})" if notes else ""
            lines.append(f"{text:<{width}}  {len(node):>7,}  {self.share(node.id):>6.1%}{note}")
        return "\n".join(lines)


def unfitted(folder: str | Path, taxonomy: Taxonomy | None = None) -> str | None:
    """The first edit in the `taxonomy.yaml` of a folder that no refit has heeded, in words; `None` if there is none.

    `taxonomy` is that of the folder, if it is loaded already. Raises `ResultFolderError` if it is incomplete.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return None
    try:
        return next(iter(plan(read(path), Taxonomy.load(folder) if taxonomy is None else taxonomy).changes), None)
    except EditError as error:
        return str(error)
