"""Directions in place of predicates: relaxed ones, or for comparison ones drawn at random."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Directions(NamedTuple):
    """Unit vectors in place of predicates, `(n_slots, embed_dim)`, and the loss with them."""

    vectors: np.ndarray
    loss: float


def random_directions(model, embeddings, data, fixed, key) -> Directions:
    """Directions drawn at random from the sphere in place of relaxed ones."""
    n_fixed = 0 if fixed is None else fixed.shape[1]
    vectors = jax.random.normal(key, (model.n_predicates - n_fixed, embeddings.shape[1]), embeddings.dtype)
    vectors /= jnp.linalg.norm(vectors, axis=1, keepdims=True)
    denotations = model.link(embeddings @ vectors.T)
    if fixed is not None:
        denotations = jnp.concatenate([fixed, denotations], axis=1)
    return Directions(np.asarray(vectors), float(model.profile_loss(denotations, data)))
