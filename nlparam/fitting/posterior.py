"""The posterior of a fit's weights as an ArviZ object: how sure the data make us of what the model says."""

import hashlib
import json
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlparam.denotation.labels import Labelled
from nlparam.errors import (
    CorpusError,
    FitWarning,
    ModelError,
    ResultFolderError,
    check_at_least,
    check_fractions,
    check_one_of,
)
from nlparam.results.folder import read_json
from nlparam.runtime.files import replacing, writable
from nlparam.runtime.progress import Progress

if TYPE_CHECKING:
    import arviz

    from nlparam.fitting.records import FitLike
    from nlparam.numerics.core.quantities import Quantity
    from nlparam.numerics.solvers.posterior import Draws

# The file of samples in the folder of a fit, and the attribute that says of which fit they are.
SAMPLES, OF = "posterior.nc", "fit"

# Above this, chains that began apart have not come together (Vehtari et al., 2021, advise 1.01 for final results).
_LARGEST_R_HAT = 1.05

# Fewer labels of a predicate say nothing of the errors of its denotations.
_LEAST_LABELS = 30

# What ArviZ calls the statistics of NumPyro's sampler.
_STATISTICS = {
    "diverging": "diverging",
    "num_steps": "n_steps",
    "accept_prob": "acceptance_rate",
    "energy": "energy",
}


class Interval(NamedTuple):
    """The posterior mean of a quantity and the ends of its credible interval; arrays of the shape of the quantity."""

    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def posterior(
    fit: "FitLike",
    *,
    labels: "str | Path | Labelled | None" = None,
    num_samples: int = 1000,
    num_warmup: int = 500,
    num_chains: int = 1,
    method: str = "nuts",
    seed: int = 0,
    progress: Progress | None = None,
) -> "arviz.InferenceData":
    """Draws from the posterior of the weights of a fit, its predicates taken as given.

    Without `labels` the denotations are taken as given too, and the weights are meant as the language model sees the
    texts. With them they are meant as people see the texts, and the errors of the denotations are part of the
    posterior: see `nlparam.numerics.solvers.latent`.

    The density is the model's `log_joint`. A model without `has_prior` is given a weak one: Gaussian, with a standard
    deviation of ten times the largest fitted weight of the same array, at least 10.

    **Arguments:**

    - `labels`: people's labels of some texts, drawn at random, or a file of them (fields `text`, `predicate`, `label`);
      for a `Regression` or a `Classification` of at most eight predicates. Denotations are taken as yes or no.
    - `num_samples`: draws that are kept, of each chain.
    - `num_warmup`: draws that adapt the sampler and are thrown away; for `"svi"` steps of the optimisation.
    - `num_chains`: `"nuts"` only; with two or more their agreement is checked (R-hat).
    - `method`: `"nuts"`, exact up to the number of draws, or `"svi"`, a Gaussian fitted by variational inference, which
      is faster where one evaluation of the model is slow.
    - `seed`: equal seeds give equal draws.

    **Returns:** an `arviz.InferenceData`. Its group `posterior` has the weights and every entry of `fit.quantities()`
    that depends on them, with the dimensions "chain" and "draw" and those of the quantity, named by predicates,
    classes and times; with `labels` also `true_share`, `sensitivity` and `specificity` of each predicate. Its
    attributes say how it was made, and its `target`, "judge" or "people". With `"nuts"` there is the group
    `sample_stats`.

    **Raises:** `ModelError` if the weights have no density (those of a clustering, and the objectives of `parity=True`)
    or it is not finite, `CorpusError` for labels that say too little. Warns (`FitWarning`) of divergences and of chains
    that disagree.
    """
    import jax

    from nlparam.numerics.core import compiled
    from nlparam.numerics.core.device import to_device
    from nlparam.numerics.solvers.posterior import METHODS, sample_posterior

    check_one_of(METHODS, method=method)
    check_at_least(1, num_samples=num_samples, num_warmup=num_warmup, num_chains=num_chains)
    if method == "svi" and num_chains != 1:
        raise ValueError(f"got num_chains={num_chains} for method='svi', which has no chains: leave it at 1")
    if getattr(fit.model, "parity", False):
        raise ModelError(
            f"{type(fit.model).__name__}(parity=True) states the objective of the paper's code, whose penalty is no "
            "prior: fit it with parity=False for a posterior"
        )
    progress = Progress() if progress is None else progress
    with progress.task(f"sampling the posterior ({method})", None):
        given = (fit.model, fit.weights, fit.denotations, fit.data) if labels is None else _latent(fit, labels)
        draws = sample_posterior(
            *given,
            method=method,
            num_samples=num_samples,
            num_warmup=num_warmup,
            num_chains=num_chains,
            key=jax.random.key(seed),
        )
    _warn(draws)
    made = {
        "model": type(fit.model).__name__,
        "goal": str(fit.settings.get("goal", "")),
        "target": "judge" if labels is None else "people",
        "method": method,
        "num_samples": num_samples,
        "num_warmup": num_warmup,
        "num_chains": num_chains,
        "divergences": int(draws.statistics.get("diverging", np.zeros(())).sum()),
        "seed": seed,
    }
    model, weights, denotations, data = given
    described = compiled.quantities(model, weights, to_device(denotations), data)
    if labels is not None:
        draws = draws._replace(weights=draws.weights.weights)
    return _inference_data(fit, draws, described, made)


