"""The shares of the nodes of a taxonomy over time: what is computed, kept and shown."""

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import nlparam.denotation.session
from nlparam.cli import app
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError, FitWarning
from nlparam.numerics.statistics.trends import Verdict
from nlparam.taxonomies.growing import taxonomy
from nlparam.taxonomies.over_time import MOST_STEPS, checked_stamps
from nlparam.taxonomies.page.by_group import group_trends, kept_trends, write_trends
from nlparam.taxonomies.records import Sample
from nlparam.taxonomies.refit import refit
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.sampling import drawn, evenly
from nlparam.taxonomies.update import update
from tests.fitting.page.test_report import Page
from tests.helpers.handmade_results import make_taxonomy
from tests.helpers.taxonomy_corpus import make_texts, scripted


def dates(n_texts, n_months=6):
    """A text each day or so, over some months of 2024."""
    return [f"2024-{1 + i * n_months // n_texts:02d}-{1 + i % 28:02d}" for i in range(n_texts)]


def timed_taxonomy(texts, store, **options):
    """A taxonomy of one level of texts with dates."""
    options |= {"options": {"n_stated": 60}, "stamps": dates(len(texts)), "time_unit": "month"}
    return taxonomy(texts, goal="the topic", depth=1, children=3, lm=scripted(), store=store, **options)


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """Texts, the store of what was asked about them, and their taxonomy, also in a folder."""
    texts, folder = make_texts(20)[0], tmp_path_factory.mktemp("timed")
    store = folder / "store.sqlite"
    return texts, store, timed_taxonomy(texts, store, out=folder / "tree"), folder / "tree"


def with_stamps(tree, stamps, **settings):
    return dataclasses.replace(tree, stamps=checked_stamps(stamps, len(tree.corpus)), settings=settings)


def test_each_share_is_that_of_the_texts_of_its_step():
    tree = make_taxonomy(n_texts=300)
    months = np.arange(300) * 6 // 300
    found = with_stamps(tree, dates(300), time_unit="month").over_time()
    assert found.times == [f"2024-{month:02d}" for month in range(1, 7)]
    assert found.nodes == tuple(child.id for child in tree.children())
    np.testing.assert_array_equal(found.n_texts, np.bincount(months))
    for row, node in zip(found.shares, found.nodes, strict=True):
        under = np.bincount(months[tree.nodes[node].members], minlength=6)
        np.testing.assert_allclose(row, under / found.n_texts)
    assert (found.low < found.shares).all()
    assert (found.shares < found.high).all()


def test_texts_without_a_time_do_not_count_and_are_warned_of():
    tree = make_taxonomy(n_texts=100)
    stamps: list[float | None] = [2000 + i % 4 for i in range(100)]
    stamps[3], stamps[8] = None, float("nan")
    with pytest.warns(FitWarning, match="2 of 100 texts have no time"):
        found = with_stamps(tree, stamps).over_time()
    assert (found.times, found.unit) == ([2000.0, 2001.0, 2002.0, 2003.0], "1")
    assert found.n_texts.sum() == 98


def test_many_steps_are_put_together():
    tree = make_taxonomy(n_texts=2000)
    found = with_stamps(tree, [1000 + i // 5 for i in range(2000)]).over_time()
    assert len(found.times) == MOST_STEPS
    np.testing.assert_array_equal(found.n_texts, 50)
    assert with_stamps(tree, [f"{1990 + i // 100}-0{1 + i % 9}-11" for i in range(2000)]).over_time().unit == "year"


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        ([1, 2], "got 2 time stamps for 4 texts"),
        ([None, "", "nan", None], "all 4 time stamps are missing"),
        ([None, 2, "soon", 3], r"1 of 4 time stamps cannot be read: 'soon' \(text 2\)"),
        ([7, 7, 7, 7], "expected at least two different"),
    ],
)
def test_times_that_cannot_be_used_are_refused(stamps, message):
    with pytest.raises(CorpusError, match=message):
        checked_stamps(stamps, 4)


def test_a_tree_without_times_has_no_curves():
    tree = make_taxonomy(n_texts=100)
    with pytest.raises(CorpusError, match="without time stamps"):
        tree.over_time()
    assert "over-time" not in tree.report()


