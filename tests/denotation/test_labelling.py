"""Labelling: which question is next, how many labels are needed, how people and judge agree; of each kind of result."""

import dataclasses

import numpy as np
import pytest

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.marks import pair
from nlparam.denotation.labelling import Asked, Labelling, Round
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError
from nlparam.fitting.inference import known_of
from nlparam.fitting.sample import Sample
from nlparam.numerics.statistics.correction import corrected_means
from nlparam.results.page.sections import AbstractPage
from nlparam.taxonomies.records import Sample as TreeSample
from nlparam.taxonomies.records import judged
from tests.helpers.handmade_fit import make_fit
from tests.helpers.handmade_results import make_comparison, make_taxonomy

N = 300


@pytest.fixture(scope="module")
def fit():
    """A fit whose judge has answered 120 random texts, and says yes a third of the time."""
    made, rng = make_fit(N), np.random.default_rng(0)
    answers = (rng.random((N, 3)) < 0.3).astype(float)
    drawn = rng.permutation(N) < 120
    sample = Sample(
        eligible=np.ones(N, bool),
        inclusion=np.full(N, 0.4),
        drawn=drawn,
        head=np.clip(answers + 0.2 * rng.random((N, 3)), 0, 1),
        judged=np.where(drawn[:, None], answers, np.nan),
        clusters=None,
        split=False,
    )
    return dataclasses.replace(made, sample=sample)


@pytest.fixture(scope="module")
def tree():
    made, rng = make_taxonomy(N, depth=2), np.random.default_rng(1)
    texts = np.sort(rng.permutation(N)[:100])
    under = {node.id: np.isin(texts, node.members).astype(float) for node in made.nodes.values()}
    return dataclasses.replace(made, sample=TreeSample(texts, np.full(100, 1 / 3), under))


def labels_of(labelling: Labelling, n: int, *, who="ann", wrong=0.0, seed=0) -> Labelled:
    """What somebody says who differs from the judge in a share of the answers; of the first texts, for all that is
    asked."""
    rng, rows = np.random.default_rng(seed), []
    asked = Round(labelling, {}, n)
    while (question := asked.question()) is not None:
        text = labelling.texts[question[0]]
        said = labelling.judge(text, question[1])
        holds = bool(said > 0.5) != (rng.random() < wrong)
        rows.append((text, question[1], float(holds), who))
        asked.answer(holds)
    return Labelled.of(rows)


def test_a_round_asks_everything_once_and_goes_back():
    labelling = Labelling(
        texts=("one", "two"), chance=np.ones(2), stratum=np.zeros(2, int),
        asked=(Asked("a"), Asked("b"), Asked("c", "a")), judge=lambda *_: np.nan, shares=(), layers=(), of_stratum=(),
        said=lambda _: np.zeros((2, 0)),
    )  # fmt: skip
    asked = Round(labelling, {pair("one", "B"): True}, 5)
    assert asked.question() == (0, "a")
    asked.answer(True)
    assert asked.question() == (0, "c")  # it stands under a, which holds
    assert asked.back()
    assert asked.question() == (0, "a")
    asked.answer(False)
    assert asked.question() == (1, "a")
    asked.answer(None)
    assert asked.question() == (1, "b")
    asked.answer(True)
    assert asked.question() is None  # what was skipped does not come again
    assert asked.skipped == {("two", "a")}
    assert asked.back()
    assert asked.question() == (1, "b")
    with pytest.raises(ValueError, match="no question is left"):
        Round(labelling, {}, 0).answer(True)


def test_the_list_of_a_fit_is_random_and_begins_with_what_the_judge_has_answered(fit):
    labelling = fit.labelling()
    assert sorted(labelling.texts) == sorted(fit.texts)
    drawn = {fit.texts[row] for row in np.flatnonzero(fit.sample.drawn)}
    assert set(labelling.texts[:120]) == drawn
    assert list(labelling.texts[:40]) == list(dict.fromkeys(row["text"] for row in fit.to_label(40)))
    assert fit.labelling(seed=1).texts != labelling.texts
    np.testing.assert_allclose(labelling.inclusion(30), 0.1)


