"""Selection: which predicates of a pool the model is best off with."""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from nlparam.numerics.core._types import Data, Key, Pool
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import without_predicate

# Bytes that the fits of one batch of sets hold: as much as stays in the cache of a processor.
_BATCH_BYTES = 2**20
# Pools are padded with empty columns to a multiple of this, so that a growing pool rarely compiles again.
_PAD = 16
# Of more than twice as many texts a sample of this size is compared first, and so many candidates on all texts.
_SAMPLED, _CHECKED = 512, 8


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
    """Chooses `model.n_predicates` columns of `pool` that minimise the loss, by single swaps until none helps.

    The first start has empty slots (greedy forward selection, then swaps), the others are random sets, and the best end
    counts. Where the model has `swaps`, all of them are evaluated in one pass over the pool, and the best is made. Else
    a model is fitted for every set: slot after slot gets the best candidate for it. With many texts, a sample of 512
    says which candidates come near that, and the sample's best set goes on with these on all texts; the other
    `swap_losses` are estimates then.

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
    if _has_swaps(model, columns, data):
        ends = [_descend(model, columns, available, movable, s, data, tolerance) for s in starts]
        best = min(ends, key=lambda end: float(end.loss))
    else:
        best = _by_slots(model, columns, available, movable, starts, data, tolerance)
    chosen, swap_losses = np.asarray(best.chosen), np.asarray(best.swap_losses)
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
    held = np.asarray([empty if column < 0 else column for column in chosen])
    losses = _Fitted(model.specialise(pool), columns, data).losses(held, slot, np.arange(empty + 1))
    losses[[column for number, column in enumerate(chosen) if number != slot and column >= 0]] = np.inf
    return np.append(losses[:n_candidates], losses[empty])


def _padded(pool):
    """The pool with empty columns at its end, at least one."""
    n_candidates = pool.shape[1]
    return jnp.pad(pool, ((0, 0), (0, -(-(n_candidates + 1) // _PAD) * _PAD - n_candidates)))


@eqx.filter_jit
def _has_swaps(model, columns, data) -> bool:
    return model.swaps(columns, data) is not None  # traced once for each shape


class _State(NamedTuple):
    chosen: Int[Array, " n_slots"]
    loss: Float[Array, ""]
    n_swaps: Int[Array, ""]
    swap_losses: Float[Array, "n_slots n_columns"]
    improved: Bool[Array, ""]


@eqx.filter_jit
def _descend(model, columns, available, movable, start, data, tolerance):
    """From one set to the next by the best swap, with a model that has `swaps`."""
    n_slots, n_columns = start.shape[0], columns.shape[1]
    slots, candidates = (grid.ravel() for grid in jnp.mgrid[:n_slots, :n_columns])
    swaps = model.swaps(columns, data)

    def usable(chosen):
        taken = jnp.any(chosen[:, None] == jnp.arange(n_columns - 1), axis=0)
        return movable[:, None] & available & ~jnp.append(taken, False)

    def improve(state):
        # The last table belongs to the set that is returned.
        chosen = state.chosen
        losses = swaps(chosen)
        loss = losses[0, chosen[0]]  # a column in its own place: the set as it is
        losses = jnp.where(usable(chosen), losses, jnp.inf).ravel()
        best = jnp.argmin(losses)
        improved = losses[best] < loss - tolerance
        return _State(
            jnp.where(improved, chosen.at[slots[best]].set(candidates[best]), chosen),
            jnp.where(improved, losses[best], loss),
            state.n_swaps + improved,
            losses.reshape(n_slots, n_columns),
            improved,
        )

    table = jnp.full((n_slots, n_columns), jnp.inf, columns.dtype)
    begin = _State(start, table[0, 0], jnp.asarray(0), table, jnp.asarray(True))
    return jax.lax.while_loop(lambda state: state.improved, improve, begin)


class _End(NamedTuple):
    chosen: np.ndarray
    loss: float
    n_swaps: int
    swap_losses: np.ndarray


def _by_slots(model, columns, available, movable, starts, data, tolerance) -> _End:
    """From one set to the next, slot after slot, with a model that is fitted anew for every set."""
    whole = _Fitted(model, columns, data)
    sampled = whole.sample()

    def go(compare, start, n_swaps=0):
        return _go_round(compare, available, movable, start, n_swaps, tolerance)

    if sampled is None:
        return min((go(whole.compare, start) for start in starts), key=lambda end: end.loss)
    ends = [go(sampled.compare, start) for start in starts]
    # What the caller began with is compared, too, and so never made worse.
    sets = np.unique([*(end.chosen for end in ends), *starts[1:]], axis=0)
    best = sets[int(np.argmin([whole.losses(held, 0, held[:1])[0] for held in sets]))]
    return go(functools.partial(whole.compare_after, sampled), best, sum(end.n_swaps for end in ends))


def _go_round(compare, available, movable, start, n_swaps, tolerance) -> _End:
    """Gives slot after slot the best candidate, until no slot has a better one."""
    chosen, slots = start.copy(), np.flatnonzero(movable)
    n_columns, since, loss = len(available), 0, np.inf
    table = np.full((len(chosen), n_columns), np.inf)
    if not len(slots):  # all are fixed: there is the set as it is
        loss = compare(chosen, 0, np.zeros(n_columns, bool))[0][chosen[0]]
    for slot in itertools.cycle(slots.tolist()):
        if since == len(slots):
            break
        usable = available & ~np.isin(np.arange(n_columns), chosen[chosen != n_columns - 1])
        losses, checked = compare(chosen, slot, usable)
        # A fit that ends too early, or elsewhere, gives more than the set's loss: without its least a round has no end.
        loss, table[slot] = min(loss, losses[chosen[slot]]), np.where(usable, losses, np.inf)
        best = int(np.argmin(np.where(usable & checked, losses, np.inf)))
        since += 1
        if losses[best] < loss - tolerance:
            chosen[slot], loss = best, losses[best]
            n_swaps, since = n_swaps + 1, 1
    return _End(chosen, float(loss), n_swaps, table)


class _Fitted:
    """Sets of columns compared by the loss of a model that is fitted to each of them."""

    def __init__(self, model: AbstractPredicateModel, columns: Pool, data: Data):
        self.model, self.columns, self.data = model, columns, data

    def sample(self) -> "_Fitted | None":
        """The same for some texts, always the same ones; None where there are few, or the model needs them all."""
        n_texts = self.columns.shape[0]
        if n_texts <= 2 * _SAMPLED:
            return None
        rows = np.sort(np.random.default_rng(0).choice(n_texts, _SAMPLED, replace=False))
        columns = self.columns[rows]
        try:
            model, data = self.model.subsample(self.data, to_device(rows), n_texts)
            model, data = model.condense(data)
            held = columns[:, : model.n_predicates]
            eqx.filter_eval_shape(lambda held, data: model.loss(model.init_weights(held, data), held, data), held, data)
        except Exception:  # a model of the user's, whose `subsample` may be the default, which does not suit all
            return None
        return _Fitted(model, columns, data)

    @functools.cached_property
    def n_bytes(self) -> int:
        """What a fit holds at once: about as many numbers as there are texts times weights."""
        held = self.columns[:, : self.model.n_predicates]
        weights = eqx.filter_eval_shape(self.model.init_weights, held, self.data)
        return held.shape[0] * sum(leaf.size for leaf in jax.tree.leaves(weights)) * held.dtype.itemsize

    def losses(self, chosen: np.ndarray, slot: int, candidates: np.ndarray) -> np.ndarray:
        """The loss with each of some columns in one slot."""
        chosen = chosen.copy()
        chosen[slot] = self.columns.shape[1] - 1
        most = max(1, _BATCH_BYTES // max(1, self.n_bytes))
        # A remainder would be compiled beside the rest.
        batch = max(size for size in range(1, min(most, len(candidates)) + 1) if len(candidates) % size == 0)
        return np.array(_slot_losses(self.model, self.columns, chosen, np.asarray(slot), candidates, self.data, batch))

    def compare(self, chosen, slot, usable):
        """The losses with each column in one slot, and which of them are no estimates."""
        del usable
        return self.losses(chosen, slot, np.arange(self.columns.shape[1])), True

    def compare_after(self, sampled, chosen, slot, usable):
        """The same, where those only count that `sampled` says are good; of the others there are its estimates."""
        estimates = sampled.losses(chosen, slot, np.arange(len(usable)))
        order = np.argsort(np.where(usable, estimates, np.inf), kind="stable")[:_CHECKED]
        asked = np.concatenate([[chosen[slot], len(usable) - 1], order])
        losses = estimates - estimates[chosen[slot]]
        exact = self.losses(chosen, slot, asked)
        losses += exact[0]
        losses[asked] = exact
        return losses, np.isin(np.arange(len(usable)), asked)


@eqx.filter_jit
def _slot_losses(model, columns, others, slot, candidates, data, batch):
    if (swaps := model.swaps(columns, data)) is not None:
        return swaps(others)[slot][candidates]
    init = without_predicate(model.fit_weights(columns[:, others], data), slot, others.shape[0])

    def loss_with(candidate):
        return model.profile_loss(columns[:, others.at[slot].set(candidate)], data, init)

    return jax.lax.map(loss_with, candidates, batch_size=batch)
