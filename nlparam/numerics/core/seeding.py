"""k-means++ seeds: starting directions that are spread over the corpus."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nlparam.numerics.core._types import Embeddings, Key


def seed_directions(
    embeddings: Embeddings,
    n_seeds: int,
    *,
    weight: Float[Array, " n_texts"] | None = None,
    n_lloyd: int = 3,
    key: Key,
) -> Float[Array, "n_seeds embed_dim"]:
    """Greedy k-means++ seeds, moved by a few steps of spherical k-means; unit vectors.

    Each seed is an embedding, the best of 2 + log `n_seeds` that are drawn with probability proportional to their
    squared distance from the seeds before (Arthur and Vassilvitskii 2007) times `weight`, for instance how badly a text
    is explained so far; never that of a blank text, which is zero. Single texts are noisy, and two seeds in one group
    rarely part: `n_lloyd` steps of Lloyd's algorithm mend both.
    """
    if weight is None:
        weight = jnp.ones(embeddings.shape[0], jnp.promote_types(embeddings.dtype, jnp.float32))
    weight = jnp.where(jnp.any(embeddings != 0, axis=1), weight, 0.0)
    n_tries = 2 + int(math.log(n_seeds))

    def draw(distance, key):
        # A corpus with fewer distinct embeddings than seeds has distance 0 everywhere: any text will do then.
        odds = jnp.log(jnp.maximum(weight * distance, 1e-20))
        tried = embeddings[jax.random.categorical(key, odds, shape=(n_tries,))]
        cosines = jnp.matmul(embeddings, tried.T, preferred_element_type=distance.dtype)
        distances = jnp.minimum(distance[:, None], jnp.clip(2 - 2 * cosines, 0.0))
        best = jnp.argmin(weight @ distances)
        return distances[:, best], tried[best]

    def move(_, centres):
        cosines = jnp.matmul(embeddings, centres.T.astype(embeddings.dtype), preferred_element_type=weight.dtype)
        members = jax.nn.one_hot(jnp.argmax(cosines, axis=1), n_seeds, dtype=weight.dtype) * weight[:, None]
        sums = jnp.matmul(members.T.astype(embeddings.dtype), embeddings, preferred_element_type=weight.dtype)
        lengths = jnp.linalg.norm(sums, axis=1, keepdims=True)
        return jnp.where(lengths > 1e-6, sums / jnp.maximum(lengths, 1e-6), centres)

    _, seeds = jax.lax.scan(draw, jnp.full_like(weight, 2.0), jax.random.split(key, n_seeds))
    return jax.lax.fori_loop(0, n_lloyd, move, seeds.astype(weight.dtype))
