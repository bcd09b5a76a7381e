"""`--posterior`: samples of the weights in the folder of a fit, and credible intervals in its report."""

from pathlib import Path
from typing import TYPE_CHECKING

from nlparam.errors import ResultFolderError

if TYPE_CHECKING:
    from nlparam.fitting.result import Fit
    from nlparam.results.page.quantities import Intervals
    from nlparam.runtime.progress import Progress


def sample_posterior(fit: "Fit", method: str, out: Path, *, seed: int, progress: "Progress") -> "Intervals":
    """Samples the weights, keeps the samples in the folder `out`, and puts credible intervals into its report."""
    from nlparam.fitting.posterior import OF, SAMPLES, credible_intervals, posterior_digest
    from nlparam.results.page.quantities import PROBABILITY

    samples = fit.posterior(method=method, seed=seed, progress=progress)
    samples["posterior"].attrs[OF] = posterior_digest(fit)
    path = out / SAMPLES
    partial = path.with_suffix(".partial.nc")
    try:
        samples.to_netcdf(str(partial), engine="h5netcdf")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ResultFolderError(f"{path} cannot be written ({error}): change the permissions of the folder") from error
    fit.report(out / "report.html", posterior=samples)
    return credible_intervals(samples, probability=PROBABILITY)


def forget_posterior(out: Path) -> None:
    """Removes the samples of a fit that the folder held before."""
    from nlparam.fitting.posterior import SAMPLES

    (out / SAMPLES).unlink(missing_ok=True)
