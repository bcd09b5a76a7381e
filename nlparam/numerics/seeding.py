"""k-means++ seeds: starting directions that are spread over the corpus."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nlparam.numerics._types import Embeddings, Key


def seed_directions(
    embeddings: Embeddings, n_seeds: int, *, weight: Float[Array, " n_texts"] | None = None, key: Key
) -> Float[Array, "n_seeds embed_dim"]:
    """Embeddings of `n_seeds` texts, each drawn with probability proportional to its squared distance from the seeds
    before it (Arthur and Vassilvitskii 2007) times `weight`, for instance how badly a text is explained so far.
    """
    weight = jnp.ones(embeddings.shape[0], embeddings.dtype) if weight is None else weight

    def draw(distance, key):
        # A corpus with fewer distinct embeddings than seeds has distance 0 everywhere: any text will do then.
        chosen = jax.random.categorical(key, jnp.log(jnp.maximum(weight * distance, 1e-20)))
        seed = embeddings[chosen]
        return jnp.minimum(distance, jnp.clip(2 - 2 * embeddings @ seed, 0.0)), seed

    _, seeds = jax.lax.scan(draw, jnp.ones_like(weight), jax.random.split(key, n_seeds))
    return seeds
