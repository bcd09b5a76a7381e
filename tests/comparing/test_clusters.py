"""Comparisons of texts that belong together, of repeated texts, and what is warned of where nobody says so."""

import warnings

import numpy as np
import pytest

from nlparam.comparing.clusters import cluster_warnings, n_near_copies, sounds_like_clusters
from nlparam.comparing.grouping import observe
from nlparam.comparing.result import Comparison
from nlparam.errors import CorpusError
from tests.comparing.test_driver import OPTIONS, PREDICATES, WORDS, WordJudge, compare

TESTED = {"predicates": PREDICATES, "ratings": False, "options": OPTIONS | {"n_screened": 10, "n_validated": 150}}


def by_authors(n_authors: int, n_texts: int, *, seed: int, more: float = 0.0) -> tuple[dict, dict]:
    """Texts of two groups from one population, and their authors, who have their words; `more` rain in the second."""
    rng = np.random.default_rng(seed)
    groups, authors = {"a": [], "b": []}, {"a": [], "b": []}
    for author in range(n_authors):
        group = "ab"[author % 2]
        shares = rng.beta(1.2, 2.8, size=len(WORDS))  # correlation within authors 0.2
        shares[1] = min(shares[1] + more * (group == "b"), 1.0)
        for number in range(n_texts):
            said = [word for word, share in zip(WORDS, shares, strict=True) if rng.random() < share]
            groups[group].append(" ".join([f"{author}-{number}", *said]))
            authors[group].append(f"author {author}")
    return groups, authors


def claimed(n_runs: int, n_authors: int, n_texts: int, *, first: int, clustered: bool, more: float = 0.0) -> float:
    n_claimed = 0
    for run in range(n_runs):
        groups, authors = by_authors(n_authors, n_texts, seed=first + run, more=more)
        clusters = authors if clustered else None
        n_claimed += bool(compare(groups, judge=WordJudge(), clusters=clusters, seed=run, **TESTED).claims)
    return n_claimed / n_runs


@pytest.mark.slow
def test_authors_of_one_population_make_no_claims():
    # Five predicates, of which the false discovery rate is 0.05, and differences must point the way they were found.
    assert claimed(30, 30, 17, first=100, clustered=False) > 0.15
    # At most 5 of 40: a rate of 0.25 would be seen with probability 0.96.
    assert claimed(40, 30, 17, first=100, clustered=True) <= 0.13
    assert claimed(60, 8, 60, first=300, clustered=True) <= 0.13


@pytest.mark.slow
def test_a_difference_of_many_authors_is_found():
    assert claimed(10, 80, 8, first=500, clustered=True, more=0.4) > 0.7


def test_clusters_are_of_one_split():
    groups, authors = by_authors(12, 20, seed=1)
    compared = compare(groups, judge=WordJudge(), clusters=authors, **TESTED)
    cluster = compared.units.cluster
    assert cluster is not None
    research, validation = (set(cluster[compared.units.research == split].tolist()) for split in (True, False))
    assert not research & validation
    assert all(group.n_clusters is not None and group.n_clusters >= 2 for group in compared.groups)
    of_texts = compare(groups, judge=WordJudge(), **TESTED)
    assert of_texts.units.cluster is None
    wider, narrower = (one.findings[0].crude for one in (compared, of_texts))
    assert wider is not None
    assert narrower is not None


def test_from_one_author_of_a_group_nothing_can_be_said():
    groups, authors = by_authors(12, 20, seed=2)
    with pytest.raises(CorpusError, match="group 'a' has 1 cluster in 120 texts, expected at least 3"):
        compare(groups, clusters={**authors, "a": ["one"] * 120})
    with pytest.raises(CorpusError, match=r"clusters has \[119, 120\] values, expected \[120, 120\]"):
        compare(groups, clusters={**authors, "a": authors["a"][1:]})
    with pytest.raises(CorpusError, match="clusters has values for the groups a, c, expected a, b"):
        compare(groups, clusters={"a": authors["a"], "c": authors["b"]})
    lopsided = ["most"] * 116 + ["x", "y", "z", "z"]
    with pytest.raises(CorpusError, match="some clusters hold most of the texts"):
        compare(groups, clusters={**authors, "a": lopsided})


