"""`nlparam simulate`: explanations put to the test by counterfactuals."""

import dataclasses
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlparam.cli.options import Embedder, Json, Seed
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable
from nlparam.cli.run_options import CallOptions, spread_options
from nlparam.results.folder import report_beside

if TYPE_CHECKING:
    from nlparam.evals.simulatability import Simulatability
    from nlparam.numerics.statistics.simulation import Measured

_INPUTS = 8
_SHOWN = 20  # explanations in the table


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulateOptions(CallOptions):
    """What a run takes; the language model may be that of a fit."""

    lm: Annotated[
        str | None,
        typer.Option(
            "--lm",
            help="The language model that writes and reads, named as for `nlparam fit`; by default that of the fit, or "
            "`embedded` for a file.",
            metavar="LM",
            envvar="NLPARAM_LM",
            rich_help_panel="Models",
            show_default=False,
        ),
    ] = None
    embedder: Embedder = None
    seed: Seed = 0
    json: Json = False

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"lm": self.lm, "seed": self.seed, "embedder": self.embedder}


@spread_options
def simulate(
    explanations: Annotated[
        Path,
        typer.Argument(
            help="A .jsonl, .json, .csv, .tsv or .parquet file with the fields input, answer, explanation and, if the "
            "rows differ in them, answers; or the --out folder of a fitted classification.",
            show_default=False,
        ),
    ],
    options: SimulateOptions,
    model: Annotated[
        str | None,
        typer.Option(
            help="The language model that is explained, as for --lm; needed for a file, a fit answers for itself.",
            metavar="LM",
            show_default=False,
        ),
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option(
            help="The possible answers in a file, with commas between; by default those that occur.",
            metavar="A,B",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str, typer.Option(help="A sentence that says what the inputs are and what is answered.", show_default=False)
    ] = "",
    n_counterfactuals: Annotated[
        int, typer.Option("--counterfactuals", help="How many are written for each explanation.", metavar="N", min=2)
    ] = 10,
    n_inputs: Annotated[
        int | None,
        typer.Option(
            "--inputs",
            help=f"From how many texts the explanation of a fit is tested; by default {_INPUTS}.",
            metavar="N",
            min=1,
            show_default=False,
        ),
    ] = None,
    with_case: Annotated[
        bool, typer.Option("--with-case", help="Show the reader the explained input and its answer too.")
    ] = False,
    similarities: Annotated[
        str, typer.Option(help="How alike counterfactuals are: some of cosine, bleu, jaccard.", metavar="A,B")
    ] = "cosine,bleu,jaccard",
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .json file for every counterfactual; its report is beside it.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say how well what a model answers can be told from its explanations (arXiv 2307.08678).

    The language model writes counterfactuals, infers from the explanation what will be answered, and the model answers.
    Precision is the share of right inferences; generality is how diverse the inputs are from which one can be made.
    """
    is_fit = explanations.is_dir()
    if not is_fit and model is None:
        raise typer.BadParameter("a file of explanations needs the model that answers", param_hint="'--model'")
    if is_fit and model is not None:
        raise typer.BadParameter("a fit answers for itself, leave --model out", param_hint="'--model'")
    if is_fit and answers is not None:
        raise typer.BadParameter("a fit answers with its classes, leave --answers out", param_hint="'--answers'")
    if not is_fit and n_inputs is not None:
        raise typer.BadParameter("a file says its inputs, only a fit has texts to choose from", param_hint="'--inputs'")
    from nlparam.runtime.progress import Progress

    progress = Progress()
    with progress.task("starting", None):
        import nlparam
        from nlparam.errors import FitWarning
        from nlparam.evals.simulatability import read_explanations, simulate, simulate_fit

    settings: dict[str, Any] = {
        "task": task,
        "n_counterfactuals": n_counterfactuals,
        "with_case": with_case,
        "similarities": _similarities(similarities),
        "progress": progress,
        "out": out,
        "overwrite": options.overwrite,
    } | options.settings()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        if is_fit:
            found = simulate_fit(nlparam.Fit.load(explanations), n_inputs=n_inputs or _INPUTS, **settings)
        else:
            assert model is not None
            settings["lm"] = options.lm or "embedded"
            possible = None if answers is None else [answer.strip() for answer in answers.split(",")]
            rows = read_explanations(explanations)
            found = simulate(rows, model=model, answers=possible, **settings)
    print_warnings(str(warning.message) for warning in caught if issubclass(warning.category, FitWarning))
    if options.json:
        print_json(found.as_dict())
    else:
        _show(found, out)


def _similarities(given: str) -> list[str]:
    from nlparam.evals.simulatability.measure import SIMILARITIES

    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names or not set(names) <= set(SIMILARITIES):
        message = f"got {given!r}, expected some of {','.join(SIMILARITIES)}"
        raise typer.BadParameter(message, param_hint="'--similarities'")
    return names


def _show(found: "Simulatability", out: Path | None) -> None:
    rows = [("precision", _interval(found.precision))]
    rows += [(f"generality ({name})", _interval(value)) for name, value in found.generality.items()]
    rows.append(("simulatable", _interval(found.simulatable)))
    print_table((f"{len(found.simulated)} explanations", "mean and 95% interval"), rows)
    names = list(found.generality)
    table = [
        (
            printable(one.explanation.explanation)[:60],
            str(len(one.counterfactuals)),
            _value(one.simulatable.value),
            _value(one.precision.value),
            *(_value(one.generality[name].value) for name in names),
        )
        for one in found.simulated[:_SHOWN]
    ]
    print_lines("")
    headings = ("explanation", "inputs", "simulatable", "precision", *names)
    print_table(headings, table, numbers=range(1, len(headings)))
    if len(found.simulated) > _SHOWN:
        print_lines(f"and {len(found.simulated) - _SHOWN} more")
    n_failed = sum(one.n_failed for one in found.simulated)
    if n_failed:
        print_warnings([f"{n_failed} counterfactuals had no usable inference or answer and are left out"])
    if out is not None:
        print_lines(f"\nresults: {out}", f"report:  {report_beside(out)}")


def _interval(measured: "Measured") -> str:
    value, low, high = measured
    if value != value:
        return "-"
    return f"{value:.2f}" if low != low else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _value(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"
