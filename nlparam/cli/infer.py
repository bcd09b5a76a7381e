"""`nlparam infer`: what a fit lets one say, as the language model sees it or as people do."""

from pathlib import Path

from nlparam.cli import options as shared
from nlparam.cli.options import argument, option
from nlparam.cli.output import print_json, starting


def infer(
    folder: Path = argument("The --out folder of a fit."),
    labels: Path | None = shared.LABELS,
    confidence: float = option(0.9, "How often such intervals hold.", metavar="SHARE"),
    as_json: bool = option(False, "Print JSON on standard output, and nothing else there.", "--json"),
) -> None:
    """Say shares, coefficients and curves with intervals, of texts that did not choose the predicates.

    With --labels the errors of the language model are corrected, too; the report of the fit then shows these figures.
    """
    with starting():
        from nlparam.cli.reading import usage_errors
        from nlparam.fitting.inference import keep_inference
        from nlparam.fitting.result import Fit

    fit = Fit.load(folder)
    with usage_errors():
        inference = fit.inference("judge" if labels is None else "people", labels=labels, confidence=confidence)
    if labels is not None:
        keep_inference(fit, inference, folder)
        fit.report(folder / "report.html", **fit.beside(folder))
    if as_json:
        print_json(inference.as_dict())
    else:
        from nlparam.cli.results import show_inference

        show_inference(fit, inference)
