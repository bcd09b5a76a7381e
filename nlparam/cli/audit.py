"""`nlparam audit`: an evaluator put to the test."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlparam.cli.options import Predicates
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable
from nlparam.cli.run_fit import usage_errors
from nlparam.cli.run_options import EmbeddingOptions, spread_options

if TYPE_CHECKING:
    from nlparam.evals.audit import Audit
    from nlparam.numerics.statistics.rates import Rate


@spread_options
def audit(
    evaluations: Annotated[
        Path,
        typer.Argument(
            help="A .jsonl, .json, .csv, .tsv or .parquet file with the fields task, output, verdict, correct and, if "
            "there are several, system.",
            show_default=False,
        ),
    ],
    options: EmbeddingOptions,
    system_field: Annotated[
        str | None,
        typer.Option(
            help="Another field that tells systems apart: a time, an evaluator.", metavar="NAME", show_default=False
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="The system that the others are compared with; by default each with each.",
            metavar="SYSTEM",
            show_default=False,
        ),
    ] = None,
    covariates: Annotated[
        str | None,
        typer.Option(help="Fields that may go with mistakes, with commas between.", metavar="A,B", show_default=False),
    ] = None,
    adjust: Annotated[
        bool, typer.Option("--adjust", help="Adjust the effects of predicates for the covariates.")
    ] = False,
    rejected: Annotated[
        bool,
        typer.Option(
            "--rejected", help="Look at right outputs that were rejected, not at wrong ones that were accepted."
        ),
    ] = False,
    no_predicates: Annotated[
        bool, typer.Option("--no-predicates", help="Only the rates: needs no language model.")
    ] = False,
    only_judged: Annotated[
        bool, typer.Option("--only-judged", help="No words, phrases and patterns among the candidates.")
    ] = False,
    goal: Annotated[
        str | None, typer.Option(help="What the predicates are to be about, in plain words.", show_default=False)
    ] = None,
    predicates: Predicates = None,
    level: Annotated[
        float | None,
        typer.Option(
            help="The share of claimed predicates that may be false; by default 0.02.",
            min=0.0001,
            max=0.9999,
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for the audit, its report, and that of its predicates.", metavar="FOLDER", show_default=False
        ),
    ] = None,
) -> None:
    """Say how often an evaluator is wrong, how that differs between systems, and what fools it (arXiv 2409.12822).

    False positives are wrong outputs that were accepted, false negatives right ones that were rejected. Predicates are
    proposed on one half of the mistakes and tested on the other.
    """
    for name, is_given in (
        ("--adjust", adjust),
        ("--only-judged", only_judged),
        ("--goal", goal is not None),
        ("--predicates", predicates is not None),
        ("--level", level is not None),
    ):
        if no_predicates and is_given:
            raise typer.BadParameter("got --no-predicates too, with which none are sought", param_hint=f"'{name}'")
    names = [name.strip() for name in (covariates or "").split(",") if name.strip()]
    if adjust and not names:
        raise typer.BadParameter("got no --covariates, expected some to adjust for", param_hint="'--adjust'")
    if goal is not None and not goal.strip():
        raise typer.BadParameter("got nothing, expected a few words", param_hint="'--goal'")
    from nlparam.runtime.progress import Progress

    progress = Progress()
    with progress.task("starting", None):
        from nlparam.errors import FitWarning, NlparamError
        from nlparam.evals.audit import audit as audit_evaluator
        from nlparam.evals.audit import read_evaluations
        from nlparam.evals.audit.audit import GOAL, LEVEL

    read = read_evaluations(evaluations, system_field=system_field, covariates=names)
    measuring: dict[str, Any] = {
        "baseline": baseline,
        "side": "false negatives" if rejected else "false positives",
        "seed": options.seed,
        "out": out,
        "overwrite": options.overwrite,
    }
    if baseline is not None and baseline not in read.systems:
        shown = ", ".join(read.systems[:8])
        raise typer.BadParameter(f"got {baseline!r}, expected one of {shown}", param_hint="'--baseline'")
    hypotheses = True if predicates is None else _lines(predicates)
    if no_predicates:
        found = audit_evaluator(read, predicates=False, **measuring)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # they are among the notes
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
                        **measuring | options.settings(),
                    )
            except NlparamError:
                # What needs no language model is said before the error that ended the search for predicates.
                if not options.json:
                    quietly: dict[str, Any] = {**measuring, "out": None}
                    _show(audit_evaluator(read, predicates=False, **quietly), None)
                    print_lines("")
                raise
    if options.json:
        print_json(found.as_dict())
    else:
        _show(found, out)


def _lines(path: Path) -> list[str]:
    from nlparam.corpus.readers import read_texts

    return [line for line in read_texts(path).texts if line.strip()]


def _show(found: "Audit", out: Path | None) -> None:
    rows = [
        (
            printable(rates.system),
            *(_rate(of) for of in (rates.false_positives, rates.false_negatives, rates.approval, rates.correctness)),
        )
        for rates in found.rates
    ]
    print_table(("system", "false positives", "false negatives", "accepted", "right"), rows)
    if found.changes:
        print_lines("")
        rows = [
            (
                change.kind,
                printable(f"{change.to} minus {change.since}"),
                f"{change.difference:+.1%}",
                f"{change.low:+.1%} to {change.high:+.1%}",
                f"{change.p_value:.2g}",
                f"{change.p_adjusted:.2g}",
                change.test,
            )
            for change in found.changes
        ]
        headings = ("rate", "systems", "difference", "95% interval", "p", "p (Holm)", "test")
        print_table(headings, rows, numbers=(2, 4, 5))
    if found.effects:
        print_lines("")
        rows = [
            (
                effect.kind,
                printable(effect.covariate),
                printable(effect.value),
                f"{effect.odds_ratio:.2f}",
                f"{effect.low:.2f} to {effect.high:.2f}",
                f"{effect.p_value:.2g}",
            )
            for effect in found.effects
        ]
        print_table(("mistakes", "covariate", "", "odds ratio", "95% interval", "p"), rows, numbers=(3, 5))
    if found.comparison is not None:
        print_lines("", f"What tells the {found.side} apart, tested on outputs that were not looked at before:")
        rows = [
            (
                "claimed" if finding.claimed else "",
                printable(finding.predicate),
                printable(finding.more or ""),
                f"{finding.estimate.effect:+.2f}",
                f"{finding.estimate.low:+.2f} to {finding.estimate.high:+.2f}",
                f"{finding.p_adjusted:.2g}",
            )
            for finding in found.comparison.tested
            if finding.estimate is not None
        ]
        print_table(("", "predicate", "more often", "difference", "95% interval", "p (adjusted)"), rows, numbers=(3, 5))
    print_warnings(found.notes)
    if out is not None:
        print_lines(f"\naudit:  {out}", f"report: {out / 'report.html'}")


def _rate(found: "Rate") -> str:
    if found.n == 0:
        return "unknown (of none)"
    return f"{found.rate:.1%} of {found.n} ({found.low:.1%} to {found.high:.1%})"
