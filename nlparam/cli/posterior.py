"""`--posterior`: samples of the weights in the folder of a fit, and credible intervals in its report."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlparam.errors import FitFolderError

if TYPE_CHECKING:
    from nlparam.progress import Progress
    from nlparam.report.quantities import Intervals
    from nlparam.solution import Fit

_SAMPLES = "posterior.nc"


def sample_posterior(fit: "Fit", method: str, out: Path, *, seed: int, progress: "Progress") -> "Intervals":
    """Samples the weights, keeps the samples in the folder `out`, and puts credible intervals into its report."""
    from nlparam.posterior import credible_intervals
    from nlparam.report import PROBABILITY

    samples = fit.posterior(method=method, seed=seed, progress=progress)
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


def kept_posterior(out: Path) -> Any:
    """The samples in the folder of a fit, or `None` if there are none.

    Raises `FitFolderError` if they cannot be read.
    """
    path = out / _SAMPLES
    if not path.exists():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # ArviZ announces its next version at import
        import arviz

    try:
        return arviz.from_netcdf(str(path), engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise FitFolderError(
            f"{path} cannot be read ({error}): delete it, or fit again with --posterior and --overwrite"
        ) from error
