"""Selection: which predicates of a pool the model is best off with."""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from nlparam.numerics.core._types import Data, Key, Pool
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import without_predicate

# Bytes of denotations that one batch of swaps holds: as much as stays in the cache of a processor.
_BATCH_BYTES = 2**20
# Pools are padded with empty columns to a multiple of this, so that a growing pool rarely compiles again.
_PAD = 16


class Selection(NamedTuple):
    """The best set of predicates found.

    `chosen[k]` indexes the pool, -1 for a slot that no candidate improves; `loss` is that at the best weights,
    `n_swaps` how many swaps led there; `swap_losses[k, c]` the loss with candidate c in slot k instead (infinite where
    c is chosen already), `costs[k]` what emptying slot k would add.
    """

    chosen: Int[np.ndarray, " n_slots"]
    loss: float
    n_swaps: int
    swap_losses: Float[np.ndarray, "n_slots n_candidates"]
    costs: Float[np.ndarray, " n_slots"]

    def contenders(self, margin: float) -> list[int]:
        """Candidates that would do nearly as well in some slot (a loss within `margin`), the closest first."""
        closest = self.swap_losses.min(axis=0)
        order = np.argsort(closest, kind="stable")
        return [int(c) for c in order if closest[c] < self.loss + margin]


def select(
    model: AbstractPredicateModel,
    pool: Pool,
    data: Data = None,
    *,
    start: np.ndarray | None = None,
    fixed: Sequence[int] = (),
    n_starts: int = 2,
    tolerance: float = 1e-6,
    key: Key,
) -> Selection:
    """Chooses `model.n_predicates` columns of `pool` that minimise the loss, by the best single swap until none helps.

    All `n_predicates * n_candidates` swaps are evaluated together, in one pass over the pool where the model has
    `swaps`. The first start has empty slots (greedy forward
    selection, then swaps), the others are random sets, and the best end counts.

    **Arguments:** `pool`, `(n_texts, n_candidates)` denotations; `start`, a set to begin with in addition (-1 for an
    empty slot); `fixed`, columns that are chosen whatever the loss, in the first slots (their `swap_losses` and `costs`
    are infinite); `n_starts`, how many starts besides; `tolerance`, the least gain a swap must bring.
    """
    n_candidates = pool.shape[1]
    model = model.specialise(pool)
    n_slots = model.n_predicates
    if n_candidates == 0:
        raise ValueError("the pool holds no candidate predicates")
    columns = _padded(pool)
    padded = columns.shape[1]
    # Beside the candidates, the last column may be chosen: it stands for an empty slot.
    available = (np.arange(padded) < n_candidates) | (np.arange(padded) == padded - 1)
    movable = np.arange(n_slots) >= len(fixed)
    orders = [np.asarray([], int)] + ([] if start is None else [np.asarray(start)])
    for subkey in jax.random.split(key, max(n_starts - 1, 0)):
        orders.append(np.asarray(jax.random.permutation(subkey, n_candidates)))
    starts = [_filled(fixed, order, n_slots, padded - 1) for order in orders]
    batch = _batch(columns, n_slots, n_slots * padded)
    ends = [_descend(model, columns, available, movable, s, data, batch, tolerance) for s in starts]
    best = min(ends, key=lambda end: float(end.loss))
    chosen = np.asarray(best.chosen)
    swap_losses = np.asarray(best.swap_losses)
    return Selection(
        np.where(chosen < n_candidates, chosen, -1),
        float(best.loss),
        int(best.n_swaps),
        swap_losses[:, :n_candidates],
        swap_losses[:, -1] - float(best.loss),
    )


def _filled(fixed: Sequence[int], order: np.ndarray, n_slots: int, empty: int) -> np.ndarray:
    """A set to begin with: what is fixed, then the others in their order, then empty slots."""
    others = order[~np.isin(order, np.asarray(fixed, int))]
    filled = np.concatenate([np.asarray(fixed, int), np.where(others < 0, empty, others)])[:n_slots]
    return np.concatenate([filled, np.full(n_slots - len(filled), empty)])


