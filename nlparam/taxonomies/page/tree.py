"""The report of a taxonomy: the tree as an icicle and as a list, every node with its texts, and how it was divided."""

import dataclasses
import datetime
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nlparam.results.page.browser import Browser, browse_texts
from nlparam.results.page.examples import Example, choose_examples, excerpt
from nlparam.results.page.page import AbstractPage
from nlparam.results.page.rows import MAX_SENTENCE, NAMED_SETTINGS, Row, cost_rows, stage_rows, value_rows, value_text
from nlparam.results.page.text import DASH
from nlparam.taxonomies.page.card import taxonomy_card
from nlparam.taxonomies.page.drift import drift_chart, drift_view
from nlparam.taxonomies.page.icicle import Icicle, draw_icicle, icicle
from nlparam.taxonomies.page.over_time import time_charts, time_view
from nlparam.taxonomies.records import Candidate, Division, Node, TreeLike

MAX_CANDIDATES = 30


@dataclasses.dataclass(frozen=True)
class NodeView:
    """One node as the report shows it.

    `identity` names its element; `n_texts` are under it, a share of `share` of all texts and `of_parent` of those of
    its parent; `coverage` and `overlap` are those of its children, `None` without any; `note` says why it has none, or
    that it is locked or partial.
    """

    identity: str
    number: str
    name: str
    depth: int
    residual: bool
    path: list[str]
    n_texts: int
    share: float
    of_parent: float
    agreement: float | None
    coverage: float | None
    overlap: float | None
    judged_as: str | None
    notes: list[str]
    children: list[str]
    examples_for: list[Example]
    examples_against: list[Example]


@dataclasses.dataclass(frozen=True)
class DivisionView:
    """How one node was divided: what each number of children would explain, and which predicates were not taken."""

    number: str
    name: str
    n_children: int
    lines: list["Division"]
    chosen: list[str]
    merged: list[tuple[str, str]]
    passed_over: list[str]
    omitted: int


@dataclasses.dataclass(frozen=True)
class TreePage:
    """Everything that the report of a taxonomy shows."""

    title: str
    model: str
    summary: str
    facts: list[Row]
    nodes: list[NodeView]
    tree: list[Any]
    picture: Icicle
    divisions: list[DivisionView]
    node_costs: list[tuple[str, str, int, int]]
    costs: list[Row]
    stages: list[tuple[str, float]]
    settings: list[Row]
    versions: list[Row]


@dataclasses.dataclass(frozen=True)
class TaxonomyPage(AbstractPage):
    """The report of a taxonomy.

    `update` is what the last update found, as `Update.to_dict` gives it: the page then shows what has changed.
    """

    taxonomy: TreeLike
    update: Mapping[str, Any] | None = None

    def html(self) -> str:
        from markupsafe import Markup

        from nlparam.results.page.render import render

        taxonomy = self.taxonomy
        page, texts, drift = describe_taxonomy(taxonomy), browse_nodes(taxonomy), drift_view(taxonomy, self.update)
        sections = [("tree", "Tree"), ("nodes", "Nodes")]
        over_time = time_view(taxonomy)
        sections += [("over-time", "Over time")] if over_time else []
        sections += [("drift", "Changes")] if drift else []
        sections += [("examples", "Examples")]
        sections += [("texts", "All texts")] if texts else []
        sections += [("divisions", "Divisions")] if page.divisions else []
        sections += [("cost", "Cost"), ("settings", "Settings")]
        # What was escaped in one template is not to be escaped again in another.
        picture = Markup(draw_icicle(page.picture, alone=False))
        return render(
            "tree.html.j2",
            charts={"drift": drift_chart(drift)} | time_charts(over_time),
            page=page,
            sections=sections,
            texts=texts,
            picture=picture,
            drift=drift,
            over_time=over_time,
        )

    def figures(self) -> dict[str, dict[str, Any] | str]:
        charts = {"drift": drift_chart(drift_view(self.taxonomy, self.update))} | time_charts(time_view(self.taxonomy))
        tree: dict[str, dict[str, Any] | str] = {"tree": draw_icicle(icicle(self.taxonomy), alone=True)}
        return tree | {name: chart for name, chart in charts.items() if chart is not None}

    def card(self) -> str:
        return taxonomy_card(self.taxonomy)


def describe_taxonomy(taxonomy: TreeLike) -> TreePage:
    """Chooses what the report of a taxonomy shows. The order of its nodes is kept."""
    goal = str(taxonomy.settings.get("goal") or "").strip()
    n_texts = len(taxonomy.corpus)
    nodes = _nodes(taxonomy)
    return TreePage(
        title=excerpt(goal, MAX_SENTENCE) if goal else f"Taxonomy of {n_texts:,} texts",
        model="Taxonomy",
        summary=(
            f"This page shows {n_texts:,} {'text' if n_texts == 1 else 'texts'} as a tree of "
            f"{len(taxonomy.predicate_ids):,} predicates: the children of a predicate explain its texts. "
            "What none of them explains is kept apart."
        ),
        facts=_facts(taxonomy),
        nodes=nodes,
        tree=_nested({node.number: node for node in nodes}, list(taxonomy.root.children)),
        picture=icicle(taxonomy),
        divisions=[_division(taxonomy, node) for node in taxonomy.divided() if node.divisions or node.candidates],
        node_costs=[
            (node.id, excerpt(node.name, MAX_SENTENCE), node.costs.calls, node.costs.judgments_asked)
            for node in taxonomy.divided()
        ],
        costs=cost_rows(taxonomy.costs),
        stages=stage_rows(taxonomy.costs),
        settings=value_rows(taxonomy.settings),
        versions=value_rows(taxonomy.versions),
    )