def test_needed_is_a_bound_until_there_are_labels(fit):
    labelling = fit.labelling()
    none = labelling.needed(Labelled.of([]), 0.05)
    assert [need.known for need in none] == [False] * 3
    assert all(150 < need.n_needed <= N and need.present is None for need in none)
    some = labelling.needed(labels_of(labelling, 60, wrong=0.05), 0.05)
    assert [need.n_labels for need in some] == [60] * 3
    # A judge that is right for most texts saves labels.
    assert all(need.n_needed < bound.n_needed for need, bound in zip(some, none, strict=True))
    assert all(need.known and need.present is not None for need in some)
    with pytest.raises(ValueError, match="half_width"):
        labelling.needed(Labelled.of([]), 2.0)


def test_people_are_compared_with_the_judge_and_with_each_other(fit):
    labelling = fit.labelling()
    ann, bob = (labels_of(labelling, 80, who=who, wrong=0.2, seed=at) for at, who in enumerate(("ann", "bob")))
    both = Labelled(*(a + b for a, b in zip(*(dataclasses.astuple(one) for one in (ann, bob)), strict=True)))
    found = labelling.agreement(both)
    assert [one.predicate for one in found] == fit.predicates
    for one in found:
        assert one.n_labels == 160
        assert one.with_judge is not None
        assert one.with_each_other is not None
        assert (one.with_judge.n_pairs, one.with_judge.n_things) == (160, 80)
        assert 0.7 < one.with_judge.concord.share < 0.9
        assert one.with_each_other.n_pairs == 80
        assert one.with_each_other.concord.share < one.with_judge.concord.share
    assert labelling.agreement(ann)[0].with_each_other is None
    assert labelling.agreement(Labelled.of([])) == []


def test_groups_of_a_comparison_take_turns():
    compared = make_comparison(N)
    labelling = compared.labelling()
    group = dict(zip(compared.units.text.tolist(), compared.units.group.tolist(), strict=True))
    of = [group[compared.corpus.distinct.index(text)] for text in labelling.texts[:20]]
    assert of == [0, 1] * 10
    assert labelling.predicates == [finding.predicate for finding in compared.tested]
    assert len(labelling.shares) == 2 * len(compared.tested)
    # Ten texts of each group, of those drawn for testing.
    np.testing.assert_allclose(labelling.inclusion(20)[:2], [10 / one.n_validation for one in compared.groups])
    needed = labelling.needed(labels_of(labelling, 100), 0.05)
    assert {need.n_labels for need in needed} == {50}
    agreement = labelling.agreement(labels_of(labelling, 40))
    assert all(one.with_judge is not None and one.with_judge.concord.share == 1.0 for one in agreement)


def test_children_of_a_node_are_asked_about_where_it_holds(tree):
    labelling = tree.labelling()
    assert set(labelling.texts) == {tree.texts[at] for at in tree.sample.texts}
    np.testing.assert_allclose(labelling.inclusion(50), 1 / 6)
    top = [node.predicate for node in tree.children()]
    text = labelling.texts[0]
    assert labelling.due(text, {}) == top
    said = {pair(text, predicate): predicate == top[0] for predicate in top}
    assert labelling.due(text, said) == [judged(node) for node in tree.children("1")]
    labels = labels_of(labelling, 60)
    needed = labelling.needed(labels, 0.1)
    assert [need.share for need in needed][:3] == [f"{node.id} {node.name}" for node in tree.children()]
    assert all(need.n_labels == 60 for need in needed)
    assert all(one.with_judge and one.with_judge.concord.share == 1.0 for one in labelling.agreement(labels))


def test_a_result_without_answers_of_a_judge_cannot_be_planned(fit):
    unjudged = dataclasses.replace(fit.labelling(), layers=(np.full((N, 3), np.nan),))
    with pytest.raises(CorpusError, match="label 30 texts"):
        unjudged.needed(Labelled.of([]), 0.05)


