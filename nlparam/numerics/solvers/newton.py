"""Newton's method for small smooth convex problems, damped so that it never goes uphill."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from nlparam.numerics.core._types import Scalar, Weights


class Minimum(NamedTuple):
    """`weights` at the end, the `loss` and the largest entry of the `gradient` there, and how many `steps` it took."""

    weights: Weights
    loss: Scalar
    gradient: Scalar
    steps: Int[Array, ""]
    converged: Bool[Array, ""]


class Evaluated(NamedTuple):
    """A function at a point: its `value` and `gradient`, and what else `direction` needs of that point."""

    value: Scalar
    gradient: Float[Array, " n"]
    curvature: Any = None


def newton(
    loss: Callable[[Weights], Scalar], start: Weights, *, max_steps: int = 50, tolerance: float = 1e-6
) -> Minimum:
    """Minimises a convex function of few weights with its full Hessian (up to some hundred weights).

    Each step halves its length until the loss does not rise, at most 20 times. Works under `jit` and `vmap`.
    """
    flat, restore = ravel_pytree(start)

    def value(vector):
        return loss(restore(vector))

    def evaluate(vector):
        return Evaluated(*jax.value_and_grad(value)(vector))

    def direction(vector, here):
        return newton_direction(jax.hessian(value)(vector), here.gradient)

    vector, end, steps = descend(evaluate, direction, flat, max_steps=max_steps, tolerance=tolerance)
    steepest = jnp.max(jnp.abs(end.gradient), initial=0.0)
    return Minimum(restore(vector), end.value, steepest, steps, steepest <= tolerance)


def newton_direction(hessian, gradient):
    """The step to the minimum of the quadratic with this Hessian and gradient."""
    # A trace of the diagonal keeps the system solvable where a weight has no influence (an empty predicate).
    damping = 1e-7 * (1 + jnp.max(jnp.diag(hessian)))
    return -jnp.linalg.solve(hessian + damping * jnp.eye(len(gradient), dtype=gradient.dtype), gradient)


def descend(
    evaluate: Callable[[Array], Evaluated],
    direction: Callable[[Array, Evaluated], Array],
    start: Array,
    *,
    max_steps: int,
    tolerance: float,
) -> tuple[Array, Evaluated, Array]:
    """The damped iteration itself, for any `direction(point, evaluate(point))` that points downhill.

    A step that is taken is evaluated once. The iteration ends where the gradient is below `tolerance`, or where the
    decrease that the next step promises is lost in the rounding of the value: that last step is taken in full, since
    near the minimum it is better than the value can say.

    **Returns:** the point, what `evaluate` says of it, and the number of steps.
    """
    rounding = 32 * jnp.finfo(start.dtype).eps

    def unfinished(carry):
        _, here, step, last = carry
        return (step < max_steps) & (jnp.max(jnp.abs(here.gradient), initial=0.0) > tolerance) & ~last

    def advance(carry):
        point, here, step, _ = carry
        move = direction(point, here)
        promised = -here.gradient @ move / 2
        last = jnp.abs(promised) < rounding * jnp.maximum(jnp.abs(here.value), 1)

        def too_long(search):
            _, there, tries = search
            return ~(there.value <= here.value) & (tries < 20) & ~last

        def halve(search):
            length, _, tries = search
            return length / 2, evaluate(point + length / 2 * move), tries + 1

        one = jnp.ones((), point.dtype)
        length, there, _ = jax.lax.while_loop(too_long, halve, (one, evaluate(point + move), jnp.asarray(0)))
        # Where no length helps, the precision of the numbers is reached.
        moved = (there.value <= here.value) | last
        point = jnp.where(moved, point + length * move, point)
        here = jax.tree.map(lambda new, old: jnp.where(moved, new, old), there, here)
        return point, here, step + 1, last | ~moved

    begin = (start, evaluate(start), jnp.asarray(0), jnp.asarray(False))
    point, here, step, _ = jax.lax.while_loop(unfinished, advance, begin)
    return point, here, step
