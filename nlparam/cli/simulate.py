"""`nlparam simulate`: explanations put to the test by counterfactuals."""

import dataclasses
from pathlib import Path
from typing import Any

import nlparam
from nlparam.cli import options as shared
from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_result, starting
from nlparam.cli.reading import usage_errors
from nlparam.cli.run_options import CallOptions, spread_options

_INPUTS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulateOptions(CallOptions):
    """What a run takes; the language model may be that of a fit."""

    lm: str | None = option(
        None,
        "The language model that writes and reads, named as for `nlparam fit`; by default that of the fit, or "
        "`embedded` for a file.",
        metavar="LM",
        envvar="NLPARAM_LM",
    )
    embedder: str | None = shared.EMBEDDER
    seed: int = shared.SEED
    json: bool = shared.JSON


@spread_options
def simulate(
    options: SimulateOptions,
    explanations: Path = argument(
        "A .jsonl, .json, .csv, .tsv or .parquet file with the fields input, answer, explanation and, if the rows "
        "differ in them, answers; or the --out folder of a fitted classification."
    ),
    model: str | None = option(
        None,
        "The language model that is explained, as for --lm; needed for a file, a fit answers for itself.",
        metavar="LM",
    ),
    answers: str | None = option(
        None, "The possible answers in a file, with commas between; by default those that occur.", metavar="A,B"
    ),
    task: str = option("", "A sentence that says what the inputs are and what is answered.", show_default=False),
    n_counterfactuals: int = option(10, "How many are written for each explanation.", "--counterfactuals", min=2),
    n_inputs: int | None = option(
        None, f"From how many texts the explanation of a fit is tested; by default {_INPUTS}.", "--inputs", min=1
    ),
    with_case: bool = option(False, "Show the reader the explained input and its answer too."),
    similarities: str = option(
        "cosine,bleu,jaccard", "How alike counterfactuals are: some of cosine, bleu, jaccard.", metavar="A,B"
    ),
    out: Path | None = option(None, "A .json file for every counterfactual; its report is beside it.", metavar="FILE"),
) -> None:
    """Say how well what a model answers can be told from its explanations (arXiv 2307.08678).

    The language model writes counterfactuals, infers from the explanation what will be answered, and the model answers.
    Precision is the share of right inferences; generality is how diverse the inputs are from which one can be made.
    """
    is_fit = explanations.is_dir()
    if is_fit:
        refuse(model is not None, "--model", "a fit answers for itself, leave --model out")
        refuse(answers is not None, "--answers", "a fit answers with its classes, leave --answers out")
    else:
        refuse(model is None, "--model", "a file of explanations needs the model that answers")
        refuse(n_inputs is not None, "--inputs", "a file says its inputs, only a fit has texts to choose from")
    with starting() as progress:
        from nlparam.evals.simulatability import read_explanations, simulate, simulate_fit
        from nlparam.evals.simulatability.measure import known_similarities

    with usage_errors():
        alike = known_similarities(shared.listed(similarities))
    settings: dict[str, Any] = options.settings() | {
        "task": task,
        "n_counterfactuals": n_counterfactuals,
        "with_case": with_case,
        "similarities": alike,
        "progress": progress,
        "out": out,
        "overwrite": options.overwrite,
    }
    if is_fit:
        found = simulate_fit(nlparam.Fit.load(explanations), n_inputs=n_inputs or _INPUTS, **settings)
    else:
        settings |= {"lm": options.lm or "embedded", "answers": None if answers is None else shared.listed(answers)}
        found = simulate(read_explanations(explanations), model=model, **settings)
    print_result(found, "means", "explanations", json=options.json, out=out)
