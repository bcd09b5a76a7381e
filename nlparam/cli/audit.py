"""`nlparam audit`: an evaluator put to the test."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlparam.cli import options as shared
from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable, starting
from nlparam.cli.reading import read_predicates, usage_errors
from nlparam.cli.run_options import EmbeddingOptions, spread_options
from nlparam.errors import FitWarning, NlparamError

if TYPE_CHECKING:
    from nlparam.evals.audit import Audit
    from nlparam.numerics.statistics.rates import Rate


@spread_options
def audit(
    options: EmbeddingOptions,
    evaluations: Path = argument(
        "A .jsonl, .json, .csv, .tsv or .parquet file with the fields task, output, verdict, correct and, if there are "
        "several, system."
    ),
    system_field: str | None = option(
        None, "Another field that tells systems apart: a time, an evaluator.", metavar="NAME"
    ),
    baseline: str | None = option(
        None, "The system that the others are compared with; by default each with each.", metavar="SYSTEM"
    ),
    covariates: str | None = option(None, "Fields that may go with mistakes, with commas between.", metavar="A,B"),
    adjust: bool = option(False, "Adjust the effects of predicates for the covariates.", "--adjust"),
    rejected: bool = option(
        False, "Look at right outputs that were rejected, not at wrong ones that were accepted.", "--rejected"
    ),
    no_predicates: bool = option(False, "Only the rates: needs no language model.", "--no-predicates"),
    only_judged: bool = option(False, "No words, phrases and patterns among the candidates.", "--only-judged"),
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
    names = [name.strip() for name in (covariates or "").split(",") if name.strip()]
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
                        **measuring | saving | options.settings(),
                    )
            except NlparamError:
                # What needs no language model is said before the error that ended the search for predicates.
                if not options.json:
                    _show(audit_evaluator(read, predicates=False, **measuring), None)
                    print_lines("")
                raise
    if options.json:
        print_json(found.as_dict())
    else:
        _show(found, out)


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
                f"{effect.p_adjusted:.2g}",
            )
            for effect in found.effects
        ]
        headings = ("mistakes", "covariate", "", "odds ratio", "95% interval", "p", "p (Holm)")
        print_table(headings, rows, numbers=(3, 5, 6))
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
