"""Time series: SciPy's optimum, both forms of the normaliser, planted curves, and the chain solver behind it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from nlparam.models import TimeSeries, TimeSeriesData, TimeSeriesWeights
from nlparam.numerics.core.normaliser import expectations, moments, total_log_partition
from nlparam.numerics.solvers.block_tridiagonal import invert, solve_chain
from tests.helpers.compiled import fit_weights


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def problem(rng, *, n_texts=120, n_steps=15, n_predicates=2, binary=True):
    columns = rng.random((n_texts, n_predicates))
    data = TimeSeriesData(
        jnp.asarray(rng.integers(n_steps, size=n_texts)), jnp.asarray(rng.uniform(0.5, 3, n_steps - 1))
    )
    return jnp.asarray((columns < 0.4).astype(float) if binary else columns), data


def plain_loss(weights, columns, data, smoothness):
    """The definition, written with a table of all steps and texts."""
    scores = weights @ columns.T
    log_probabilities = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    chosen = log_probabilities[np.asarray(data.step), np.arange(len(columns))]
    drift = np.sum(np.diff(weights, axis=0) ** 2 / np.asarray(data.gap)[:, None])
    return -np.mean(chosen) + smoothness / (2 * len(columns)) * drift


@pytest.mark.slow
@pytest.mark.parametrize("binary", [True, False])
def test_the_loss_is_its_definition(rng, binary):
    columns, data = problem(rng, binary=binary)
    weights = rng.normal(size=(15, 2))
    model = TimeSeries(2, smoothness=3.0).specialise(columns)
    assert model.binary == binary
    expected = plain_loss(weights, np.asarray(columns), data, 3.0)
    np.testing.assert_allclose(model.loss(TimeSeriesWeights(jnp.asarray(weights)), columns, data), expected, rtol=1e-10)


@pytest.mark.slow
def test_parity_is_the_objective_of_the_papers_code(rng):
    columns, data = problem(rng)
    weights = rng.normal(size=(15, 2))
    without_drift = plain_loss(weights, np.asarray(columns), data, 0.0)
    expected = without_drift + np.mean(np.diff(weights, axis=0) ** 2)
    found = TimeSeries(2, parity=True).loss(TimeSeriesWeights(jnp.asarray(weights)), columns, data)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("binary", [True, False])
def test_the_optimum_is_that_of_scipy(rng, binary):
    columns, data = problem(rng, binary=binary)
    model = TimeSeries(2, smoothness=2.0).specialise(columns)

    def value(flat):
        return model.loss(TimeSeriesWeights(flat.reshape(15, 2)), columns, data)

    reference = minimize(
        jax.jit(value), np.zeros(30), jac=jax.jit(jax.grad(value)), method="BFGS", options={"gtol": 1e-9}
    )
    weights = fit_weights(model, columns, data)
    np.testing.assert_allclose(model.loss(weights, columns, data), reference.fun, rtol=1e-9)
    np.testing.assert_allclose(weights.log_odds.ravel(), reference.x, atol=1e-4)
    assert float(jnp.max(jnp.abs(jax.grad(value)(weights.log_odds.ravel())))) < 1e-7


@pytest.mark.slow
def test_steps_without_texts_are_bridged(rng):
    columns, data = problem(rng, n_steps=10)
    keep = (data.step < 3) | (data.step > 6)
    data = TimeSeriesData(data.step[keep], jnp.ones(9))
    weights = fit_weights(TimeSeries(2), columns[keep], data).log_odds
    # Between two steps with texts, the smoothest path is a straight line.
    np.testing.assert_allclose(np.diff(weights[2:8], axis=0), np.tile(weights[3] - weights[2], (5, 1)), atol=1e-5)


@pytest.mark.slow
def test_a_planted_rise_is_found(rng):
    n_steps, per_step = 40, 50
    step = np.repeat(np.arange(n_steps), per_step)
    chance = 0.1 + 0.8 * np.arange(n_steps) / n_steps
    columns = jnp.asarray(np.column_stack([rng.random(len(step)) < chance[step], rng.random(len(step)) < 0.5]), float)
    data = TimeSeriesData(jnp.asarray(step), jnp.ones(n_steps - 1))
    model = TimeSeries(2, smoothness=20.0).specialise(columns)
    weights = fit_weights(model, columns, data)
    prevalence = np.asarray(model.prevalence(weights, columns))
    assert np.corrcoef(prevalence[:, 0], chance)[0, 1] > 0.98
    assert np.max(np.abs(prevalence[:, 0] - chance)) < 0.15
    assert np.ptp(prevalence[:, 1]) < 0.25


@pytest.mark.slow
def test_many_fits_at_once_are_the_fits_one_by_one(rng):
    columns, data = problem(rng)
    pools = jnp.stack([columns, 1 - columns, columns[::-1]])
    model = TimeSeries(2, binary=True)
    loss = jax.jit(lambda columns: model.profile_loss(columns, data))
    np.testing.assert_allclose(jax.vmap(loss)(pools), [loss(pool) for pool in pools], rtol=1e-8)


@pytest.mark.slow
def test_gradient_in_the_denotations_matches_finite_differences(rng):
    columns, data = problem(rng, n_texts=20, n_steps=4, binary=False)
    model, weights = TimeSeries(2), TimeSeriesWeights(jnp.asarray(rng.normal(size=(4, 2))))
    gradient = jax.grad(lambda d: model.loss(weights, d, data))(columns)
    for i, k in [(0, 0), (7, 1), (19, 0)]:
        step = jnp.zeros_like(columns).at[i, k].set(1e-6)
        slope = (model.loss(weights, columns + step, data) - model.loss(weights, columns - step, data)) / 2e-6
        np.testing.assert_allclose(gradient[i, k], slope, rtol=1e-5, atol=1e-10)


@pytest.mark.slow
@given(st.sampled_from([(1, 1), (1, 5), (2, 3), (7, 1), (12, 10)]), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_the_chain_solver_solves(shape, seed):
    (n_steps, n), rng = shape, np.random.default_rng(seed)
    coupling = rng.uniform(0.1, 2, n_steps - 1)
    both = np.pad(coupling, (1, 0)) + np.pad(coupling, (0, 1))
    roots = rng.normal(size=(n_steps, n, n))
    blocks = roots @ roots.transpose(0, 2, 1) + (both + 0.1)[:, None, None] * np.eye(n)
    full = np.zeros((n_steps * n, n_steps * n))
    for t in range(n_steps):
        full[t * n : (t + 1) * n, t * n : (t + 1) * n] = blocks[t]
        if t + 1 < n_steps:
            off = -coupling[t] * np.eye(n)
            full[t * n : (t + 1) * n, (t + 1) * n : (t + 2) * n] = off
            full[(t + 1) * n : (t + 2) * n, t * n : (t + 1) * n] = off
    right = rng.normal(size=(n_steps, n))
    found = jax.jit(solve_chain)(jnp.asarray(blocks), jnp.asarray(coupling), jnp.asarray(right))
    np.testing.assert_allclose(np.asarray(found).ravel(), np.linalg.solve(full, right.ravel()), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n", [1, 5, 12])
def test_inverse_of_a_positive_definite_matrix(rng, n):
    root = rng.normal(size=(n, n))
    matrix = root @ root.T + np.eye(n)
    np.testing.assert_allclose(invert(jnp.asarray(matrix)) @ matrix, np.eye(n), atol=1e-9)


@pytest.mark.slow
def test_a_large_corpus_is_normalised_by_a_sample(rng):
    columns, data = problem(rng, n_texts=6000, binary=False)
    exact = TimeSeries(2, max_rows=6000)
    sampled = TimeSeries(2, max_rows=2000)
    weights, estimated = fit_weights(exact, columns, data), fit_weights(sampled, columns, data)
    # The loss is that of the whole corpus up to the error of a mean over 2000 texts, and so are the weights.
    np.testing.assert_allclose(sampled.loss(weights, columns, data), exact.loss(weights, columns, data), atol=0.02)
    np.testing.assert_allclose(estimated.log_odds, weights.log_odds, atol=0.15)
    paper = TimeSeries(2, max_rows=2000, parity=True)
    np.testing.assert_allclose(
        paper.loss(weights, columns, data), TimeSeries(2, parity=True).loss(weights, columns, data)
    )


@pytest.mark.slow
def test_a_sample_of_the_texts_keeps_the_balance_of_likelihood_and_smoothness(rng):
    columns, data = problem(rng, n_texts=4000)
    model = TimeSeries(2, smoothness=200.0)
    rows = jnp.asarray(np.sort(rng.choice(4000, 1000, replace=False)))
    part, part_data = model.subsample(data, rows, 4000)
    assert part.smoothness == 50.0
    whole = fit_weights(model, columns, data).log_odds
    np.testing.assert_allclose(fit_weights(part, columns[rows], part_data).log_odds, whole, atol=0.35)


def test_a_curve_counts_the_texts_for_which_a_predicate_holds(rng):
    rising = np.linspace(0.05, 0.6, 12)
    step = np.repeat(np.arange(12), 200)
    truth = np.stack([rising, rising[::-1]], axis=1)
    held = rng.random((2400, 2)) < truth[step]
    # Chances as a head gives them: right from 0.5 on, and never sure that a predicate does not hold.
    chances = jnp.asarray(np.where(held, rng.uniform(0.5, 0.9, held.shape), rng.uniform(0.1, 0.49, held.shape)))
    data = TimeSeriesData(jnp.asarray(step), jnp.ones(11))
    for model in (TimeSeries(2), TimeSeries(2, max_rows=800)):
        weights = model.fit_weights(chances, data)
        curves, mean_chances = model.prevalence(weights, chances), moments(weights.log_odds, *model._rows(chances)).mean
        wrong, wrong_before = (np.abs(np.asarray(found) - truth).mean() for found in (curves, mean_chances))
        assert wrong < 0.07
        assert wrong < wrong_before / 2
        assert np.corrcoef(np.asarray(curves)[:, 0], rising)[0, 1] > 0.95


def test_expectations_are_those_of_the_table(rng):
    vectors, rows, values = (jnp.asarray(rng.normal(size=shape)) for shape in ((7, 3), (600, 3), (600, 2)))
    log_counts = jnp.asarray(rng.random(600))
    expected = jax.nn.softmax(vectors @ rows.T + log_counts, axis=1) @ values
    np.testing.assert_allclose(expectations(vectors, rows, values, log_counts), expected, rtol=1e-10)


@pytest.mark.slow
def test_the_preconditioner_whitens_the_walk(rng):
    columns, data = problem(rng, binary=False)
    apply = TimeSeries(2, smoothness=50.0).preconditioner(columns, data)
    shape = (15, 2)

    def moved(flat):
        return apply(TimeSeriesWeights(flat.reshape(shape))).log_odds.ravel()

    matrix = np.asarray(jax.jit(jax.jacobian(moved))(jnp.zeros(30)))
    sizes = np.bincount(np.asarray(data.step), minlength=15) / len(columns)
    coupling = 50.0 / len(columns) / np.asarray(data.gap)
    chain = np.diag(sizes * float(jnp.mean(jnp.var(columns, axis=0))))
    for t, c in enumerate(coupling):
        chain[t : t + 2, t : t + 2] += c * np.asarray([[1, -1], [-1, 1]])
    np.testing.assert_allclose(matrix.T @ np.kron(chain, np.eye(2)) @ matrix, np.eye(30), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("n_vectors", [1, 7, 5000])
def test_the_normaliser_and_its_gradient_are_those_of_the_table(rng, n_vectors):
    vectors, rows = jnp.asarray(rng.normal(size=(n_vectors, 3))), jnp.asarray(rng.random((600, 3)))
    sizes, log_counts = jnp.asarray(rng.random(n_vectors)), jnp.asarray(np.log(rng.integers(1, 5, 600)), float)

    @jax.jit
    def table(vectors, rows):
        return sizes @ jax.scipy.special.logsumexp(vectors @ rows.T + log_counts, axis=1)

    @jax.jit
    def blocks(vectors, rows):
        return total_log_partition(vectors, sizes, rows, log_counts)

    np.testing.assert_allclose(blocks(vectors, rows), table(vectors, rows), rtol=1e-12)
    expected = jax.grad(table, argnums=(0, 1))(vectors, rows)
    for found, truth in zip(jax.grad(blocks, argnums=(0, 1))(vectors, rows), expected, strict=True):
        np.testing.assert_allclose(found, truth, atol=1e-12 * n_vectors)
    found = jax.jit(moments)(vectors, rows, log_counts)
    np.testing.assert_allclose(found.mean[0], jax.nn.softmax(rows @ vectors[0] + log_counts) @ rows, rtol=1e-10)