@pytest.mark.slow
def test_the_report_has_a_chart_and_tables_for_every_divided_node(tmp_path):
    tree = with_stamps(make_taxonomy(n_texts=300), dates(300), time_unit="month")
    divided = [node.id for node in tree.divided()]
    html = tree.report()
    assert [node for node in divided if f'id="chart-time-{node}"' in html] == divided
    page = Page(html)
    found, tables = tree.over_time(), [e.text for e in page.all("table") if "2024-06" in e.text]
    assert len(tables) == 2 * len(divided)
    assert all(f"{share:.1%} [" in tables[1] for share in found.shares.ravel().tolist())
    names = [path.name for path in tree.figures(tmp_path, formats=["svg"])]
    assert names == ["tree.svg", *(f"time-{node}.svg" for node in divided)]


@pytest.mark.slow
def test_times_are_kept_through_files_edits_and_updates(timed):
    texts, store, grown, folder = timed
    tree = Taxonomy.load(folder)
    assert tree.stamps == grown.stamps == tuple(dates(len(texts)))
    assert tree.over_time().times == [f"2024-{month:02d}" for month in range(1, 7)]
    edited = refit(tree, excluded=[tree.children()[0].name], lm=scripted(), store=store)
    assert edited.stamps == tree.stamps
    new, _ = make_texts(6, seed=1)
    later = ["2024-09-01"] * len(new)
    updated = update(tree, new, stamps=later, n_judged=0, propose="never", lm=scripted(), store=store)
    assert updated.taxonomy.stamps == (*dates(len(texts)), *later)
    assert updated.taxonomy.over_time().times[-1] == "2024-09"
    with pytest.warns(FitWarning, match=f"{len(new)} of {len(texts) + len(new)} texts have no time"):
        updated = update(tree, new, n_judged=0, propose="never", lm=scripted(), store=store)
    assert updated.taxonomy.over_time().times == tree.over_time().times
    with pytest.raises(CorpusError, match="got 1 time stamps for"):
        update(tree, new, stamps=later[:1], lm=scripted(), store=store)


@pytest.mark.slow
def test_a_field_of_times_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr(nlparam.denotation.session, "load_language_model", lambda *_, **__: scripted())
    texts, _ = make_texts(12)
    days = zip(texts, dates(len(texts)), strict=True)
    rows = [{"text": text, "day": day, "region": f"region {at % 2}"} for at, (text, day) in enumerate(days)]
    path, out = tmp_path / "chats.jsonl", tmp_path / "out"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ["taxonomy", str(path), "--goal", "the topic", "--depth", "1", "--children", "3", "--n-stated", "60"]

    def run(*more):
        return CliRunner().invoke(app, [*arguments, "--out", str(out), *more])

    assert run().exit_code == 0
    # The same folder again, which is no other taxonomy.
    timed = run("--time-field", "day", "--time-unit", "month")
    assert timed.exit_code == 0, timed.output
    assert 'id="over-time"' in (out / "report.html").read_text(encoding="utf-8")
    assert Taxonomy.load(out).stamps == tuple(dates(len(texts)))
    by_region = run("--time-field", "day", "--time-unit", "month", "--by", "region")
    assert by_region.exit_code == 0, by_region.output
    assert 'id="by-group"' in (out / "report.html").read_text(encoding="utf-8")
    assert "has no field 'when'" in run("--time-field", "when").stderr
    assert run("--time-unit", "month").exit_code == 2
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:40]), encoding="utf-8")
    rest = ["--n-judged", "0", "--propose", "never", "--time-field", "day"]
    updated = CliRunner().invoke(app, ["update", str(out), "--texts", str(path), *rest])
    assert updated.exit_code == 0, updated.output
    assert len(Taxonomy.load(out).stamps or ()) == len(texts) + 40


def sampled(tree, said, *, n_drawn, seed=0):
    """The tree with a sample of which the judge says `said`, by node `(n_texts,)` booleans."""
    texts, inclusion = drawn(tree, n_drawn, np.random.default_rng(seed))
    under = {node: np.asarray(holds, float)[texts] for node, holds in said.items()}
    return dataclasses.replace(tree, sample=Sample(texts, inclusion, under))