def browse_nodes(taxonomy: TreeLike) -> Browser | None:
    """The texts of a taxonomy with their denotations for every node, for the table in the page."""
    nodes = _shown(taxonomy)
    return browse_texts(
        taxonomy.corpus,
        [f"{node.id} {node.name}" for node in nodes],
        _columns(taxonomy, nodes),
        _answers(taxonomy, nodes),
    )


def _shown(taxonomy: TreeLike) -> list["Node"]:
    """Every node but the root and empty residuals."""
    return [node for node in taxonomy.nodes.values() if node.parent is not None and (len(node) or not node.residual)]


def _columns(taxonomy: TreeLike, nodes: list["Node"]) -> np.ndarray:
    """`(n_texts, n_nodes)`: denotations, not a number for texts that are not under the parent."""
    columns = np.full((len(taxonomy.corpus), len(nodes)), np.nan, dtype=np.float32)
    for at, node in enumerate(nodes):
        columns[taxonomy.nodes[str(node.parent)].members, at] = node.denotations
    return columns


def _answers(taxonomy: TreeLike, nodes: list["Node"]) -> list[dict[int, float]]:
    """For each node the language model's answers by text number."""
    answers: dict[str, dict[int, float]] = {}
    for judgment in taxonomy.judgments:
        if 0 <= judgment.text < len(taxonomy.corpus):
            answers.setdefault(judgment.predicate, {})[int(judgment.text)] = float(judgment.probability)
    return [answers.get(node.judged_as or node.predicate or "", {}) for node in nodes]


def _nodes(taxonomy: TreeLike) -> list[NodeView]:
    nodes = _shown(taxonomy)
    shown = {node.id for node in nodes}
    examples = choose_examples(taxonomy.corpus, _columns(taxonomy, nodes), _answers(taxonomy, nodes), None)
    views = []
    for node, sides in zip(nodes, examples, strict=True):
        parent = taxonomy.nodes[str(node.parent)]
        measures = taxonomy.measures(node.id) if node.children else {}
        views.append(
            NodeView(
                identity=f"node-{node.id}",
                number=node.id,
                name=excerpt(node.name, MAX_SENTENCE),
                depth=node.depth,
                residual=node.residual,
                path=[excerpt(above.name, 100) for above in taxonomy.path(node.id)[:-1]],
                n_texts=len(node),
                share=taxonomy.share(node.id),
                of_parent=len(node) / max(len(parent), 1),
                agreement=None if math.isnan(node.agreement) else float(node.agreement),
                coverage=measures.get("coverage"),
                overlap=measures.get("overlap"),
                judged_as=None if node.judged_as is None else excerpt(node.judged_as, MAX_SENTENCE),
                notes=_notes(node),
                children=[child for child in node.children if child in shown],
                examples_for=sides.examples_for,
                # What is not among the texts that nothing explains is explained by a sibling, and quoted there.
                examples_against=[] if node.residual else sides.examples_against,
            )
        )
    return views


def _notes(node: "Node") -> list[str]:
    notes = ["locked"] if node.status.value == "locked" else []
    notes += ["partial: the budget was spent while it was divided"] if node.partial else []
    if node.stopped is not None and not node.residual:
        notes.append(f"not divided: {node.stopped.value}")
    return notes


def _nested(nodes: dict[str, NodeView], numbers: list[str]) -> list[tuple[NodeView, list]]:
    return [(nodes[number], _nested(nodes, nodes[number].children)) for number in numbers if number in nodes]


def _division(taxonomy: TreeLike, node: "Node") -> DivisionView:
    left = [candidate for candidate in node.candidates if candidate.child is None]
    merged = [(candidate, candidate.same_as) for candidate in left if candidate.same_as is not None]
    others = [candidate for candidate in left if candidate.same_as is None]
    return DivisionView(
        number=node.id,
        name=excerpt(node.name, MAX_SENTENCE),
        n_children=len(taxonomy.children(node.id)),
        lines=list(node.divisions),
        chosen=[excerpt(child.name, MAX_SENTENCE) for child in taxonomy.children(node.id)],
        merged=[(_sentence(candidate), excerpt(into, MAX_SENTENCE)) for candidate, into in merged[:MAX_CANDIDATES]],
        passed_over=[_sentence(candidate) for candidate in others[:MAX_CANDIDATES]],
        omitted=max(0, len(others) - MAX_CANDIDATES) + max(0, len(merged) - MAX_CANDIDATES),
    )


def _sentence(candidate: "Candidate") -> str:
    return excerpt(candidate.predicate, MAX_SENTENCE)


def _facts(taxonomy: TreeLike) -> list[Row]:
    settings, corpus = taxonomy.settings, taxonomy.corpus
    n_blank = int(corpus.blank.sum())
    measures = taxonomy.measures()
    correlation = measures["correlation"]
    date = settings.get("date") or datetime.date.today().isoformat()
    return [
        Row("Texts", f"{len(corpus):,}" + (f" ({n_blank:,} without words)" if n_blank else "")),
        Row("Predicates", f"{len(taxonomy.predicate_ids):,} on {taxonomy.depth} levels"),
        Row("Explained by a child", f"{measures['coverage']:.1%} of the texts of divided nodes"),
        Row("Under several siblings", f"{measures['overlap']:.1%}"),
        Row("Balance of the sizes", f"{measures['balance']:.2f} (1: all alike)"),
        Row("Most alike siblings", f"correlation {correlation:.2f}" if correlation > -1 else DASH),
        *[Row(label, value_text(settings[key])) for key, label in NAMED_SETTINGS.items() if settings.get(key)],
        Row("Judgments", f"{len(taxonomy.judgments):,}"),
        Row("Date", excerpt(str(date), 40)),
        Row("Ended because", str(taxonomy.result.value)),
    ]