def _latent(fit: "FitLike", labels: "str | Path | Labelled") -> tuple[Any, Any, Any, Any]:
    """The model with latent denotations, its weights of the highest density, the answers, and its data."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from nlparam.numerics.solvers.latent import Latent, LatentData

    model = Latent(len(fit.predicates), fit.model)
    labelled = Labelled.given(labels, fit.corpus.texts)
    matrix = fit.corpus.spread(labelled.matrix(fit.corpus.distinct, fit.predicates), fill=np.nan)
    for predicate, column in zip(fit.predicates, matrix.T, strict=True):
        n_yes, n_no = int(np.sum(column > 0.5)), int(np.sum(column < 0.5))
        if n_yes + n_no < _LEAST_LABELS or not (n_yes and n_no):
            raise CorpusError(
                f"{predicate!r} has {n_yes} labels that say yes and {n_no} that say no, expected some of each and at "
                f"least {_LEAST_LABELS} together: the errors of the denotations cannot be said from these"
            )
    known = np.select([matrix > 0.5, matrix < 0.5], [1.0, 0.0], -1.0)
    with jax.enable_x64(True):
        answers = jnp.asarray(np.asarray(fit.denotations) > 0.5, float)
        data = LatentData(jax.tree.map(jnp.asarray, fit.data), jnp.asarray(known))
        return model, eqx.filter_jit(model.fit_weights)(answers, data), answers, data


def credible_intervals(inference_data: "arviz.InferenceData", *, probability: float = 0.9) -> dict[str, Interval]:
    """The mean and the equal-tailed credible interval of everything in the group `posterior`, by name.

    **Raises:** `ValueError` unless `0 < probability < 1`.
    """
    check_fractions(probability=probability)
    tails = ((1 - probability) / 2, (1 + probability) / 2)
    intervals = {}
    for name, draws in inference_data["posterior"].data_vars.items():
        values = draws.transpose("chain", "draw", ...).to_numpy()
        lower, upper = np.quantile(values, tails, axis=(0, 1))
        intervals[str(name)] = Interval(values.mean(axis=(0, 1)), lower, upper)
    return intervals


def _warn(draws: "Draws") -> None:
    import jax
    from numpyro.diagnostics import split_gelman_rubin

    diverging = draws.statistics.get("diverging")
    if diverging is not None and diverging.any():
        warnings.warn(
            f"{diverging.sum()} of {diverging.size} draws of the posterior diverged: there are places that the sampler "
            "cannot follow, and intervals may be too narrow; try num_warmup=2000, or check `log_joint` of the model",
            FitWarning,
            stacklevel=4,
        )
    leaves = [leaf for leaf in jax.tree.leaves(draws.weights) if leaf.size]
    if len(leaves[0]) > 1 and leaves[0].shape[1] >= 4:
        largest = max(float(np.max(split_gelman_rubin(leaf))) for leaf in leaves)
        if not largest <= _LARGEST_R_HAT:
            warnings.warn(
                f"the chains disagree (R-hat up to {largest:.2f}, expected at most {_LARGEST_R_HAT}): take more draws "
                "(num_warmup=, num_samples=); where it stays so, the posterior has several peaks",
                FitWarning,
                stacklevel=4,
            )


def _inference_data(
    fit: "FitLike", draws: "Draws", described: "dict[str, Quantity]", made: dict[str, Any]
) -> "arviz.InferenceData":
    import numpyro

    from nlparam.numerics.core.quantities import named_leaves

    arviz = _arviz()
    coords = {"predicate": _unique(fit.predicates)} | {dim: _values(dim, names) for dim, names in fit.coords.items()}
    lengths = {dim: len(values) for dim, values in coords.items()}
    # A number that the weights do not change (such as a plain difference of shares) has no posterior.
    quantities = {name: values for name, values in draws.quantities.items() if _varies(values)}
    dims = {name: list(described[name].dims) for name in quantities}
    weights = {}
    for name, values in named_leaves(draws.weights).items():
        if name not in described:
            weights[name] = values
            dims[name] = _weight_dims(name, values.shape[2:], lengths)
    statistics = {_STATISTICS[name]: values for name, values in draws.statistics.items() if name in _STATISTICS}
    if draws.statistics:
        statistics["lp"] = -draws.statistics["potential_energy"]
        statistics["tree_depth"] = np.log2(draws.statistics["num_steps"]).astype(int) + 1
    used = {dim for names in dims.values() for dim in names}
    attributes = made | {"inference_library": "numpyro", "inference_library_version": numpyro.__version__}
    return arviz.from_dict(
        posterior=weights | quantities,
        sample_stats=statistics or None,
        coords={dim: values for dim, values in coords.items() if dim in used},
        dims=dims,
        posterior_attrs=attributes,
        sample_stats_attrs=attributes,
    )


def _arviz():
    with warnings.catch_warnings():
        # ArviZ announces its next version once a day; requirements keep it below that.
        warnings.simplefilter("ignore", FutureWarning)
        import arviz
    return arviz


def _unique(names: list[str]) -> list[str]:
    """Names in which a repeated one is numbered: labels of an axis must differ."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _values(dim: str, names: list) -> np.ndarray | list:
    if dim == "step" and names and isinstance(names[0], str):
        return np.asarray(names, dtype="datetime64[s]")
    return names


