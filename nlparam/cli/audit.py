"""`nlparam audit`: an evaluator put to the test."""

from pathlib import Path
from typing import Any

from nlparam.cli import options as shared
from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_lines, print_result, starting
from nlparam.cli.reading import read_predicates, usage_errors
from nlparam.cli.run_options import EmbeddingOptions, spread_options
from nlparam.errors import NlparamError

_TABLES = ("rates", "changes", "covariates", "predicates")


@spread_options
def audit(
    options: EmbeddingOptions,
    evaluations: Path = argument(
        "A .jsonl, .json, .csv, .tsv or .parquet file with the fields task, output, verdict, correct and, if there are "
        "several, system."
    ),
    system_field: str | None = option(None, "Another field that tells systems apart: a time, an evaluator."),
    baseline: str | None = option(
        None, "The system that the others are compared with; by default each with each.", metavar="SYSTEM"
    ),
    covariates: str | None = option(None, "Fields that may go with mistakes, with commas between.", metavar="A,B"),
    adjust: bool = option(False, "Adjust the effects of predicates for the covariates."),
    rejected: bool = option(False, "Look at right outputs that were rejected, not at wrong ones that were accepted."),
    no_predicates: bool = option(False, "Only the rates: needs no language model."),
    only_judged: bool = option(False, "No words, phrases and patterns among the candidates."),
    goal: str | None = option(None, "What the predicates are to be about, in plain words.", callback=shared.not_blank),
    predicates: Path | None = shared.PREDICATES,
    level: float | None = option(
        None, "The share of claimed predicates that may be false; by default 0.02.", min=0.0001, max=0.9999
    ),
    out: Path | None = option(
        None, "A folder for the audit, its report, and that of its predicates.", metavar="FOLDER"
    ),
) -> None:
    """Say how often an evaluator is wrong, how that differs between systems, and what fools it (arXiv 2409.12822).

    False positives are wrong outputs that were accepted, false negatives right ones that were rejected. Predicates are
    proposed on one half of the mistakes and tested on the other.
    """
    sought = {"--adjust": adjust, "--only-judged": only_judged, "--goal": goal, "--predicates": predicates}
    for name, given in (sought | {"--level": level}).items():
        refuse(no_predicates and bool(given), name, "got --no-predicates too, with which none are sought")
    names = shared.listed(covariates)
    refuse(adjust and not names, "--adjust", "got no --covariates, expected some to adjust for")
    with starting() as progress:
        from nlparam.evals.audit import audit as audit_evaluator
        from nlparam.evals.audit import read_evaluations
        from nlparam.evals.audit.audit import GOAL, LEVEL

    read = read_evaluations(evaluations, system_field=system_field, covariates=names)
    if baseline is not None:
        shown = ", ".join(read.systems[:8])
        refuse(baseline not in read.systems, "--baseline", f"got {baseline!r}, expected one of {shown}")
    side = "false negatives" if rejected else "false positives"
    measuring: dict[str, Any] = {"baseline": baseline, "side": side, "seed": options.seed}
    saving: dict[str, Any] = {"out": out, "overwrite": options.overwrite}
    hypotheses = True if predicates is None else read_predicates(predicates)
    if no_predicates:
        found = audit_evaluator(read, predicates=False, **measuring, **saving)
    else:
        try:
            with usage_errors():
                found = audit_evaluator(
                    read,
                    predicates=hypotheses,
                    computed=not only_judged,
                    adjust=adjust,
                    goal=goal or GOAL,
                    level=level or LEVEL,
                    progress=progress,
                    **measuring | saving | options.settings(),
                )
        except NlparamError:
            # What needs no language model is said before the error that ended the search for predicates.
            if not options.json:
                print_result(audit_evaluator(read, predicates=False, **measuring), *_TABLES, json=False, out=None)
                print_lines("")
            raise
    print_result(found, *_TABLES, json=options.json, out=out)
