"""The normaliser of the predicate-conditioned distribution P(x | w) = exp(w . D_x) / Z(w) over the texts of a corpus
(arXiv 2409.08466, section 3), for many weight vectors w at once.

The table of weight vectors and texts is visited in blocks, and derivatives are taken while a block is at hand, so that
memory grows with the number of texts and of weight vectors, never with their product.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Entries of the table of weight vectors and rows that are held at once: small enough for a processor's cache.
_BLOCK_ENTRIES = 2**18

Vectors = Float[Array, "n_vectors n_predicates"]
Rows = Float[Array, "n_rows n_predicates"]


class Moments(NamedTuple):
    """For each weight vector, the log of the normaliser and the mean and covariance of the denotations."""

    log_partition: Float[Array, " n_vectors"]
    mean: Vectors
    covariance: Float[Array, "n_vectors n_predicates n_predicates"]


@jax.custom_vjp
def total_log_partition(
    vectors: Vectors, sizes: Float[Array, " n_vectors"], rows: Rows, log_counts: Float[Array, " n_rows"]
) -> Float[Array, ""]:
    r"""$\sum_t n_t \log \sum_x c_x \exp(w_t \cdot D_x)$ with the vectors $w_t$, `sizes` $n_t$, and `rows` $D_x$ that
    occur $c_x$ times each.

    Differentiable once, in `vectors` and `rows`; `sizes` and `log_counts` are taken for constants.
    """
    log_partition = _by_block(vectors, rows, lambda block: _log_partition(block, rows, log_counts)[0])
    return sizes @ log_partition


def _forward(vectors, sizes, rows, log_counts):
    n_vectors, n_predicates = vectors.shape
    size = _block_size(n_vectors, rows.shape[0])
    n_blocks = -(-n_vectors // size)
    padding = n_blocks * size - n_vectors

    def visit(carry, block):
        total, row_gradient = carry
        block_vectors, block_sizes = block
        log_partition, exponentials, sums = _log_partition(block_vectors, rows, log_counts)
        weighted = exponentials * (block_sizes / sums)[:, None]
        return (total + block_sizes @ log_partition, row_gradient + weighted.T @ block_vectors), weighted @ rows

    begin = (jnp.zeros((), vectors.dtype), jnp.zeros_like(rows))
    blocks = (
        jnp.pad(vectors, ((0, padding), (0, 0))).reshape(n_blocks, size, n_predicates),
        jnp.pad(sizes, (0, padding)).reshape(n_blocks, size),
    )
    if n_blocks == 1:
        (total, row_gradient), vector_gradient = visit(begin, jax.tree.map(lambda leaf: leaf[0], blocks))
    else:
        (total, row_gradient), vector_gradient = jax.lax.scan(visit, begin, blocks)
    return total, (vector_gradient.reshape(-1, n_predicates)[:n_vectors], row_gradient)


def _backward(gradients, cotangent):
    vector_gradient, row_gradient = gradients
    return cotangent * vector_gradient, None, cotangent * row_gradient, None


total_log_partition.defvjp(_forward, _backward)


def moments(vectors: Vectors, rows: Rows, log_counts: Float[Array, " n_rows"]) -> Moments:
    """The log of the normaliser of each weight vector, and the moments of the denotations under its distribution."""
    n_rows, n_predicates = rows.shape
    squares = (rows[:, :, None] * rows[:, None, :]).reshape(n_rows, n_predicates**2)

    def visit(block):
        log_partition, exponentials, sums = _log_partition(block, rows, log_counts)
        mean = exponentials @ rows / sums[:, None]
        second = (exponentials @ squares / sums[:, None]).reshape(-1, n_predicates, n_predicates)
        return Moments(log_partition, mean, second - mean[:, :, None] * mean[:, None, :])

    return _by_block(vectors, rows, visit)


def expectations(
    vectors: Vectors, rows: Rows, values: Float[Array, "n_rows n_values"], log_counts: Float[Array, " n_rows"]
) -> Float[Array, "n_vectors n_values"]:
    """The means of some `values` of the rows, under the distribution of each weight vector."""

    def visit(block):
        _, exponentials, sums = _log_partition(block, rows, log_counts)
        return exponentials @ values / sums[:, None]

    return _by_block(vectors, rows, visit)


def _log_partition(vectors, rows, log_counts):
    scores = vectors @ rows.T + log_counts
    largest = jnp.max(scores, axis=1, keepdims=True)
    exponentials = jnp.exp(scores - largest)
    sums = jnp.sum(exponentials, axis=1)
    return jnp.log(sums) + largest[:, 0], exponentials, sums


def _block_size(n_vectors: int, n_rows: int) -> int:
    return min(n_vectors, max(1, _BLOCK_ENTRIES // n_rows))


def _by_block(vectors, rows, visit):
    n_vectors, n_predicates = vectors.shape
    size = _block_size(n_vectors, rows.shape[0])
    if size == n_vectors:
        return visit(vectors)
    n_blocks = -(-n_vectors // size)
    padded = jnp.pad(vectors, ((0, n_blocks * size - n_vectors), (0, 0)))
    results = jax.lax.map(visit, padded.reshape(n_blocks, size, n_predicates))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:n_vectors], results)
