"""Linear systems of chains: block tridiagonal, solved in time linear in the length of the chain."""

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
        solved_now = inverse_now @ (value + c * solved)
        return (inverse_now, solved_now), (inverse_now, solved_now)

    def substitute(following, step):
        inverse, solved, c = step
        value = solved + c * (inverse @ following)
        return value, value

    zero = (jnp.zeros_like(blocks[0]), jnp.zeros_like(right[0]))
    _, (inverses, solved) = jax.lax.scan(eliminate, zero, (blocks, right, before))
    _, solution = jax.lax.scan(substitute, jnp.zeros_like(right[0]), (inverses, solved, after), reverse=True)
    return solution


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

    if n <= 8:
        for k in range(n):
            matrix = sweep(k, matrix)
        return -matrix
    return -jax.lax.fori_loop(0, n, sweep, matrix)
