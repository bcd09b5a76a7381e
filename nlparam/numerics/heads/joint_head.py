"""The joint head: one network for all predicates of a fit, from features of texts and embeddings of predicates.

A free network only remembers a hundred judgments. So the ridge head of `nlparam.numerics.heads.head` stays the
backbone, and what it says of a text for *every* predicate is the input of a small network that they share: which
predicate a text fits best says much about each. For judgments that the ridge head was trained on it is its
leave-one-out prediction (stacking, Wolpert 1992). Several networks, each stopped by judgments of its own left out, are
averaged, and what they say of those calibrates the average.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import expit, logit, ndtr

from nlparam.numerics.core.threads import one_thread
from nlparam.numerics.heads.head import Head, Judged, correct, fit_head

_N_AXES = 48  # principal axes of the features that the bilinear term sees
# Soft answers beyond this are as good as certain: a small model's 0.9999 is no better than its 0.99.
_SUREST = 0.99
_MOST_LOG_ODDS = 6.0
_PRIOR = 2.0  # weight of the belief that the averaged log-odds need no calibration
_PROBIT = 0.6  # a normal distribution function of 0.6 z and a logistic one of z have the same slope at 0
_LAPSE = -6.0
_CHUNK = 65_536  # pairs denoted at a time, which bounds memory


@dataclasses.dataclass(frozen=True)
class JointHead:
    """A trained joint head; `denote` is all a user needs.

    **Attributes:** `ridge`, the backbone; `centre` and `axes`, `(n_features, n_axes)`, of the features; `predicates`,
    their `(n_predicates, embed_dim)` embeddings; `cosines`, `(2, n_predicates)`, mean and deviation of the cosines of
    texts with them; `members`, the parameters of the networks, the members first; `calibration`, slope and offset of
    the averaged log-odds, and the log-odds of lapses to yes and to no.
    """

    ridge: Head
    centre: Float[np.ndarray, " n_features"]
    axes: Float[np.ndarray, "n_features n_axes"]
    predicates: Float[np.ndarray, "n_predicates embed_dim"]
    cosines: Float[np.ndarray, "2 n_predicates"]
    members: Mapping[str, np.ndarray]
    calibration: Float[np.ndarray, "4"]

    @property
    def thresholds(self) -> Float[np.ndarray, " n_predicates"]:
        """Where the language model's "yes" begins for each predicate, in log-odds."""
        return self.ridge.thresholds

    def denote(self, features: Float[np.ndarray, "n_texts n_features"]) -> Float[np.ndarray, "n_texts n_predicates"]:
        """Probabilities that the language model, its bias corrected, says yes."""
        n_predicates = len(self.predicates)
        rows = max(1, _CHUNK // n_predicates)
        parts = [self._denote(features[start : start + rows]) for start in range(0, len(features), rows)]
        return np.concatenate(parts) if parts else np.zeros((0, n_predicates))

    def _denote(self, features):
        from nlparam.numerics.heads import network

        log_odds = _log_odds(self.ridge.denote(features))
        inputs, axes, columns = _inputs(self, features, log_odds)
        averaged = network.average(self.members, inputs, axes, self.predicates, columns)
        return _calibrated(averaged.astype(np.float64), self.calibration).reshape(len(features), -1)

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as named arrays, for instance for safetensors."""
        fields = {f"ridge.{name}": np.asarray(value) for name, value in zip(Head._fields, self.ridge, strict=True)}
        fields |= {name: getattr(self, name) for name in _ARRAYS}
        return fields | {f"members.{name}": value for name, value in self.members.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "JointHead":
        """The head that `arrays()` came from. Raises `ValueError` if one is missing."""
        wanted = [*_ARRAYS, *(f"ridge.{name}" for name in Head._fields)]
        missing = [name for name in wanted if name not in arrays]
        if missing:
            raise ValueError(f"the arrays of a joint head lack {', '.join(missing)}: expected those of `arrays()`")
        fields: dict[str, Any] = {name: arrays[f"ridge.{name}"] for name in Head._fields}
        ridge = Head(**fields | {"slope": fields["slope"].item()})
        members = {name.removeprefix("members."): a for name, a in arrays.items() if name.startswith("members.")}
        return cls(ridge, members=members, **{name: arrays[name] for name in _ARRAYS})


_ARRAYS = ("centre", "axes", "predicates", "cosines", "calibration")


@dataclasses.dataclass(frozen=True)
class JointHeadFit:
    """A joint head and how it does on judgments left out.

    `left_out[i]` is the probability of pair `i` by the networks trained without its text, `answers[i]` whether the
    language model, its bias corrected, says yes.
    """

    head: JointHead
    left_out: Float[np.ndarray, " n_pairs"]
    answers: np.ndarray


def fit_joint_head(
    features: Float[np.ndarray, "n_texts n_features"],
    predicates: Float[np.ndarray, "n_predicates embed_dim"],
    pairs: Int[np.ndarray, "n_pairs 2"],
    probabilities: Float[np.ndarray, " n_pairs"],
    *,
    thresholds: Float[np.ndarray, " n_predicates"] | None = None,
    typical: Float[np.ndarray, " n_pairs"] | None = None,
    n_folds: int = 5,
    n_members: int = 10,
    n_steps: int = 400,
    seed: int = 0,
) -> JointHeadFit:
    """Trains the joint head; the same arguments give the same head.

    **Arguments:**

    - `features`: of all texts; the first `embed_dim` columns are their embeddings, by the embedder of the predicates.
    - `pairs`, `probabilities`: rows and columns that the language model judged, and its answers; at least two per
      predicate.
    - `thresholds`: in log-odds, where the "yes" of each predicate begins; by default `bias` of its judgments.
    - `typical`: how much each pair counts for the calibration, by default 1; less if it was judged because a head was
      unsure of it.
    - `n_folds`, `n_members`: network `m` leaves out fold `m mod n_folds` of the texts, to be stopped in time.
    - `n_steps`: the most steps of each network.
    """
    import jax
    import jax.numpy as jnp

    from nlparam.numerics.heads import network

    n_predicates, embed_dim = predicates.shape
    if features.shape[1] < embed_dim:
        raise ValueError(
            f"features have {features.shape[1]} columns, embeddings of predicates {embed_dim}: the first columns of "
            "the features must be the embeddings of the texts"
        )
    if n_members < n_folds or n_folds < 2:
        raise ValueError(f"got n_folds={n_folds}, n_members={n_members}: each fold needs a network, and there are >= 2")
    rows, columns = np.asarray(pairs).T
    order = [np.flatnonzero(columns == column) for column in range(n_predicates)]
    ridge, left_out = _fit_ridge(features, [Judged(rows[of], probabilities[of]) for of in order], thresholds)
    # The ridge head's log-odds of all predicates for the judged texts; never of a judgment it was trained on.
    texts, position = np.unique(rows, return_inverse=True)
    log_odds = _log_odds(ridge.denote(features[texts]))
    for of, predicted in zip(order, left_out, strict=True):
        log_odds[position[of], columns[of]] = _log_odds(predicted)
    corrected = correct(probabilities, ridge.thresholds[columns])
    head = _untrained(ridge, features, predicates)
    inputs, axes, _ = _inputs(head, features[texts], log_odds)
    chosen = position * n_predicates + columns
    folds = np.random.default_rng(seed).permutation(len(texts))[position] % n_folds
    targets = np.clip(corrected, 1 - _SUREST, _SUREST)
    batch = network.Batch.padded(inputs[chosen], axes[chosen], columns, targets, folds)
    held_out = jnp.arange(n_members) % n_folds
    keys = jax.random.split(jax.random.key(seed), n_members)
    states, predicted, losses = network.train(batch, head.predicates, held_out, keys, n_steps // network.EVERY)
    best = int(np.argmin(losses))
    averaged = np.asarray(predicted[best], dtype=np.float64)[: len(rows)]
    answers = corrected > 0.5
    calibration = _calibrate(averaged, answers, np.ones(len(rows)) if typical is None else typical)
    head = dataclasses.replace(head, members=network.members_at(states, best), calibration=calibration)
    return JointHeadFit(head, _calibrated(averaged, calibration), answers)


def _fit_ridge(features, judged, thresholds):
    """The ridge head of all predicates and its predictions of the judgments left out."""
    if thresholds is None:
        fitted = fit_head(features, judged)
        return fitted.head, fitted.left_out
    thresholds = np.asarray(thresholds, dtype=np.float64)
    moved = [Judged(rows, correct(p, b)) for (rows, p), b in zip(judged, thresholds, strict=True)]
    fitted = fit_head(features, moved, correct_bias=False)
    return fitted.head._replace(thresholds=thresholds), fitted.left_out


def _untrained(ridge, features, predicates) -> JointHead:
    """What of a head is learned without judgments: the axes of the features, the scale of the cosines."""
    sample = features[:: max(1, len(features) // 4096)]
    centre = sample.mean(axis=0)
    with one_thread():
        variances, directions = np.linalg.eigh(np.cov(sample, rowvar=False))
    n_axes = min(_N_AXES, len(variances))
    axes = directions[:, ::-1][:, :n_axes] / np.sqrt(max(np.mean(variances[::-1][:n_axes]), 1e-12))
    similar = sample[:, : predicates.shape[1]] @ predicates.T
    cosines = np.stack([similar.mean(axis=0), np.maximum(similar.std(axis=0), 1e-6)])
    single = [np.asarray(a, dtype=np.float32) for a in (centre, axes, predicates, cosines)]
    return JointHead(ridge, *single, members={}, calibration=np.zeros(4))


def _inputs(head, features, log_odds):
    """What the network sees of every pair, rows first: `(inputs, axes, columns)`."""
    n_texts, n_predicates = log_odds.shape
    mean, deviation = head.cosines
    cosines = (features[:, : head.predicates.shape[1]] @ head.predicates.T - mean) / deviation
    halved = log_odds / 2  # of the size of the cosines
    total = np.logaddexp.reduce(log_odds, axis=1, keepdims=True)
    of_others = _others(halved, np.max), _others(halved, np.mean), _others(cosines, np.max)
    total = np.broadcast_to(total / 2, log_odds.shape)
    columns = (halved, *of_others[:2], cosines, of_others[2], np.tanh(halved), total)
    inputs = np.stack(columns, axis=-1).reshape(-1, len(columns)).astype(np.float32)
    axes = ((features - head.centre) @ head.axes).astype(np.float32)
    return inputs, np.repeat(axes, n_predicates, axis=0), np.tile(np.arange(n_predicates), n_texts)


def _others(values, reduce):
    """For each column the maximum or mean of the other columns; 0 if there are none."""
    if values.shape[1] == 1:
        return np.zeros_like(values)
    return np.stack([reduce(np.delete(values, k, axis=1), axis=1) for k in range(values.shape[1])], axis=1)


def _calibrate(log_odds, answers, weights) -> np.ndarray:
    """Slope, offset and the log-odds of two lapses that make left-out log-odds the best probabilities of yes.

    The link is a probit, since the head errs in the log-odds by a nearly normal amount. Lapses, at which the language
    model says no (or yes) whatever the text, keep a good head from being surer than the language model is reliable.
    """

    def objective(parameters):
        q = _calibrated(log_odds, [np.exp(parameters[0]), *parameters[1:]])
        fit = weights @ np.where(answers, np.log(q), np.log1p(-q))
        prior = parameters[0] ** 2 + parameters[1] ** 2 + 0.15 * np.sum((parameters[2:] - _LAPSE) ** 2)
        return _PRIOR * prior - fit

    start = np.asarray([0.0, 0.0, _LAPSE, _LAPSE])
    found = minimize(objective, start, method="L-BFGS-B", bounds=[(-2, 2), (-2, 2), (-9, -1), (-9, -1)]).x
    return np.asarray([np.exp(found[0]), *found[1:]])


def _calibrated(log_odds, calibration) -> np.ndarray:
    slope, offset, lapse_yes, lapse_no = calibration
    lapse_yes, lapse_no = expit(lapse_yes), expit(lapse_no)
    return lapse_yes + (1 - lapse_yes - lapse_no) * ndtr(_PROBIT * (slope * log_odds + offset))


def _log_odds(probabilities) -> np.ndarray:
    least = expit(-_MOST_LOG_ODDS)
    return logit(np.clip(probabilities, least, 1 - least))
