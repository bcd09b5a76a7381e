"""Texts that choose and texts that are held out."""

import numpy as np
import pytest

from nlparam.corpus.corpus import Corpus
from nlparam.errors import CorpusError
from nlparam.fitting.split import cluster_codes, split_texts


def _split(texts, *, share: float | None = 0.5, explains=True, clusters=None, seed=0):
    corpus = Corpus.from_texts(texts)
    return split_texts(corpus, share=share, explains=explains, clusters=clusters, rng=np.random.default_rng(seed))


def test_equal_texts_stay_on_one_side():
    texts = [f"t{n % 50}" for n in range(200)]
    held_out = _split(texts).held_out
    by_text = {
        text: {bool(side) for other, side in zip(texts, held_out, strict=True) if other == text} for text in texts
    }
    assert all(len(sides) == 1 for sides in by_text.values())
    assert held_out.mean() == pytest.approx(0.5, abs=0.03)


def test_texts_of_a_cluster_stay_on_one_side_and_so_do_clusters_that_share_a_text():
    texts = [*(f"t{n}" for n in range(99)), "t0"]
    clusters = [*(n // 9 for n in range(99)), 5]  # cluster 5 has the first text of cluster 0
    held_out = _split(texts, clusters=clusters).held_out
    sides = {cluster: {bool(held_out[n]) for n in range(100) if clusters[n] == cluster} for cluster in clusters}
    assert all(len(side) == 1 for side in sides.values())
    assert sides[0] == sides[5]


def test_blank_texts_are_on_neither_side():
    split = _split(["", " ", *(f"t{n}" for n in range(40))])
    assert not split.held_out[:2].any()
    assert split.any


def test_by_default_half_is_held_out_where_there_is_something_to_explain():
    many, few = [f"t{n}" for n in range(200)], [f"t{n}" for n in range(199)]
    assert _split(many, share=None).held_out.sum() == 100
    assert not _split(few, share=None).any
    assert not _split(many, share=None, explains=False).any


def test_seeds_differ_and_repeat():
    texts = [f"t{n}" for n in range(60)]
    np.testing.assert_array_equal(_split(texts).held_out, _split(texts).held_out)
    assert (_split(texts).held_out != _split(texts, seed=1).held_out).any()


def test_missing_clusters_are_texts_that_stand_for_themselves():
    assert cluster_codes(["a", None, "a", None, float("nan")], 5).tolist() == [0, 1, 0, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"share": 1.0}, ValueError, "got held_out=1.0"),
        ({"clusters": ["a"] * 40}, CorpusError, "all 40 texts are of one cluster"),
        ({"clusters": ["a", "b"]}, CorpusError, "got 2 clusters for 40 texts"),
        ({"clusters": ["a"] * 39 + ["b"], "share": 0.01}, CorpusError, "in 2 clusters"),
    ],
)
def test_splits_that_cannot_be_made(arguments, error, message):
    with pytest.raises(error, match=message):
        _split([f"t{n}" for n in range(40)], **arguments)
