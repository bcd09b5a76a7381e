"""Reports of taxonomies and of comparisons: the figures, where they stand, and the texts that are quoted for them."""

import itertools
import json

import pytest

from nlparam.comparing.records import OUTCOMES
from nlparam.results.page.quantities import QuantityView
from nlparam.taxonomies.page.drift import kept_update
from nlparam.taxonomies.page.icicle import LETTER_WIDTH, ROOT_WIDTH, WIDTH, icicle
from tests.fitting.page.test_report import Page
from tests.helpers.handmade_results import make_comparison, make_taxonomy, make_update
from tests.results.page.test_page import data_of


@pytest.fixture(scope="module")
def taxonomy():
    return make_taxonomy(depth=3, n_texts=600)


@pytest.fixture(scope="module")
def comparison():
    return make_comparison()


# Taxonomies


def test_the_blocks_of_an_icicle_fill_their_parents_in_proportion(taxonomy):
    picture = icicle(taxonomy)
    blocks = {block.identity.removeprefix("node-"): block for block in picture.blocks}
    blocks["root"] = blocks.pop("tree")
    for node in taxonomy.divided():
        children = [child for child in taxonomy.children(node.id, residual=True) if len(child)]
        below, above = [blocks[child.id] for child in children], blocks[node.id]
        assert sum(block.height for block in below) == pytest.approx(above.height, abs=0.1)
        assert below[0].y == pytest.approx(above.y, abs=0.02)
        for first, second in itertools.pairwise(below):
            assert second.y == pytest.approx(first.y + first.height, abs=0.02)
        total = sum(map(len, children))
        for block, child in zip(below, children, strict=True):
            assert block.height == pytest.approx(above.height * len(child) / total, abs=0.05)
            assert block.x == pytest.approx(ROOT_WIDTH if node.parent is None else above.x + above.width, abs=0.02)
            assert all(len(line) * LETTER_WIDTH <= block.width for line in block.lines)
            assert len(block.lines) * 15 <= block.height
    assert max(block.x + block.width for block in picture.blocks) == pytest.approx(WIDTH, abs=0.1)


def test_a_label_that_is_cut_keeps_its_share():
    names = [f"is about {'matters and ' * 12}{k}" for k in range(12)]
    taxonomy = make_taxonomy(600, n_children=12, depth=1, names=names)
    labels = [block.lines for block in icicle(taxonomy).blocks if block.branch]
    assert any("…" in lines[-1] for lines in labels)
    shares = [f"{taxonomy.share(str(k)):.1%}" for k in range(1, 13)]
    assert [lines[-1].split()[-1] for lines in labels] == shares
    assert icicle(make_taxonomy(2000, n_children=2, depth=9)).blocks  # labels of a few letters


@pytest.mark.slow
def test_every_node_stands_in_the_tree_and_in_the_table_with_its_figures(taxonomy):
    page = Page(taxonomy.report())
    header, *rows = page.table("table-nodes")
    shown = [node for node in taxonomy.nodes.values() if node.parent and (len(node) or not node.residual)]
    assert [row[0] for row in rows] == [node.id for node in shown]
    for node, row in zip(shown, rows, strict=True):
        figures = dict(zip(header, row, strict=True))
        assert figures["Predicate"] == node.name
        assert figures["Texts"] == f"{len(node):,}"
        assert figures["Of all"] == f"{taxonomy.share(node.id):.1%}"
        assert figures["Of its parent"] == f"{len(node) / len(taxonomy.nodes[node.parent or 'root']):.1%}"
        assert figures["Coverage"] == (f"{taxonomy.coverage(node.id):.1%}" if node.children else "–")
    (tree,) = [e for e in page.all("ul") if e.attributes.get("class") == "tree" and not e.inside("li")]
    links = [e.attributes["href"] for e in page.all("a") if tree in e.parents]
    assert links == [f"#node-{node.id}" for node in shown]
    identities = {e.attributes["id"] for e in page.elements if "id" in e.attributes}
    assert {str(link)[1:] for link in links} <= identities


def test_texts_of_a_node_are_quoted_from_its_parent_only(taxonomy):
    data = data_of(Page(taxonomy.report()))
    names = [name.split(" ", 1)[0] for name in data["predicates"]]
    for name, column in zip(names, data["denotations"], strict=True):
        parent = taxonomy.nodes[taxonomy.nodes[name].parent or "root"]
        under = {number for number, value in zip(data["numbers"], column, strict=True) if value >= 0}
        assert under == set(parent.members.tolist())


def test_results_write_their_own_reports(tmp_path, taxonomy, comparison):
    for result in (taxonomy, comparison):
        path = result.report(tmp_path / "new" / "report.html")
        assert path == tmp_path / "new" / "report.html"
        assert path.read_text(encoding="utf-8") == result.report()


def test_a_tree_of_nothing_but_its_root_is_a_whole_page():
    taxonomy = make_taxonomy(n_texts=4, depth=1)
    assert list(taxonomy.nodes) == ["root"]
    page = Page(taxonomy.report())
    assert "4 texts in a tree of 0 predicates" in page.all("header")[0].text