def _varies(values: np.ndarray) -> bool:
    flat = values.reshape(values.shape[0] * values.shape[1], -1)
    return bool(np.any(flat != flat[:1]))


def _weight_dims(name: str, shape: tuple[int, ...], lengths: dict[str, int]) -> list[str]:
    """An axis is named after the one dimension that has its length; where several have, or none, after the weight."""
    dims = []
    for axis, length in enumerate(shape):
        fitting = [dim for dim, size in lengths.items() if size == length]
        single = len(fitting) == 1 and shape.count(length) == 1
        dims.append(fitting[0] if single else f"{name}_{axis}")
    return dims


def keep_posterior(fit: "FitLike", samples: "arviz.InferenceData", folder: str | Path) -> None:
    """Keeps the samples in the folder of the fit. Raises `ResultFolderError` if that cannot be written."""
    path = Path(folder) / SAMPLES
    samples["posterior"].attrs[OF] = posterior_digest(fit)
    with writable(path, "change the permissions of the folder"), replacing(path) as partial:
        samples.to_netcdf(str(partial), engine="h5netcdf")


def kept_posterior(fit: "FitLike", folder: str | Path) -> Any:
    """The samples in the folder of `fit`, or `None` if there are none of this fit.

    Raises `ResultFolderError` if they cannot be read.
    """
    path = Path(folder) / SAMPLES
    if not path.exists():
        return None
    try:
        samples = _arviz().from_netcdf(str(path), engine="h5netcdf")
        of = samples["posterior"].attrs.get(OF)
    except (OSError, ValueError, KeyError) as error:
        raise ResultFolderError(
            f"{path} cannot be read ({error}): delete it, or fit again with --posterior and --overwrite"
        ) from error
    # A fit of an earlier format has its model in other words, which the samples were marked with.
    if of not in (
        posterior_digest(fit),
        posterior_digest(fit, read_json(Path(folder) / "fit.json", again="")["fields"]),
    ):
        warnings.warn(
            f"{path} is the posterior of another fit and is left out: sample it anew with --posterior",
            FitWarning,
            stacklevel=2,
        )
        return None
    return samples


def posterior_digest(fit: "FitLike", fields: dict[str, Any] | None = None) -> str:
    """The content address of everything that the posterior of a fit depends on.

    `fields` are those of the model as its file has them, by default as they would be written today.
    """
    from nlparam.fitting.folder import describe_model

    model = describe_model(fit.model)
    if fields is not None:
        model["fields"] = fields | {"n_predicates": len(fit.predicates)}
    described = [model, fit.predicates, fit.settings.get("corpus")]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    digest.update(np.ascontiguousarray(fit.denotations, dtype=np.float32).tobytes())
    return digest.hexdigest()
