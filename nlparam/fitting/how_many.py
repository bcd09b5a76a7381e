"""How many predicates there are, by what they tell about texts that did not choose them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Unpack

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.session import opened
from nlparam.errors import CorpusError
from nlparam.fitting.driver import search_and_fit
from nlparam.fitting.setup import FitArguments
from nlparam.fitting.split import folds
from nlparam.models import Classification, Difference, TimeSeries
from nlparam.numerics.core._types import Data
from nlparam.numerics.core.compiled import fitted
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.divide import Gain, HeldOut
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.select import select
from nlparam.numerics.statistics.text_losses import TextLosses
from nlparam.runtime.costs import Costs

MOST = 8
_N_FOLDS = 5
# So many distinct texts for each predicate that is tried.
_TEXTS_EACH = 5
# How many standard errors a number is behind the best that is clearly worse; how often texts are permuted.
_CLEARLY, _N_PERMUTED = 2.0, 20


class HowMany(NamedTuple):
    """`number` of predicates; for 1, 2, ... of them `gains`, what they tell of a text beyond the least number, in nats
    (of a regression, squared error in variances), with `errors`, the standard errors against the best of them; the
    `candidates` that were judged on the way, and the `costs`.
    """

    number: int
    gains: list[float]
    errors: list[float]
    candidates: list[str]
    costs: Costs


class _Told(NamedTuple):
    """What predicates tell of texts held out: of each, and on average where the answers belong to other texts."""

    per_text: np.ndarray
    by_chance: np.ndarray


def how_many(
    make_model: Callable[[int], AbstractPredicateModel],
    texts: Iterable[str],
    data: Any = None,
    *,
    most: int = MOST,
    **asked: Unpack[FitArguments],
) -> HowMany:
    """Chooses the number of predicates, from 1 to `most`: the least whose held-out texts are as likely as under any.

    One search for `most` predicates finds the candidates. Then for each number the model chooses among them on some
    texts, and is held against others: the ones that the search holds out, or in five folds. "As likely" is within
    two standard errors of the difference. A clustering is held against where the texts that were judged lie, by what
    the judge said of them: a head would repeat the embeddings. A difference is held against the groups by a logistic
    regression on its predicates.

    **Arguments:** `make_model` gives the model with so many predicates; the others as `nlparam.fit` takes them.

    **Raises:** `CorpusError` for fewer than ten distinct texts, and what `nlparam.fit` raises.
    """
    corpus = Corpus.from_texts(texts)
    most = min(most, len(corpus.distinct) // _TEXTS_EACH)
    if most < 2:
        raise CorpusError(
            f"got {len(corpus.distinct)} distinct texts, expected at least {2 * _TEXTS_EACH} to choose the number of "
            "predicates: give it with -k N"
        )
    of_search: FitArguments = {**asked, "inference": False, "judge": None}
    fit, found = search_and_fit(make_model(most), corpus.texts, data, **of_search)
    pool, seed = found.pool, asked.get("seed", 0)
    columns = pool.usable()
    candidates = [pool.predicates[column] for column in columns]
    if fit.model.assigns_texts:
        told = _of_clustering(make_model, most, fit, found, seed)
    else:
        with opened(asked.get("store"), ":memory:") as store:
            features = fit.denoter.features_of(corpus, store=store)
        denotations = corpus.spread(pool.head(columns).head.denote(features))
        held_out = None if fit.sample is None or not fit.sample.split else fit.sample.eligible
        if held_out is not None:
            parts = [(np.flatnonzero(~held_out & ~corpus.blank), np.flatnonzero(held_out & ~corpus.blank))]
        else:
            clusters = None if fit.sample is None else fit.sample.clusters
            left_out = folds(corpus, clusters, _N_FOLDS, np.random.default_rng([seed, 4]))
            parts = [(np.setdiff1d(np.flatnonzero(~corpus.blank), fold), fold) for fold in left_out]
        told = told_of_data([make_model(k) for k in range(1, most + 1)], denotations, data, parts, seed=seed)
    return HowMany(*_least(told), candidates, fit.costs)


def _least(told: list["_Told"]) -> tuple[int, list[float], list[float]]:
    """The least number that is not clearly worse than the best; the gains over the first, and the errors."""
    means = [one.per_text.mean() - one.by_chance.mean() for one in told]
    best = int(np.argmax(means))
    errors = []
    for one in told:
        sampled = Gain(told[best].per_text - one.per_text).standard_error
        # What chance tells is a mean over permutations, which is as sure as their number makes it.
        by_chance = told[best].by_chance - one.by_chance
        drawn = np.std(by_chance) / len(by_chance) ** 0.5
        errors.append(float(np.hypot(sampled, drawn)))
    least = next(n for n, mean in enumerate(means) if means[best] - mean <= _CLEARLY * errors[n])
    return least + 1, [float(mean - means[0]) for mean in means], errors


def _of_clustering(make_model, most, fit, found, seed) -> list[_Told]:
    """What 1, 2, ... clusters tell of the places of the texts that were judged for all that were chosen."""
    pool = found.pool
    rows = np.flatnonzero(np.isfinite(pool.answers[:, found.chosen]).all(axis=1))
    columns = [column for column in pool.usable() if np.isfinite(pool.answers[rows, column]).all()]
    judged = pool.answers[np.ix_(rows, columns)].astype(np.float64)
    # The features of a text begin with where it lies under the goal.
    targets = pool.features[rows][:, : fit.denoter.features.directions.shape[1]]
    # Many parts fit texts that lie unevenly a little better whatever the parts are: the same for all numbers.
    orders = [np.random.default_rng([seed, 5, draw]).permutation(len(rows)) for draw in range(_N_PERMUTED)]
    told, held_out = [], HeldOut(targets, seed=seed)
    for k in range(1, most + 1):
        chosen = select(make_model(k), to_device(judged, float), key=jax.random.key(seed)).chosen
        columns_of_k = judged[:, chosen[chosen >= 0]]
        by_chance = [held_out.gain(columns_of_k[order]).mean for order in orders]
        told.append(_Told(held_out.gain(columns_of_k).per_text, np.asarray(by_chance)))
    return told


def told_of_data(
    models: Sequence[AbstractPredicateModel],
    denotations: np.ndarray,
    data: Any,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    seed: int = 0,
) -> list[_Told]:
    """The log-likelihood of what texts held out have, under each of some models.

    **Arguments:** `denotations`, `(n_texts, n_candidates)`, of the candidates; `parts`, the texts that choose and those
    that are held out, once or for each fold.
    """
    n_texts = len(denotations)
    told = []
    for model in models:
        prepared, _ = model.prepare(data, n_texts)
        values = [_held_out(model, denotations, prepared, chose, held, seed) for chose, held in parts]
        told.append(_Told(np.concatenate(values), np.zeros(1)))
    return told


def _held_out(model, denotations, data, chose, held, seed) -> np.ndarray:
    n_texts = len(denotations)
    part, learned = model.subsample(data, to_device(chose), n_texts)
    chosen = select(part, to_device(denotations[chose], float), learned, key=jax.random.key(seed)).chosen
    columns = np.where(chosen[None, :] < 0, 0.0, denotations[:, chosen])
    if isinstance(model, Difference):
        # Its own loss is a mean over predicates, each by itself: it never falls with their number.
        model = Classification(n_predicates=model.n_predicates, n_classes=2, ridge=model.ridge)
        data, _ = model.prepare(np.asarray(data.second), n_texts)
        part, learned = model.subsample(data, to_device(chose), n_texts)
    weights = fitted(part, to_device(columns[chose], float), learned).weights
    if isinstance(model, TimeSeries):
        step = np.asarray(data.step)[held]
        scores = np.asarray(weights.log_odds)[step] * columns[held]
        return scores.sum(axis=1) - np.asarray(weights.log_partition)[step]
    rest, other = model.subsample(data, to_device(held), n_texts)
    return -np.asarray(_losses(rest, weights, to_device(columns[held], float), other))


@eqx.filter_jit
def _losses(model: AbstractPredicateModel, weights: Any, denotations: Any, data: Data):
    return TextLosses(model, data, lambda theta: theta, len(denotations))(
        weights, denotations, jnp.arange(len(denotations))
    )
