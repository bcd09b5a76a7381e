"""Time series: which predicates hold more often, and when."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from nlparam.corpus.times import TimeSteps, time_steps
from nlparam.errors import CorpusError
from nlparam.numerics.core.denotations import HOLDS
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.normaliser import expectations, moments, total_log_partition
from nlparam.numerics.core.quantities import Prepared, Quantity
from nlparam.numerics.solvers.block_tridiagonal import held_by_neighbours, solve_chain, whiten_chain
from nlparam.numerics.solvers.newton import Evaluated, descend

# Up to this many predicates, the rows that binary denotations can have are listed (2 to that power).
_MOST_PATTERN_PREDICATES = 10


class TimeSeriesData(NamedTuple):
    """`step[i]` is the time step of text i, in `range(n_steps)`; `gap[t]` the time between steps t and t + 1."""

    step: Int[Array, " n_texts"]
    gap: Float[Array, " n_steps_less_1"]


class TimeSeriesWeights(NamedTuple):
    """`log_odds[t, k]` is by how much predicate k is more (or less) frequent at step t than in the whole corpus.

    `log_partition[t]` is the log of the mean of `exp(log_odds[t] @ denotations)` over the corpus: with it, a new text
    can be dated. It follows from the log-odds, so it is None until they are fitted.
    """

    log_odds: Float[Array, "n_steps n_predicates"]
    log_partition: Float[Array, " n_steps"] | None = None


class TimeSeries(AbstractPredicateModel):
    r"""At every time step the texts are drawn from the corpus with weights that drift (arXiv 2409.08466, section 3).

    $P(x \mid w) = \exp(w \cdot D_x) / \sum_{x'} \exp(w \cdot D_{x'})$ over the texts of the corpus, and the weights are
    a random walk: with steps at times $\tau_t$ the loss is
    $-\frac1N \sum_x \log P(x \mid w_{t(x)}) + \frac{\lambda}{2N} \sum_t \|w_{t+1} - w_t\|^2 / (\tau_{t+1} - \tau_t)$.

    The weights minimise a convex problem, solved by a Newton method whose Hessian is block tridiagonal: time and memory
    are linear in the number of steps.

    `data` are the times of the texts, `(n_texts,)`: numbers, dates or ISO 8601 strings. Texts of one time form a step;
    the time between steps may differ.

    **Arguments:** `n_predicates`; `smoothness`, the $\lambda$, in units of time: the larger, the smoother; `unit`,
    "day", "week", "month" or "year", which dates are grouped by (by default days); `max_rows`, the most texts that the
    normaliser runs over: for a larger corpus it is estimated, without bias, from that many texts, always the same ones;
    `parity` states the objective of the paper's code instead (gaps of 1, and the mean, not the sum, of the squared
    differences, $\sum_{tk} (w_{t+1,k} - w_{tk})^2 / ((T - 1) K)$ times `smoothness`). `binary` is set by `specialise`.
    """

    n_predicates: int
    smoothness: float = 1.0
    unit: str | None = None
    max_rows: int = 8192
    parity: bool = False
    binary: bool = False

    def __check_init__(self):
        if not self.smoothness > 0:
            raise ValueError(f"got smoothness={self.smoothness}, expected a positive number")
        if self.max_rows < 2:
            raise ValueError(f"got max_rows={self.max_rows}, expected at least 2")

    def prepare(self, data, n_texts):
        """Groups the texts into steps of time; takes `TimeSeriesData` too, whose steps are then at 0, gap[0], ..."""
        if isinstance(data, TimeSeriesData | TimeSteps):
            times = getattr(data, "times", None)
            if times is None:
                times = [0.0, *np.cumsum(np.asarray(data.gap, np.float64)).tolist()]
            step, gap = data.step, data.gap
        elif data is None:
            raise CorpusError("got no times, expected one per text: give them as `data`")
        else:
            step, gap, times, _ = time_steps(list(data), unit=self.unit)
        if len(step) != n_texts:
            raise CorpusError(f"got {len(step)} times for {n_texts} texts, expected one per text")
        return Prepared(TimeSeriesData(to_device(step, np.int32), to_device(gap, float)), {"step": times})

    def loss(self, weights, denotations, data=None):
        rows, log_counts = self._rows(denotations)
        n_texts, n_steps = denotations.shape[0], weights.log_odds.shape[0]
        return self._loss(weights.log_odds, rows, log_counts, _totals(denotations, data, n_steps), data, n_texts)

    def init_weights(self, denotations, data=None):
        return TimeSeriesWeights(jnp.zeros((data.gap.shape[0] + 1, denotations.shape[1]), denotations.dtype))

    def fit_weights(self, denotations, data=None, init=None):
        """Newton's method on the chain of time steps; the normaliser runs over distinct rows where they are few."""
        start = (self.init_weights(denotations, data) if init is None else init).log_odds
        n_texts, (n_steps, n_predicates) = denotations.shape[0], start.shape
        rows, log_counts = self._rows(denotations)
        totals = _totals(denotations, data, n_steps)
        coupling = self._coupling(data, n_texts)
        both = held_by_neighbours(coupling)
        ridge = 1e-7 * jnp.eye(n_predicates, dtype=denotations.dtype)

        def evaluate(flat):
            # One pass over the texts gives the loss, its gradient and its curvature.
            log_odds = flat.reshape(start.shape)
            found = moments(log_odds, rows, log_counts)
            likelihood = jnp.sum(log_odds * totals.sums) - totals.sizes @ found.log_partition
            penalty, pull = jax.value_and_grad(self._roughness)(log_odds, coupling)
            gradient = (totals.sizes[:, None] * found.mean - totals.sums) / n_texts + pull
            return Evaluated(penalty - likelihood / n_texts, gradient.ravel(), found.covariance)

        def direction(_, here):
            blocks = (totals.sizes / n_texts)[:, None, None] * here.curvature
            blocks += both[:, None, None] * jnp.eye(n_predicates) + ridge
            return -solve_chain(blocks, coupling, here.gradient.reshape(start.shape)).ravel()

        flat, *_ = descend(evaluate, direction, start.ravel(), max_steps=50, tolerance=1e-8)
        log_odds = flat.reshape(start.shape)
        return TimeSeriesWeights(log_odds, moments(log_odds, rows, log_counts).log_partition - jnp.log(n_texts))

    def preconditioner(self, denotations, data=None):
        """Whitens the random walk: the penalty ties each step to its neighbours far more than the texts hold it."""
        n_texts = denotations.shape[0]
        sizes = _totals(denotations, data, data.gap.shape[0] + 1).sizes / n_texts
        held = sizes * jnp.mean(jnp.var(denotations, axis=0)) + 1e-6 / n_texts
        apply = whiten_chain(held, self._coupling(data, n_texts))
        return lambda weights: TimeSeriesWeights(apply(weights.log_odds))

    def subsample(self, data, rows, n_texts):
        """The penalty of the paper is a sum, and stays what it was beside the likelihood of the texts that are left."""
        smoothness = self.smoothness if self.parity else self.smoothness * len(rows) / n_texts
        return dataclasses.replace(self, smoothness=smoothness), TimeSeriesData(data.step[rows], data.gap)

    def condense(self, data):
        """Without the steps that have no text: between its neighbours the best weights of such a step lie on a line."""
        if self.parity:
            return self, data
        steps, step = np.unique(np.asarray(data.step), return_inverse=True)
        times = np.append(0.0, np.cumsum(np.asarray(data.gap, np.float64)))
        return self, TimeSeriesData(to_device(step, np.int32), to_device(np.diff(times[steps]), data.gap.dtype))

    def specialise(self, denotations):
        """For 0/1 denotations of few predicates: a model that lists the rows they can have instead of the texts."""
        few = self.n_predicates <= _MOST_PATTERN_PREDICATES
        return dataclasses.replace(self, binary=bool(few and np.isin(np.asarray(denotations), (0, 1)).all()))

    def predict(self, weights, denotations):
        """`(n_texts,)`: the step at which a text like this one is most over-represented."""
        return jax.lax.map(lambda row: jnp.argmax(self._ratios(weights, row)), denotations, batch_size=1024)

    def predict_proba(self, weights: TimeSeriesWeights, denotations) -> jax.Array:
        """`(n_texts, n_steps)`: how likely each step is for a text, all steps being equally likely beforehand."""
        return jax.nn.softmax(self._ratios(weights, denotations))

    def _ratios(self, weights, denotations):
        """The log of how much likelier than in the whole corpus a text is at each step."""
        return denotations @ weights.log_odds.T - weights.log_partition

    def prevalence(self, weights, denotations) -> jax.Array:
        """`(n_steps, n_predicates)`: the share of texts that each predicate holds for at each step, by the model.

        The weights are of the chances that it holds; texts count from a denotation of 0.5 on. The mean chance is no
        share: a head is rarely sure that a rare predicate does not hold.
        """
        rows, log_counts = self._rows(denotations)
        return expectations(weights.log_odds, rows, (rows >= HOLDS).astype(rows.dtype), log_counts)

    def quantities(self, weights, denotations, data=None):
        """The prevalence curves, and the log-odds that make them."""
        del data
        dims = ("step", "predicate")
        return {
            "prevalence": Quantity(self.prevalence(weights, denotations), dims, "Share of texts", None),
            "log_odds": Quantity(weights.log_odds, dims, "Log-odds against the whole corpus"),
        }

    def _loss(self, log_odds, rows, log_counts, totals, data, n_texts):
        likelihood = jnp.sum(log_odds * totals.sums) - total_log_partition(log_odds, totals.sizes, rows, log_counts)
        return self._roughness(log_odds, self._coupling(data, n_texts)) - likelihood / n_texts

    @staticmethod
    def _roughness(log_odds, coupling):
        return 0.5 * jnp.sum(coupling[:, None] * jnp.diff(log_odds, axis=0) ** 2)

    def _coupling(self, data, n_texts):
        """What couples the weights of neighbouring steps: the second derivative of the penalty."""
        if self.parity:
            n_differences = data.gap.shape[0] * self.n_predicates
            return jnp.full_like(data.gap, 2 * self.smoothness / n_differences)
        return self.smoothness / (n_texts * data.gap)

    def _rows(self, denotations):
        """The rows over which the normaliser runs, and the log of how often each occurs."""
        n_texts = denotations.shape[0]
        if not self.binary and (self.parity or n_texts <= self.max_rows):
            return denotations, jnp.zeros(n_texts, denotations.dtype)
        if not self.binary:
            sample = np.sort(np.random.default_rng(0).choice(n_texts, self.max_rows, replace=False))
            return denotations[sample], jnp.full(self.max_rows, np.log(n_texts / self.max_rows), denotations.dtype)
        n_predicates = denotations.shape[1]
        place = 2 ** jnp.arange(n_predicates)
        codes = jnp.round(denotations).astype(jnp.int32) @ place
        counts = jnp.zeros(2**n_predicates, denotations.dtype).at[codes].add(1.0)
        patterns = (jnp.arange(2**n_predicates)[:, None] // place) % 2
        return patterns.astype(denotations.dtype), jnp.log(counts)


class _Totals(NamedTuple):
    """Per step, the number of texts and the sum of their denotations: all that the likelihood needs to know of them."""

    sizes: Float[Array, " n_steps"]
    sums: Float[Array, "n_steps n_predicates"]


def _totals(denotations, data, n_steps):
    sizes = jnp.zeros(n_steps, denotations.dtype).at[data.step].add(1.0)
    return _Totals(sizes, jnp.zeros((n_steps, denotations.shape[1]), denotations.dtype).at[data.step].add(denotations))