@pytest.mark.slow
def test_the_last_update_is_told_of_each_node(taxonomy, tmp_path):
    update = make_update(taxonomy, warnings=["the new texts are shorter"])
    page = Page(taxonomy.report(update=update))
    header, *rows = page.table("table-drift")
    assert len(rows) == len(update["drift"])
    for one, row in zip(update["drift"], rows, strict=True):
        figures = dict(zip(header, row, strict=True))
        assert figures["Now"].startswith(f"{one['now']['share']:.1%} [")
        assert figures["Change"].startswith(f"{100 * one['drift']['difference']:+.1f} [")
        assert figures["Claimed"] == ("more" if one["changed"] else "no")
    text = page.all("main")[0].text
    assert "brought 50 new texts to the 550 before" in text
    assert "the new texts are shorter" in text
    assert "children were added" in text
    names = [path.name for path in taxonomy.figures(tmp_path, update=update, formats=["svg"])]
    assert names == ["tree.svg", "drift.svg"]


@pytest.mark.parametrize("change", [{"n_new": 49}, {"drift": [{"id": "9.9.9"}]}])
def test_an_update_of_another_state_of_the_taxonomy_is_left_out(taxonomy, change):
    html = taxonomy.report(update=make_update(taxonomy) | change)
    assert html == taxonomy.report()


def test_a_damaged_update_is_no_update(tmp_path):
    assert kept_update(tmp_path) is None
    for text in ("", "[]", "{}", '{"n_before": 1}'):
        (tmp_path / "update.json").write_text(text)
        assert kept_update(tmp_path) is None
    update = make_update(make_taxonomy())
    (tmp_path / "update.json").write_text(json.dumps(update))
    assert kept_update(tmp_path) == update


# Comparisons


def test_each_finding_stands_where_its_outcome_puts_it(comparison):
    page = Page(comparison.report())
    header, *rows = page.table("table-findings")
    assert [row[1] for row in rows] == [finding.predicate for finding in comparison.tested]
    for finding, row in zip(comparison.tested, rows, strict=True):
        figures = dict(zip(header, row, strict=True))
        assert figures["Claimed"] == ("yes" if finding.outcome is OUTCOMES.claimed else "no")
        assert figures["Proposed for"] == finding.more
        assert figures["Effect"].startswith(f"{100 * finding.crude.effect:+.1f} [")
        assert figures["Relevance"] == "2.0"
        assert figures["Significance"] == "–"
    given_up = page.table("table-given-up")[1:]
    assert [row[1] for row in given_up] == [f.predicate for f in comparison.findings if not f.tested]
    assert all("first" in row[3] or "early" in row[3] or "same texts" in row[3] for row in given_up)
    text = page.all("main")[0].text
    assert "3 texts occur in both groups" in text
    for group in comparison.groups:
        assert group.name in text


def drawn(comparison):
    (chart,) = comparison.page().described().charts
    assert isinstance(chart.view, QuantityView)
    return chart.view


def drawn_ends(view):
    return view.lower[0], view.upper[0]


def test_effects_point_to_the_group_in_which_a_predicate_holds_more_often(comparison):
    view = drawn(comparison)
    numbers = [int(item.split(".")[0]) for item in view.items]
    for number, value, low, high in zip(numbers, view.values[0], *drawn_ends(view), strict=True):
        finding = comparison.findings[number - 1]
        sign = -1 if finding.more == "before" else 1
        assert value == pytest.approx(100 * sign * finding.crude.effect)
        assert low <= value <= high
    assert list(view.values[0]) == sorted(view.values[0], reverse=True)
    adjusted = make_comparison(groups=("a", "b", "c"), covariates=("age",))
    three = drawn(adjusted)
    for item, value in zip(three.items, three.values[0], strict=True):
        finding = adjusted.findings[int(item.split(".")[0]) - 1]
        assert item.endswith(f"({finding.more})")
        assert finding.given_covariates is not None
        assert value == pytest.approx(100 * finding.given_covariates.effect)


def test_texts_are_quoted_under_their_group_and_side(comparison):
    examples = next(one for one in comparison.page().described().sections if one.identity == "examples")
    for item, finding in zip(examples.blocks[1].items, comparison.tested, strict=True):
        for side in item.blocks:
            group, words = side.heading.split(": ")
            known = {example.text: example.probability for example in finding.examples if example.group == group}
            shown = [(known[quote.excerpt.text], quote.tags[0].words) for quote in side.quotes]
            assert all(f"{probability:.2f}" == tag for probability, tag in shown)
            assert all((probability > 0.5) == (words == "it holds") for probability, _ in shown)


def test_a_comparison_without_a_test_is_a_whole_page():
    comparison = make_comparison(n_tested=0)
    page = Page(comparison.report())
    assert "Nothing was tested" in page.all("main")[0].text
    assert comparison.page().figures() == {}