def test_the_sample_has_as_many_texts_of_each_step():
    tree = with_stamps(make_taxonomy(n_texts=300), [2000 + (i % 3 == 0) + (i % 30 == 0) for i in range(300)])
    assert tree.stamps is not None
    assert [tree.stamps.count(year) for year in (2000.0, 2001.0, 2002.0)] == [200, 90, 10]
    texts, inclusion = drawn(tree, 60, np.random.default_rng(0))
    assert np.array_equal(texts, np.unique(texts))
    steps = np.asarray(tree.stamps)[texts]
    assert [int((steps == year).sum()) for year in (2000.0, 2001.0, 2002.0)] == [25, 25, 10]
    np.testing.assert_allclose(inclusion, np.choose((steps - 2000).astype(int), [25 / 200, 25 / 90, 1.0]))
    assert evenly([3, 100, 100], 20) == [3, 8, 9]
    assert evenly([3, 4], 20) == [3, 4]


def test_curves_are_corrected_to_what_the_judge_says():
    """The heads say yes ever more often, the judge does not: the heads' curve rises, the corrected one holds."""
    rng, n_texts = np.random.default_rng(5), 1200
    tree = with_stamps(make_taxonomy(n_texts=n_texts), np.repeat(np.arange(6), n_texts // 6).tolist())
    children = [child.id for child in tree.children()]
    holds = rng.random(n_texts) < 0.3
    heads = holds | (rng.random(n_texts) < np.repeat(np.linspace(0.0, 0.5, 6), n_texts // 6))
    nodes = dict(tree.nodes)
    for child in children:
        nodes[child] = dataclasses.replace(nodes[child], members=np.flatnonzero(heads))
    alone = dataclasses.replace(tree, nodes=nodes).over_time()
    assert alone.target == "head"
    assert alone.low[0, -1] > 0.5
    assert alone.trends is None  # nothing is claimed of what heads alone say
    covered, claimed = [0, 0], 0
    for seed in range(40):
        drawn_from = sampled(tree, dict.fromkeys(tree.nodes, holds), n_drawn=180, seed=seed)
        found = dataclasses.replace(drawn_from, nodes=nodes).over_time(confidence=0.9)
        assert found.target == "judge"
        assert found.n_answers.tolist() == [30] * 6
        assert found.trends is not None
        claimed += found.trends.verdicts[0] is not Verdict.NOTHING
        truth = holds.reshape(6, -1).mean(axis=1)
        covered[0] += int(((found.low[0] <= truth) & (truth <= found.high[0])).sum())
        covered[1] += int((found.high[0] - found.low[0] < 0.4).sum())
    assert claimed <= 6  # 0.05, and what 40 draws may add
    rising = rng.random(n_texts) < np.repeat(np.linspace(0.1, 0.5, 6), n_texts // 6)
    risen = sampled(tree, dict.fromkeys(tree.nodes, rising), n_drawn=300).over_time()
    assert risen.trends is not None
    assert set(risen.trends.verdicts) == {Verdict.RISING}
    assert risen.trends.low.min() > 0
    assert risen.trends.reasons == risen.reasons
    assert covered[0] >= 0.87 * 240
    assert covered[1] == 240


def test_trends_by_group_allow_for_all_groups(tmp_path):
    """In one group the share rises, in the others it holds; some texts have no group, and one group no time."""
    rng, n_texts = np.random.default_rng(8), 1200
    stamps: list = np.repeat(np.arange(6), n_texts // 6).tolist()
    groups: list = [("north", "south", "west", None)[i % 4] for i in range(n_texts)]
    for i in range(3):
        groups[i] = "one day"
    tree = with_stamps(make_taxonomy(n_texts=n_texts), stamps)
    rate = np.where(np.asarray(groups) == "north", np.linspace(0.1, 0.7, n_texts), 0.4)
    holds = rng.random(n_texts) < rate
    children = tree.children()
    tree = sampled(tree, dict.fromkeys(tree.nodes, holds), n_drawn=900)
    found = tree.over_time_by(groups)
    assert list(found) == ["north", "south", "west"]
    assert all(one.times == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] for one in found.values())
    verdicts = {group: set(one.trends.verdicts) for group, one in found.items() if one.trends is not None}
    assert verdicts == {"north": {Verdict.RISING}, "south": {Verdict.NOTHING}, "west": {Verdict.NOTHING}}
    # The report says the same, from the file that the command leaves.
    rows = group_trends(tree, found)
    write_trends(tmp_path, rows)
    assert kept_trends(tmp_path) == rows
    page = Page(tree.report(**tree.beside(tmp_path)))
    table = page.table("table-trends-by-group")[1:]
    assert [row[0] for row in table] == ["north"] * 3 + ["south"] * 3 + ["west"] * 3
    assert [row[3] for row in table] == ["rising"] * 3 + ["nothing found"] * 6
    change = 100 * rows[0].change
    assert table[0][4].startswith(f"{change:+.1f}")
    assert any("Of 3 groups, 3 of 9 shares are claimed" in one.text for one in page.all("p"))
    (tmp_path / "trends.csv").write_text("of another kind\n1,2\n", encoding="utf-8")
    assert kept_trends(tmp_path) == []
    n_tests = 3 * len(children)
    of_holm = tree.over_time_by(groups, correction="holm")
    for group, one in found.items():
        other = of_holm[group].trends
        assert one.trends is not None
        assert other is not None
        assert (other.adjusted >= one.trends.adjusted - 1e-12).all()
        assert (one.trends.adjusted <= np.minimum(1.0, n_tests * one.trends.p_value) + 1e-12).all()
    with pytest.raises(CorpusError, match="got 2 groups for 1,200 texts"):
        tree.over_time_by(["a", "b"])
    with pytest.raises(CorpusError, match="got no group with texts of different times"):
        tree.over_time_by([f"text {i}" for i in range(n_texts)])
    with pytest.raises(CorpusError, match="heads alone"):
        dataclasses.replace(tree, sample=None).over_time_by(groups)


def test_labels_of_people_come_after_the_judge():
    n_texts = 600
    tree = with_stamps(make_taxonomy(n_texts=n_texts), (np.arange(n_texts) * 3 // n_texts).tolist())
    children = [child.id for child in tree.children()]
    said = {node: np.isin(np.arange(n_texts), one.members) for node, one in tree.nodes.items()}
    judged_tree = sampled(tree, said, n_drawn=300)
    assert judged_tree.sample is not None
    some = judged_tree.sample.texts[::2].tolist()
    rows = [(tree.texts[int(i)], tree.nodes[child].name, 1.0) for i in some for child in children]
    for which, answered in ((judged_tree, "judge"), (tree, "head")):
        assert which.over_time().target == answered
        people = which.over_time(labels=Labelled.of(rows))
        assert people.target == "people"
        assert people.n_answers.sum() == len(some)
        assert people.shares.min() > 0.9  # people say yes to everything
        assert np.all((people.low <= people.shares) & (people.shares <= people.high))
    with pytest.raises(CorpusError, match="got no labels for"):
        tree.over_time(labels=Labelled.of(rows[:1]))
    few = tree.over_time(labels=Labelled.of(rows[: 5 * len(children)]))
    assert all("cannot be said from 5 answers" in reason for reason in few.reasons)
    assert (few.low.min(), few.high.max()) == (0.0, 1.0)


@pytest.mark.slow
def test_a_tree_with_times_has_random_texts_judged_and_without_inference_none(timed):
    texts, store, judged, folder = timed
    alone = timed_taxonomy(texts, store, inference=False)
    assert alone.sample is None
    assert alone.over_time().target == "head"
    assert judged.over_time().target == "judge"
    assert judged.sample is not None
    assert len(judged.sample) >= 20
    n_alone = alone.costs.judgments_asked + alone.costs.judgments_served
    n_judged = judged.costs.judgments_asked + judged.costs.judgments_served
    assert n_alone < n_judged <= 1.35 * n_alone
    assert [judged.nodes[node].predicate for node in judged.nodes] == [alone.nodes[n].predicate for n in alone.nodes]
    loaded = Taxonomy.load(folder)
    np.testing.assert_array_equal(loaded.over_time().shares, judged.over_time().shares)
    assert "as the judge sees it" in judged.report()
    assert 'id="trends-root"' in judged.report() or "What can be claimed of the curves" in judged.report()
