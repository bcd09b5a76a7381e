"""Linear systems of chains: block tridiagonal, solved in time linear in the length of the chain."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def solve_chain(
    blocks: Float[Array, "n_steps n n"], coupling: Float[Array, " n_steps_less_1"], right: Float[Array, "n_steps n"]
) -> Float[Array, "n_steps n"]:
    r"""Solves $A_t x_t - c_{t-1} x_{t-1} - c_t x_{t+1} = b_t$ for a positive definite system.

    **Arguments:** `blocks`, the $A_t$; `coupling`, the $c_t$, each times the identity between steps t and t + 1;
    `right`, the $b_t$. Block elimination (Golub and Van Loan, section 4.5.1) forward and back; works under `vmap`,
    where one pass serves many systems.
    """
    before = jnp.concatenate([jnp.zeros(1, coupling.dtype), coupling])
    after = jnp.concatenate([coupling, jnp.zeros(1, coupling.dtype)])

    def eliminate(carry, step):
        inverse, solved = carry
        block, value, c = step
        inverse_now = invert(block - c**2 * inverse)
        solved_now = _times(inverse_now, value + c * solved)
        return (inverse_now, solved_now), (inverse_now, solved_now)

    def substitute(following, step):
        inverse, solved, c = step
        value = solved + c * _times(inverse, following)
        return value, value

    zero = (jnp.zeros_like(blocks[0]), jnp.zeros_like(right[0]))
    _, (inverses, solved) = jax.lax.scan(eliminate, zero, (blocks, right, before))
    _, solution = jax.lax.scan(substitute, jnp.zeros_like(right[0]), (inverses, solved, after), reverse=True)
    return solution


def held_by_neighbours(coupling: Float[Array, " n_steps_less_1"]) -> Float[Array, " n_steps"]:
    """The diagonal of the Laplacian of a chain: what couples each step to the ones before and after it, together."""
    return jnp.pad(coupling, (1, 0)) + jnp.pad(coupling, (0, 1))


def _times(matrix, vector):
    # Written out for small systems: XLA fuses it with its surroundings, where a call for a product would cost more than
    # the product, twice per step of the chain.
    return jnp.sum(matrix * vector, axis=-1) if len(vector) <= 8 else matrix @ vector


def whiten_chain(
    diagonal: Float[Array, " n_steps"], coupling: Float[Array, " n_steps_less_1"]
) -> Callable[[Float[Array, "n_steps n"]], Float[Array, "n_steps n"]]:
    r"""The map $u \mapsto B^{-T} u$ with the Cholesky factor $B B^T = \mathrm{diag}(a) + L(c)$, where $L$ is the
    Laplacian of the chain that `coupling` weights: a problem with that Hessian has the identity for Hessian in $u$.

    The factor has two diagonals; the map is a linear recurrence, evaluated in parallel.
    """
    weights = diagonal + held_by_neighbours(coupling)

    def eliminate(before, step):
        weight, c = step  # c couples the step to the one before it
        pivot = jnp.sqrt(weight - (c / before) ** 2)
        return pivot, pivot

    first = jnp.sqrt(weights[0])
    _, rest = jax.lax.scan(eliminate, first, (weights[1:], coupling))
    pivots = jnp.concatenate([first[None], rest])
    # Row t of B^T x = u reads p_t x_t - (c_t / p_t) x_{t+1} = u_t.
    ratio = jnp.pad(coupling / pivots[:-1] ** 2, (0, 1))

    def compose(later, earlier):
        return later[0] * earlier[0], earlier[0] * later[1] + earlier[1]

    def apply(values):
        factors = jnp.broadcast_to(ratio[:, None], values.shape)
        return jax.lax.associative_scan(compose, (factors, values / pivots[:, None]), reverse=True)[1]

    return apply


def invert(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The inverse of a positive definite matrix by sweeps, which need no pivots.

    Plain array operations rather than LAPACK: the matrices are tiny (one row per predicate) and there are many of them,
    so that under `vmap` the calls, not the arithmetic, would take the time.
    """
    n = matrix.shape[0]

    def sweep(k, swept):
        column, row, pivot = swept[:, k], swept[k, :], swept[k, k]
        swept = swept - jnp.outer(column, row) / pivot
        return swept.at[:, k].set(column / pivot).at[k, :].set(row / pivot).at[k, k].set(-1 / pivot)

    if n <= 4:
        return _invert_tiny(matrix)
    if n <= 8:
        for k in range(n):
            matrix = sweep(k, matrix)
        return -matrix
    return -jax.lax.fori_loop(0, n, sweep, matrix)


def _invert_tiny(matrix):
    # Gauss-Jordan entry by entry: XLA makes one loop of it, 17 times as fast as updates of an array for three rows.
    n = matrix.shape[0]
    entries = [[matrix[i, j] for j in range(n)] for i in range(n)]
    for k in range(n):
        pivot = 1 / entries[k][k]
        row = [pivot if j == k else entries[k][j] * pivot for j in range(n)]
        entries = [
            row
            if i == k
            else [-entries[i][k] * pivot if j == k else entries[i][j] - entries[i][k] * row[j] for j in range(n)]
            for i in range(n)
        ]
    return jnp.stack([jnp.stack(row) for row in entries])
