"""Coefficients: of a regression and a classification, from answers that err, and with predicates that are rare."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jax.flatten_util import ravel_pytree

from benchmarks.inference.scenarios import LEVEL, Found, covering, scenario
from benchmarks.simulated import answered, some
from nlparam.models import Classification, Regression
from nlparam.numerics.solvers.posterior import log_density
from nlparam.numerics.statistics.estimating import model_weights

ROW = "coefficient"


def regressed(rng, n_texts, n_labels, prevalence, right, n_predicates=1, *, naive=False) -> Found:
    """A number that rises by 1 where the first predicate holds, and by less for the others."""
    truth = np.linspace(1.0, -0.5, n_predicates)
    people = rng.random((n_texts, n_predicates)) < prevalence
    number = 0.5 + people @ truth + rng.normal(size=n_texts)
    judge = answered(rng, people, *right)
    if naive:
        low, high, value = _least_squares(judge, number)
        return covering(truth, low, high, figures={"estimate": float(value[0])})
    labels = some(rng, people, n_labels)
    known = np.isfinite(labels[:, 0])
    low, high, value, unsaid = corrected(Regression(n_predicates), judge, labels, number, np.eye(n_predicates + 1))
    alone_low, alone_high, _ = _least_squares(people[known], number[known])
    figures = {"estimate": float(value[0])}
    if np.isfinite(high - low).all():
        figures["width_ratio"] = float(np.mean((high - low) / (alone_high - alone_low)))
    return covering(truth, low, high, unsaid=unsaid, figures=figures)


def classified(rng, n_texts, n_labels, prevalence, right, n_predicates=2, n_classes=2, *, naive=False) -> Found:
    """Classes whose odds depend on the predicates."""
    scores = rng.choice([-0.8, 0.0, 1.0], (n_classes, n_predicates)) * (np.arange(n_classes) > 0)[:, None]
    people = rng.random((n_texts, n_predicates)) < prevalence
    logits = people @ scores.T + np.linspace(0.0, -0.5, n_classes)
    classes = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    judge = answered(rng, people, *right)
    # With two classes what a predicate adds to the log-odds of the second, else against the mean class.
    contrasts = np.array([[-1.0, 1.0]]) if n_classes == 2 else np.eye(n_classes) - 1 / n_classes
    truth = (contrasts @ scores).ravel()
    linear = np.kron(contrasts, np.eye(n_predicates))
    linear = np.hstack([linear, np.zeros((len(linear), n_classes))])
    labels = judge.astype(float) if naive else some(rng, people, n_labels)
    model = Classification(n_predicates, n_classes=n_classes)
    low, high, _, unsaid = corrected(model, judge, labels, classes, linear)
    return covering(truth, low, high, unsaid=unsaid)


def corrected(model: Any, judge: np.ndarray, labels: np.ndarray, data: np.ndarray, linear: np.ndarray):
    """The ends of the intervals of linear functions of the corrected weights, their values, and how many are unsaid."""
    prepared, _ = model.prepare(data, len(judge))
    columns = jnp.asarray(judge, jnp.float32)
    layers = [judge.astype(float), labels] if np.isnan(labels).any() else [labels]
    found = model_weights(model, _fit_weights(model, columns, prepared), layers, prepared)
    n = linear.shape[1]
    value = linear @ found.value[:n]
    error = np.sqrt(np.einsum("kp,pq,kq->k", linear, found.covariance[:n, :n], linear))
    half = scipy.stats.t.ppf((1 + LEVEL) / 2, found.freedom) * error
    undetermined = (np.abs(linear[:, ~found.determined[:n]]) > 1e-12).any(axis=1)
    half = np.where(undetermined, np.inf, half)
    return (value - half)[: _n_shown(linear)], (value + half)[: _n_shown(linear)], value, int(undetermined.sum())


def _n_shown(linear: np.ndarray) -> int:
    """Of a regression the last weight is the intercept, which is not looked at."""
    return len(linear) - 1 if linear.shape[0] == linear.shape[1] else len(linear)


def _least_squares(columns: np.ndarray, number: np.ndarray):
    from statsmodels.regression.linear_model import OLS

    fitted: Any = OLS(number, np.column_stack([np.ones(len(number)), columns])).fit(cov_type="HC1")
    low, high = np.asarray(fitted.conf_int(1 - LEVEL))[1:].T
    return low, high, np.asarray(fitted.params)[1:]


def _register() -> None:
    for name, about, world in (
        ("85", "the judge right for 85%", {"right": (0.85, 0.85), "prevalence": 0.5}),
        ("95", "the judge right for 95%", {"right": (0.95, 0.95), "prevalence": 0.5}),
        ("rare", "the judge right for 85%, prevalence 0.1", {"right": (0.85, 0.85), "prevalence": 0.1}),
        ("unequal", "the judge right for .8 and .95", {"right": (0.8, 0.95), "prevalence": 0.3}),
        ("k8", "8 predicates, 400 labels, the judge right for 85%", {"right": (0.85, 0.85), "prevalence": 0.3}),
        ("N100000", "100,000 texts, 200 labels, the judge right for 90%", {"right": (0.9, 0.9), "prevalence": 0.3}),
    ):
        sizes = {"k8": (3000, 400), "N100000": (100_000, 200)}.get(name, (600, 150))
        world |= {"n_texts": sizes[0], "n_labels": sizes[1], "n_predicates": 8 if name == "k8" else 1}
        scenario(ROW, f"regression, {about}", name=f"coefficient-regression-{name}", **world)(regressed)
    for n_classes in (2, 3):
        world = {"n_texts": 2000, "n_labels": 300, "prevalence": 0.3, "right": (0.85, 0.9), "n_classes": n_classes}
        about = f"classification, {n_classes} classes, 300 labels, the judge right for .85 and .9"
        scenario(ROW, about, name=f"coefficient-classes-{n_classes}", **world)(classified)
    for model in ("classification", "regression"):
        for n_texts in (300, 3000, 30_000, 100_000):
            about = f"posterior of a {model}, {n_texts:,} texts, prevalences of 2 to 50%, no errors"
            scenario("ridge", about, name=f"ridge-{model}-{n_texts}", model=model, n_texts=n_texts)(posterior)


def posterior(rng, model, n_texts) -> Found:
    """The posterior of a model that is right, by its Gaussian approximation at the fitted weights."""
    prevalences, truth = np.array([0.02, 0.05, 0.2, 0.5]), np.array([1.0, -1.0, 0.5, 0.0])
    held = (rng.random((n_texts, 4)) < prevalences).astype(np.float64)
    score = held @ truth - 0.5
    with jax.enable_x64(True):
        if model == "regression":
            asked, data = Regression(4), score + rng.normal(size=n_texts)
            linear = np.eye(5)[:4]
        else:
            asked, data = Classification(4), (rng.random(n_texts) < 1 / (1 + np.exp(-score))).astype(int)
            linear = np.hstack([-np.eye(4), np.eye(4), np.zeros((4, 2))])
        prepared, _ = asked.prepare(data, n_texts)
        columns = jnp.asarray(held)
        density = log_density(asked, _fit_weights(asked, columns, prepared), columns, prepared)
        peak = np.asarray(ravel_pytree(density.like)[0])
        information = -np.asarray(_curvature(density, jnp.asarray(peak)))
    covariance = np.linalg.inv(information)
    half = _NORMAL * np.sqrt(np.einsum("kp,pq,kq->k", linear, covariance, linear))
    value = linear @ peak
    return covering(truth, value - half, value + half)


@eqx.filter_jit
def _fit_weights(model, columns, data):
    return model.fit_weights(columns, data)


@eqx.filter_jit
def _curvature(density, peak):
    return jax.hessian(density)(peak)


_NORMAL = float(scipy.stats.norm.ppf((1 + LEVEL) / 2))
_register()
