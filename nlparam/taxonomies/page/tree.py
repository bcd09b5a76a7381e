"""The page of a taxonomy: the tree as an icicle and as a list, every node with its texts, and how it was divided."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.denotation.agreement import agreement_with_people
from nlparam.denotation.definitions import meant_so
from nlparam.denotation.following import following_rows
from nlparam.denotation.labelling import PredicateAgreement
from nlparam.results.page.blocks import (
    Block,
    Branch,
    Cell,
    Folded,
    Item,
    Line,
    Lines,
    Picture,
    Quotes,
    Row,
    Section,
    Tree,
    Words,
)
from nlparam.results.page.browser import browse_texts
from nlparam.results.page.card import Card, card_row
from nlparam.results.page.examples import Sides, choose_examples
from nlparam.results.page.quantities import MAX_NAME, QuantityView
from nlparam.results.page.quantity_blocks import quantity_blocks
from nlparam.results.page.rows import MAX_SENTENCE, date_row, named_settings, title_of
from nlparam.results.page.searched import Searched, desk_section
from nlparam.results.page.sections import AbstractPage, SectionPage, number, of_result
from nlparam.results.page.tables import Declared, table_of
from nlparam.results.page.text import DASH, excerpt
from nlparam.runtime.words import agree, counted
from nlparam.taxonomies.chance import said_of_chance
from nlparam.taxonomies.entries import entries_of
from nlparam.taxonomies.over_time import SharesOverTime, over_time
from nlparam.taxonomies.page.by_group import GroupTrend, group_trends, trend_table, trends_section
from nlparam.taxonomies.page.drift import drift_section
from nlparam.taxonomies.page.icicle import draw_icicle, icicle
from nlparam.taxonomies.page.summary import said_of_tree
from nlparam.taxonomies.placing import below_root, node_answers, node_denotations
from nlparam.taxonomies.records import Candidate, Node, TreeLike, judged
from nlparam.taxonomies.shown import tree_as_json

MAX_CANDIDATES = 30
# Nodes whose children are drawn over time: those with most texts. Each further chart makes the page slower to open.
MAX_CHARTS = 8


@dataclasses.dataclass(frozen=True)
class TaxonomyPage(AbstractPage):
    """The report of a taxonomy.

    `update` is what the last update found, as `Update.to_dict` gives it: the page then shows what has changed.
    `agreement` is how people and judge agree, `trends` what rises and falls in each group.
    """

    taxonomy: TreeLike
    update: Mapping[str, Any] | None = None
    agreement: Sequence[PredicateAgreement] = ()
    trends: Sequence[GroupTrend] = ()

    def described(self) -> SectionPage:
        """Chooses what the report shows. The order of the nodes is kept."""
        taxonomy = self.taxonomy
        nodes, n_texts = below_root(taxonomy), len(taxonomy.corpus)
        columns, answers = node_denotations(taxonomy, nodes), node_answers(taxonomy, nodes)
        texts = browse_texts(
            taxonomy.corpus,
            [f"{node.id} {node.name}" for node in nodes],
            columns,
            answers,
            noun="node",
            mapped=[at for at, node in enumerate(nodes) if node.depth == 1 and not node.residual],
        )
        sections = [
            _tree_section(taxonomy, nodes),
            desk_section(
                self._searched(nodes, columns), taxonomy.settings, tree=tree_as_json(entries_of(taxonomy), taxonomy)
            ),
            _nodes_section(taxonomy, nodes),
            _time_section(taxonomy),
            trends_section(taxonomy, self.trends),
            drift_section(taxonomy, self.update),
            _examples_section(taxonomy, nodes, choose_examples(taxonomy.corpus, columns, answers, None)),
            Section("texts", "All texts", [texts]) if texts else None,
            agreement_with_people(self.agreement),
            _divisions_section(taxonomy),
        ]
        return SectionPage(
            title=title_of(taxonomy.settings, f"Taxonomy of {counted(n_texts, 'text')}"),
            model="Taxonomy",
            summary=said_of_tree(taxonomy, self.update),
            facts=_facts(taxonomy),
            warnings=[],
            sections=[section for section in sections if section is not None],
            cost_details=_node_costs(taxonomy),
            **of_result(taxonomy),
        )

    def searched(self) -> Searched:
        """The texts with the denotations of all nodes."""
        nodes = below_root(self.taxonomy)
        return self._searched(nodes, node_denotations(self.taxonomy, nodes))

    def _searched(self, nodes: list[Node], columns: np.ndarray) -> Searched:
        return Searched(
            self.taxonomy.corpus,
            [node.name if node.residual else f"{node.id} {node.name}" for node in nodes],
            ["" if node.residual else judged(node) for node in nodes],
            columns,
            [f"node-{node.id}" for node in nodes],
            "node",
        )

    def card(self) -> Card:
        """The nodes, indented, with their sizes."""
        taxonomy, measures = self.taxonomy, self.taxonomy.measures()
        rows = [
            card_row(
                "" if node.residual else node.id,
                node.name,
                f"{len(node):,}",
                f"{taxonomy.share(node.id):.1%}",
                bar=taxonomy.share(node.id),
                indent=node.depth - 1,
            )
            for node in below_root(taxonomy)
        ]
        return Card(
            f"Taxonomy of {counted(len(taxonomy.corpus), 'text')}",
            str(taxonomy.settings.get("goal") or ""),
            ["Texts", "Of all"],
            rows,
            f"{measures['coverage']:.0%} of the texts of divided nodes are explained by a child, "
            f"{measures['overlap']:.0%} by several. Ended because {taxonomy.result.value}.",
        )


def _facts(taxonomy: TreeLike) -> list[Row]:
    measures, n_blank = taxonomy.measures(), int(taxonomy.corpus.blank.sum())
    correlation = measures["correlation"]
    return [
        Row("Texts", f"{len(taxonomy.corpus):,}" + (f" ({n_blank:,} without words)" if n_blank else "")),
        Row("Predicates", f"{len(taxonomy.predicate_ids):,} on {counted(taxonomy.depth, 'level')}"),
        Row("Explained by a child", f"{measures['coverage']:.1%} of the texts of divided nodes"),
        Row("Under several siblings", f"{measures['overlap']:.1%}"),
        Row("Balance of the sizes", f"{measures['balance']:.2f} (1: all alike)"),
        Row("Most alike siblings", f"correlation {correlation:.2f}" if correlation > -1 else DASH),
        *named_settings(taxonomy.settings),
        *following_rows(taxonomy.following),
        Row("Judgments", f"{len(taxonomy.judgments):,}"),
        date_row(taxonomy.settings),
        Row("Ended because", str(taxonomy.result.value)),
    ]


def _tree_section(taxonomy: TreeLike, nodes: list[Node]) -> Section:
    shown = {node.id: node for node in nodes}

    def branches(numbers: tuple[str, ...]) -> list[Branch]:
        return [
            Branch(
                "" if node.residual else node.id,
                excerpt(node.name, MAX_SENTENCE),
                f"#node-{node.id}",
                f"{counted(len(node), 'text')}, {taxonomy.share(node.id):.1%}",
                taxonomy.share(node.id),
                node.residual,
                branches(node.children),
            )
            for node in (shown[number] for number in numbers if number in shown)
        ]

    layout = icicle(taxonomy)
    caption = (
        "Each column is a level, each block a predicate or, in grey, the texts that none of its siblings explains. A "
        "block is as high as its share of its parent's texts"
        + ("; where texts are under several siblings, these are scaled to fit" if layout.scaled else "")
        + ". Choose a block to read its texts."
    )
    title = "Picture of the tree; the list below says the same"
    picture = Picture("tree", title, caption, functools.partial(draw_icicle, layout))
    return Section("tree", "Tree", [picture, Tree(branches(tuple(taxonomy.root.children)))])


def _nodes_section(taxonomy: TreeLike, nodes: list[Node]) -> Section:
    measures = {node.id: taxonomy.measures(node.id) if node.children else {} for node in nodes}
    table = table_of(
        "nodes",
        "All nodes and their figures",
        nodes,
        [
            ("No.", "", "id"),
            ("Predicate", "head", lambda node: Cell(excerpt(node.name, MAX_SENTENCE), link=f"#node-{node.id}")),
            ("Level", "number", "depth"),
            ("Texts", "number", len),
            ("Of all", "number", lambda node: number(taxonomy.share(node.id), ".1%")),
            ("Of its parent", "number", lambda node: number(taxonomy.share_of_parent(node), ".1%")),
            ("Coverage", "number", lambda node: number(measures[node.id].get("coverage"), ".1%")),
            ("Overlap", "number", lambda node: number(measures[node.id].get("overlap"), ".1%")),
            ("Agreement", "number", lambda node: number(node.agreement, ".1%")),
        ],
    )
    more = Words(
        "A text is under a predicate when its denotation, the probability that it holds, is at least 0.5. Coverage is "
        "the share of a node's texts that are under a child, overlap the share that are under several. The agreement "
        "is that of the head, which denotes the texts, with the language model, on judgments that it was not trained "
        "on."
    )
    tested = [Words(sentence) for sentence in said_of_chance(taxonomy.chance)]
    return Section("nodes", "Nodes", [more, table, *tested])


def _time_section(taxonomy: TreeLike) -> Section | None:
    """The shares of the children of each divided node over time; `None` if the taxonomy was grown without times."""
    if taxonomy.stamps is None:
        return None
    divided = list(taxonomy.divided())
    largest = {node.id for node in sorted(divided, key=len, reverse=True)[:MAX_CHARTS]}
    blocks: list[Block] = [
        Words(
            "The share of all texts of each time that are under a predicate. As the judge sees it: corrected by random "
            "texts that the language model judged; that the language model errs itself is not in the intervals. As the "
            "head sees it: nothing was judged for it, and the intervals only say how far a share in so few texts may "
            "be from that of the source they come from."
        )
    ]
    for node in divided:
        blocks += _courses(taxonomy, node) if node.id in largest else []
    if omitted := len(divided) - len(largest):
        blocks.append(
            Words(
                f"{counted(omitted, 'smaller node')} with children {agree(omitted, 'is', 'are')} not shown.", muted=True
            )
        )
    return Section("over-time", "Over time", blocks)


def _courses(taxonomy: TreeLike, node: Node) -> list[Block]:
    found = over_time(taxonomy, node.id)
    names = [excerpt(child.name, MAX_NAME) for child in taxonomy.children(node.id)]
    view = QuantityView(
        name="All texts" if node.parent is None else f"{node.id} {excerpt(node.name, MAX_NAME)}",
        label="Share of all texts",
        kind="curves",
        panels=[f"{number}. {name}" for number, name in zip(found.nodes, names, strict=True)],
        items=list(found.times),
        values=found.shares,
        lower=found.low,
        upper=found.high,
        neutral=None,
        item_dim="step",
        intervals="95% confidence intervals",
    )
    caption = (
        f"Of all texts of each {'time' if found.unit == '1' else found.unit} the share that is under the predicate, "
        f"as the {found.target} sees it"
        + (f" (from {counted(found.n_answers.sum(), 'judged text')})" if found.n_answers.any() else "")
        + f", with a 95% interval; the fewer texts, the wider it is ({found.n_texts.min():,} to "
        f"{counted(found.n_texts.max(), 'text')}). Each panel has a scale of its own."
    )
    return [*quantity_blocks(view, f"time-{node.id}", view.name, caption), *_trends(taxonomy, node, found, names)]


def _trends(taxonomy: TreeLike, node: Node, found: SharesOverTime, names: list[str]) -> list[Block]:
    """Which shares rise, fall or change; nothing of what heads alone say."""
    if found.trends is None:
        return []
    caption = (
        "What can be claimed of the curves, at a false discovery rate of 5%, and how much the line through each rises "
        "from the first time to the last, in percentage points"
    )
    rows = [
        one._replace(name=name, claimed=reason or one.claimed)
        for one, name, reason in zip(group_trends(taxonomy, {"": found}), names, found.trends.reasons, strict=True)
    ]
    return [trend_table(f"trends-{node.id}", caption, rows)]


def _examples_section(taxonomy: TreeLike, nodes: list[Node], sides: list[Sides]) -> Section:
    items = []
    for node, side in zip(nodes, sides, strict=True):
        above = [excerpt(one.name, 100) for one in taxonomy.path(node.id)[:-1]]
        notes = [f"under {' › '.join(above)}"] if above else []
        notes += [f"judged as “{excerpt(node.judged_as, MAX_SENTENCE)}”"] if node.judged_as else []
        notes += meant_so(taxonomy.settings, judged(node))
        # What is not among the texts that nothing explains is explained by a sibling, and quoted there.
        alone = Quotes("Texts that no sibling explains", [example.quote() for example in side.examples_for])
        items.append(
            Item(
                excerpt(node.name, MAX_SENTENCE),
                f"{counted(len(node), 'text')}, {taxonomy.share_of_parent(node):.1%} of its parent",
                [alone] if node.residual else side.quotes(),
                node.id,
                f"node-{node.id}",
                [*notes, *_notes(node)],
                "" if node.residual else judged(node),
            )
        )
    more = Words(
        "Texts for and against are texts of the parent. The first figure of each is its denotation; a second one is "
        "the language model's own answer, where it was asked about this text. Texts are numbered from 0 in the order "
        "of the corpus."
    )
    return Section("examples", "Texts for and against each predicate", [more, Folded(items, noun="node")], "Examples")


def _notes(node: Node) -> Iterator[str]:
    if node.status.value == "locked":
        yield "locked"
    if node.partial:
        yield "partial: the budget was spent while it was divided"
    if node.stopped is not None and not node.residual:
        yield f"not divided: {node.stopped.value}"


def _divisions_section(taxonomy: TreeLike) -> Section | None:
    divided = [node for node in taxonomy.divided() if node.divisions or node.candidates]
    if not divided:
        return None
    more = Words(
        "For each number of children that was considered: by how much the division makes texts that were held out more "
        "likely, in nats per text against no division at all, less the price of texts under no child; and its standard "
        "error."
    )
    folded = Folded([_division(taxonomy, node) for node in divided], noun="division of", buttons=False)
    return Section("divisions", "How the nodes were divided", [more, folded], "Divisions")


def _division(taxonomy: TreeLike, node: Node) -> Item:
    """What each number of children would explain, and which predicates were not taken."""
    children = taxonomy.children(node.id)
    n_children = len(children)
    considered = table_of(
        f"division-{node.id}",
        "Numbers of children considered",
        node.divisions,
        [
            ("Children", "number", "n_children"),
            ("Gain", "number", lambda line: number(line.gain, "+.4f")),
            ("Standard error", "number", lambda line: number(line.standard_error, ".4f")),
            ("Chosen", "", lambda line: "yes" if line.n_children == n_children else ""),
        ],
    )
    left = [candidate for candidate in node.candidates if candidate.child is None]
    merged = [_candidate(candidate) for candidate in left if candidate.same_as is not None]
    others = [_candidate(candidate) for candidate in left if candidate.same_as is None]
    chosen = [Line(excerpt(child.name, MAX_SENTENCE), "chosen") for child in children]
    shown = itertools.chain(chosen, merged[:MAX_CANDIDATES], others[:MAX_CANDIDATES])
    omitted = max(0, len(others) - MAX_CANDIDATES) + max(0, len(merged) - MAX_CANDIDATES)
    candidates = Lines(list(shown), "Candidates", omitted)
    return Item(
        excerpt(node.name, MAX_SENTENCE),
        f"{n_children} {'child' if n_children == 1 else 'children'}",
        [considered, candidates] if node.divisions else [candidates],
        "" if node.parent is None else node.id,
        f"division-{node.id}",
    )


def _candidate(candidate: Candidate) -> Line:
    into = f" (says the same as “{excerpt(candidate.same_as, MAX_SENTENCE)}”)" if candidate.same_as else ""
    return Line(excerpt(candidate.predicate, MAX_SENTENCE) + into, "passed over")


def _node_costs(taxonomy: TreeLike) -> list[Block]:
    columns: list[Declared] = [
        ("No.", "", lambda node: DASH if node.parent is None else node.id),
        ("Predicate", "head", lambda node: Cell(excerpt(node.name, MAX_SENTENCE))),
        ("Calls", "number", lambda node: node.costs.calls),
        ("Judgments asked", "number", lambda node: node.costs.judgments_asked),
    ]
    divided = list(taxonomy.divided())
    return [table_of("node-costs", "Cost of dividing each node", divided, columns)] if divided else []
