"""Affinity: how near texts lie to what predicates say, in the space in which the texts are represented. Sayings: of
which texts just that was said.
"""

import numpy as np

from nlparam.denotation.goal import Affinity, Sayings
from nlparam.language.embed import AbstractEmbedder


class _Axes(AbstractEmbedder):
    """Embeds "cats" and "dogs" along the axes."""

    @property
    def identity(self):
        return "axes"

    def embed(self, texts):
        return np.stack([np.eye(3, dtype=np.float32)[0 if "cats" in text else 1] for text in texts])


def test_texts_are_near_to_what_a_predicate_says_in_each_part_of_their_representation():
    embeddings = np.asarray([[1, 0, 0], [0, 1, 0], [0.6, 0.8, 0], [0.8, 0.6, 0]], dtype=np.float32)
    predicates = ["is about cats", "is about dogs"]
    alone = Affinity(_Axes(), embeddings)
    np.testing.assert_allclose(alone.scores(np.arange(4), predicates), embeddings[:, :2])
    doubled = Affinity(_Axes(), np.concatenate([embeddings, embeddings], axis=1) * np.float32(0.5**0.5))
    np.testing.assert_allclose(doubled.scores(np.arange(4), predicates), embeddings[:, :2] * 2**0.5, rtol=1e-6)


def test_guesses_have_a_spread_of_one_and_see_nothing_but_the_representation(rng):
    represented = rng.normal(size=(50, 3)).astype(np.float32)
    rows = np.arange(10, 50)
    guesses = Affinity(_Axes(), represented).guesses(rows, ["is about cats"], 7)
    assert guesses.shape == (7, 1)
    assert not guesses[3:].any()
    assert np.isclose((represented[rows] @ guesses[:3, 0]).std(), 1, atol=1e-5)


def test_sayings_know_of_which_stated_texts_a_predicate_was_said_though_more_are_stated_later():
    stated = {"b": ("a cat, cats",), "d": ("dogs",), "e": ("dogs", "a cat, cats")}
    sayings = Sayings(_Axes(), lambda text: stated.get(text, ()))
    rows, said = sayings.of(["a", "b", "c", "d", "e"], ["is about cats", "is about dogs"])
    assert rows.tolist() == [1, 3, 4]
    assert said.tolist() == [[True, False], [False, True], [True, True]]
    stated["a"] = ("dogs",)
    assert sayings.of(["a", "b"], ["is about cats"]).said.tolist() == [[False], [True]]
    none = sayings.of(["x"], ["is about cats", "is about dogs"])
    assert (none.rows.shape, none.said.shape) == ((0,), (0, 2))
