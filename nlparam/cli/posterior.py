"""`--posterior`: samples of the weights in the folder of a fit, and credible intervals in its report."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlparam.cli.output import print_warnings
from nlparam.errors import FitFolderError

if TYPE_CHECKING:
    from nlparam.progress import Progress
    from nlparam.report.quantities import Intervals
    from nlparam.solution import Fit

_SAMPLES = "posterior.nc"
_OF = "fit"  # the attribute that says of which fit the samples are


def sample_posterior(fit: "Fit", method: str, out: Path, *, seed: int, progress: "Progress") -> "Intervals":
    """Samples the weights, keeps the samples in the folder `out`, and puts credible intervals into its report."""
    from nlparam.posterior import credible_intervals
    from nlparam.report import PROBABILITY

    samples = fit.posterior(method=method, seed=seed, progress=progress)
    samples["posterior"].attrs[_OF] = _digest(fit)
    path = out / _SAMPLES
    partial = path.with_suffix(".partial.nc")
    try:
        samples.to_netcdf(str(partial), engine="h5netcdf")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise FitFolderError(f"{path} cannot be written ({error}): change the permissions of the folder") from error
    fit.report(out / "report.html", posterior=samples)
    return credible_intervals(samples, probability=PROBABILITY)


def forget_posterior(out: Path) -> None:
    """Removes the samples of a fit that the folder held before."""
    (out / _SAMPLES).unlink(missing_ok=True)


def kept_posterior(fit: "Fit", out: Path) -> Any:
    """The samples in the folder `out` of `fit`, or `None` if there are none of this fit.

    Raises `FitFolderError` if they cannot be read.
    """
    path = out / _SAMPLES
    if not path.exists():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # ArviZ announces its next version at import
        import arviz

    try:
        samples = arviz.from_netcdf(str(path), engine="h5netcdf")
        of = samples["posterior"].attrs.get(_OF)
    except (OSError, ValueError, KeyError) as error:
        raise FitFolderError(
            f"{path} cannot be read ({error}): delete it, or fit again with --posterior and --overwrite"
        ) from error
    if of != _digest(fit):
        print_warnings([f"{path} is the posterior of another fit and is left out: sample it anew with --posterior"])
        return None
    return samples


def _digest(fit: "Fit") -> str:
    """The content address of everything that the posterior of a fit depends on."""
    import numpy as np

    from nlparam.run import describe_model

    described = [describe_model(fit.model), fit.predicates, fit.settings.get("corpus")]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    digest.update(np.ascontiguousarray(fit.denotations, dtype=np.float32).tobytes())
    return digest.hexdigest()
