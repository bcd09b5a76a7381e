"""Newton's method for small smooth convex problems, damped so that it never goes uphill."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Int

from nlparam.numerics.core._types import Scalar, Weights


class Minimum(NamedTuple):
    """`weights` at the end, the `loss` and the largest entry of the `gradient` there, and how many `steps` it took."""

    weights: Weights
    loss: Scalar
    gradient: Scalar
    steps: Int[Array, ""]
    converged: Bool[Array, ""]


def newton(
    loss: Callable[[Weights], Scalar], start: Weights, *, max_steps: int = 50, tolerance: float = 1e-6
) -> Minimum:
    """Minimises a convex function of few weights with its full Hessian (up to some hundred weights).

    Each step halves its length until the loss does not rise, at most 20 times. Works under `jit` and `vmap`.
    """
    flat, restore = ravel_pytree(start)

    def value(vector):
        return loss(restore(vector))

    def direction(vector, gradient):
        return newton_direction(jax.hessian(value)(vector), gradient)

    vector, best, gradient, steps = descend(value, direction, flat, max_steps=max_steps, tolerance=tolerance)
    steepest = jnp.max(jnp.abs(gradient), initial=0.0)
    return Minimum(restore(vector), best, steepest, steps, steepest <= tolerance)


def newton_direction(hessian, gradient):
    """The step to the minimum of the quadratic with this Hessian and gradient."""
    # A trace of the diagonal keeps the system solvable where a weight has no influence (an empty predicate).
    damping = 1e-7 * (1 + jnp.max(jnp.diag(hessian)))
    return -jnp.linalg.solve(hessian + damping * jnp.eye(len(gradient), dtype=gradient.dtype), gradient)


def descend(value, direction, start, *, max_steps: int, tolerance: float):
    """The damped iteration itself, for any `direction(point, gradient)` that points downhill.

    It ends where the gradient is below `tolerance`, or where the decrease that the next step promises is lost in the
    rounding of the value: that last step is taken in full, since near the minimum it is better than the value can say.

    **Returns:** the point, its value, its gradient, and the number of steps.
    """
    value_and_grad = jax.value_and_grad(value)
    rounding = 32 * jnp.finfo(start.dtype).eps

    def unfinished(carry):
        _, _, gradient, step, last = carry
        return (step < max_steps) & (jnp.max(jnp.abs(gradient), initial=0.0) > tolerance) & ~last

    def advance(carry):
        point, current, gradient, step, _ = carry
        move = direction(point, gradient)
        promised = -gradient @ move / 2
        last = promised < rounding * jnp.maximum(jnp.abs(current), 1)

        def too_long(search):
            _, candidate, tries = search
            return ~(candidate <= current) & (tries < 20) & ~last

        def halve(search):
            length, _, tries = search
            return length / 2, value(point + length / 2 * move), tries + 1

        one = jnp.ones((), point.dtype)
        length, candidate, _ = jax.lax.while_loop(too_long, halve, (one, value(point + move), jnp.asarray(0)))
        # Where no length helps, the precision of the numbers is reached.
        moved = (candidate <= current) | last
        point = jnp.where(moved, point + length * move, point)
        current, gradient = value_and_grad(point)
        return point, current, gradient, step + 1, last | ~moved

    begin = (start, *value_and_grad(start), jnp.asarray(0), jnp.asarray(False))
    point, current, gradient, step, _ = jax.lax.while_loop(unfinished, advance, begin)
    return point, current, gradient, step