def test_texts_without_an_author_belong_to_no_other():
    groups, authors = by_authors(12, 20, seed=3)
    authors["a"][:6] = [None, "", float("nan"), None, " ", None]
    seen = observe(
        groups, None, clusters=authors, research=0.4, n_validated=50, repeats="once", rng=np.random.default_rng(0)
    )
    assert "6 of 240 texts have no cluster: each is taken to be one of its own" in seen.warnings
    assert any("group 'b' has" in note and "clusters to test on: from so few" in note for note in seen.warnings)
    assert seen.units.cluster is not None
    assert len(np.unique(seen.units.cluster)) == 12 + 6


@pytest.mark.slow
def test_texts_that_one_group_repeats_make_no_claims():
    n_claimed = 0
    for run in range(40):
        groups, _ = by_authors(140, 1, seed=700 + run)
        rng = np.random.default_rng([7, run])
        # Some texts of one group occur dozens of times, as form letters do.
        groups["a"] = [text for text in groups["a"] for _ in range(int(1 + 30 * (rng.random() < 0.15)))]
        compared = compare(groups, judge=WordJudge(), repeats="count", seed=run, **TESTED)
        n_claimed += bool(compared.claims)
        assert compared.groups[0].n_clusters is not None
        assert compared.groups[0].n_clusters < compared.groups[0].n_validated
    assert n_claimed <= 5  # a rate of 0.25 would be seen with probability 0.96


def test_a_comparison_with_clusters_is_kept(tmp_path):
    groups, authors = by_authors(16, 20, seed=4, more=0.5)
    compared = compare(groups, judge=WordJudge(), clusters=authors, out=tmp_path, **TESTED)
    loaded = Comparison.load(tmp_path)
    assert loaded.findings == compared.findings
    assert loaded.groups == compared.groups
    np.testing.assert_array_equal(loaded.units.cluster, compared.units.cluster)
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Clusters of these" in written
    assert "as the language model sees it" in written


def test_fields_of_authors_and_threads_are_known_by_name_and_by_values():
    assert all(
        map(sounds_like_clusters, ["author", "user_id", "threadId", "Speaker", "conversation-id", "post_author"])
    )
    assert not any(map(sounds_like_clusters, ["authority", "text", "year", "country", "topic", "userland"]))
    authors = [f"a{number // 4}" for number in range(200)]
    (warning,) = cluster_warnings({"speaker": authors, "country": ["x", "y"] * 100}, adjusted=False)
    assert "'speaker' looks like what texts belong to (50 values in 200 texts)" in warning
    assert "clusters= (--cluster-field)" in warning
    assert cluster_warnings({"author": list(map(str, range(200)))}, adjusted=False) == []
    assert len(cluster_warnings({"board": authors, "place": ["x", "y"] * 100}, adjusted=True)) == 1


def test_near_copies_are_counted_and_warned_of():
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(400)]
    different = [" ".join(rng.choice(words, 40)) for _ in range(100)]
    assert n_near_copies(different) == 0
    letter = "dear madam or sir i write to ask that the road to our village be mended before the winter comes"
    letters = [f"{letter} yours number {number}" for number in range(30)]
    assert n_near_copies([*different, *letters]) == 29
    assert n_near_copies(["short text one", "short text two"]) == 0
    groups = {"a": [*different[:50], *letters], "b": different[50:]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlparam_compare(groups)
    assert any("36% of the texts of group 'a' are near-copies" in str(one.message) for one in caught)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlparam_compare(groups, clusters={name: list(range(len(texts))) for name, texts in groups.items()})
    assert not any("near-copies" in str(one.message) for one in caught)


def nlparam_compare(groups, **arguments):
    """A comparison whose warnings are heard."""
    import nlparam
    from nlparam.lm import ScriptedModel

    return nlparam.compare(
        groups, lm=ScriptedModel(lambda _: "no"), judge=WordJudge(), store=":memory:", **TESTED, **arguments
    )