def slot_losses(
    model: AbstractPredicateModel, pool: Pool, data: Data, *, chosen: Sequence[int], slot: int
) -> Float[np.ndarray, " n_candidates_plus_1"]:
    """The loss with each candidate of `pool` in one slot, the others being as `chosen` (-1 for an empty slot).

    The last entry is the loss with the slot empty; a candidate that is in another slot has an infinite one.
    """
    n_candidates = pool.shape[1]
    columns = _padded(pool)
    empty = columns.shape[1] - 1
    others = np.asarray([empty if column < 0 or at == slot else column for at, column in enumerate(chosen)])
    batch = _batch(columns, model.n_predicates, empty + 1)
    losses = np.array(_slot_losses(model.specialise(pool), columns, others, np.asarray(slot), data, batch))
    losses[[column for number, column in enumerate(chosen) if number != slot and column >= 0]] = np.inf
    return np.append(losses[:n_candidates], losses[empty])


@eqx.filter_jit
def _slot_losses(model, columns, others, slot, data, batch):
    swaps = model.swaps(columns, data)
    if swaps is not None:
        return swaps(others)[slot]
    init = without_predicate(model.fit_weights(columns[:, others], data), slot, others.shape[0])

    def loss_with(candidate):
        return model.profile_loss(columns[:, others.at[slot].set(candidate)], data, init)

    return jax.lax.map(loss_with, jnp.arange(columns.shape[1]), batch_size=batch)


def _padded(pool):
    """The pool with empty columns at its end, at least one."""
    n_candidates = pool.shape[1]
    return jnp.pad(pool, ((0, 0), (0, -(-(n_candidates + 1) // _PAD) * _PAD - n_candidates)))


def _batch(columns, n_slots, n_swaps):
    """How many of `n_swaps` are evaluated side by side: a divisor, as a remainder would be compiled beside the rest."""
    most = max(1, _BATCH_BYTES // max(1, columns.shape[0] * n_slots * columns.dtype.itemsize))
    return max(size for size in range(1, min(most, n_swaps) + 1) if n_swaps % size == 0)


class _State(NamedTuple):
    chosen: Int[Array, " n_slots"]
    loss: Float[Array, ""]
    n_swaps: Int[Array, ""]
    swap_losses: Float[Array, "n_slots n_columns"]
    improved: Bool[Array, ""]


@eqx.filter_jit
def _descend(model, columns, available, movable, start, data, batch, tolerance):
    n_slots, n_columns = start.shape[0], columns.shape[1]
    slots, candidates = (grid.ravel() for grid in jnp.mgrid[:n_slots, :n_columns])
    swaps = model.swaps(columns, data)

    def swapped(chosen, weights, slot, candidate):
        init = without_predicate(weights, slot, n_slots)
        return model.profile_loss(columns[:, chosen.at[slot].set(candidate)], data, init)

    def usable(chosen):
        taken = jnp.any(chosen[:, None] == jnp.arange(n_columns - 1), axis=0)
        return movable[:, None] & available & ~jnp.append(taken, False)

    # The model's solver is most of what is compiled: it stands here once for the set and once for its swaps.
    def improve(state):
        # The last table belongs to the set that is returned.
        chosen = state.chosen
        if swaps is not None:
            losses = swaps(chosen)
            loss = losses[0, chosen[0]]  # a column in its own place: the set as it is
        else:
            held = columns[:, chosen]
            # One column of several differs: the weights of the others are a good place to begin.
            weights = model.fit_weights(held, data)
            loss = jnp.where(state.n_swaps == 0, model.loss(weights, held, data), state.loss)
            losses = jax.lax.map(lambda swap: swapped(chosen, weights, *swap), (slots, candidates), batch_size=batch)
        losses = jnp.where(usable(chosen), losses.reshape(n_slots, n_columns), jnp.inf).ravel()
        best = jnp.argmin(losses)
        improved = losses[best] < loss - tolerance
        return _State(
            jnp.where(improved, chosen.at[slots[best]].set(candidates[best]), chosen),
            jnp.where(improved, losses[best], loss),
            state.n_swaps + improved,
            losses.reshape(n_slots, n_columns),
            improved,
        )

    def unfitted_loss(held):
        return model.loss(model.init_weights(held, data), held, data)

    unknown = jnp.full((), jnp.inf, jax.eval_shape(unfitted_loss, columns[:, start]).dtype)
    table = jnp.broadcast_to(unknown, (n_slots, n_columns))
    begin = _State(start, unknown, jnp.asarray(0), table, jnp.asarray(True))
    return jax.lax.while_loop(lambda state: state.improved, improve, begin)