def test_the_report_of_each_kind_shows_the_agreement(fit, tree):
    for result in (fit, tree, make_comparison(N)):
        labels = labels_of(result.labelling(), 40, wrong=0.1)
        for page, there in ((result.page(labels=labels), True), (result.page(), False)):
            assert isinstance(page, AbstractPage)
            assert ("people" in [section.identity for section in page.described().sections]) == there


def test_shares_of_nodes_are_those_of_people_where_there_are_labels(tree):
    judged_only = tree.shares()
    assert judged_only.nodes[:3] == ("1", "2", "3")
    assert set(judged_only.targets) == {"judge"}
    # The judge of this tree says what the heads say.
    np.testing.assert_allclose(judged_only.value, [tree.share(node) for node in judged_only.nodes], atol=0.05)
    labelling = tree.labelling()
    yes = Labelled.of([(text, node.predicate, 1.0) for text in labelling.texts[:60] for node in tree.children()[:1]])
    people = tree.shares(yes)
    assert people.targets[:2] == ("people", "judge")
    assert people.value[0] > 0.95
    assert people.low[0] > judged_only.high[0]
    assert people.n_answers[0] == 60
    few = Labelled.of([(text, node.predicate, 1.0) for text in labelling.texts[:10] for node in tree.children()[:1]])
    assert tree.shares(few).targets[0] == "judge"
    heads = dataclasses.replace(tree, sample=None).shares()
    assert set(heads.targets) == {"head"}
    assert (heads.low < heads.value).all()


def test_a_text_that_occurs_often_counts_as_often_as_it_was_come_to():
    # Of the text that is a quarter of all, people say yes where the judge says no; of the others they say the same.
    made, found = make_fit(400, predicates=["p"]), []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        number = rng.permutation(400)
        same, drawn = number < 100, rng.permutation(400) < 120
        texts = ["the same" if one < 100 else f"text {one}" for one in number.tolist()]
        judge = ((number % 10 == 0) & ~same).astype(float)[:, None]
        truth = dict(zip(texts, (judge[:, 0] + same).tolist(), strict=True))
        judged = np.where((drawn | same)[:, None], judge, np.nan)
        sample = Sample(np.ones(400, bool), np.full(400, 0.3), drawn, judge, judged, None, False)
        fit = dataclasses.replace(made, corpus=Corpus.from_texts(texts), sample=sample)
        listed = fit.labelling().texts
        said = Labelled.of([(text, "p", truth[text], "ann") for text in (*listed[:40], *listed[40:60])])  # two sessions
        known = known_of(fit, sample, said, [])
        found.append(corrected_means(known.layers, clusters=known.clusters).value[0])
    assert np.mean(found) == pytest.approx(0.325, abs=0.02)


def test_a_comparison_asks_for_as_many_texts_as_its_groups_need():
    comparison = make_comparison()
    labelling = comparison.labelling()
    n_of_group = np.bincount(labelling.stratum)
    needed = labelling.needed(Labelled.of([]), 0.3)
    for need, group in zip(needed, labelling.of_stratum, strict=True):
        assert need.reached == (need.n_needed <= n_of_group[group])
        if need.reached:
            assert (labelling.stratum[: need.n_texts] == group).sum() == need.n_needed
    assert max(need.n_texts for need in needed if need.reached) > max(need.n_needed for need in needed if need.reached)
    assert not any(need.reached for need in labelling.needed(Labelled.of([]), 0.01))


def test_labels_of_a_tree_with_repeated_texts_count_where_they_were_come_to(tree):
    texts = list(tree.texts)
    n = tree.sample.texts  # the texts drawn for the sample; two of three are equal
    for at in n[: len(n) * 2 // 3].tolist():
        texts[at] = "the same"
    repeated = dataclasses.replace(tree, corpus=Corpus.from_texts(texts))
    labelling = repeated.labelling()
    assert labelling.texts.count("the same") == 1
    said = labelling.said(Labelled.of([(text, labelling.asked[0].predicate, 1.0) for text in labelling.texts[:-1]]))
    there = np.isfinite(said[n, 0])
    assert there.sum() < len(n)
    assert np.mean([texts[at] == "the same" for at in n[there].tolist()]) == pytest.approx(2 / 3, abs=0.1)
