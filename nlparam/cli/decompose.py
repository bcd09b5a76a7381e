"""`nlparam decompose`: a complex predicate taken apart, ranked by execution, and repaired."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlparam.cli.options import TextField
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable
from nlparam.cli.run_options import RunOptions, spread_options
from nlparam.results.folder import report_beside

if TYPE_CHECKING:
    from nlparam.evals.decomposition import Decomposed


@spread_options
def decompose(
    predicate: Annotated[
        str, typer.Argument(help="What to take apart: `is about sport and negative`, or a task.", show_default=False)
    ],
    texts: Annotated[
        Path,
        typer.Option(help="Texts (or solutions) of the kinds `nlparam fit` reads.", show_default=False),
    ],
    options: RunOptions,
    text_field: TextField = None,
    label_field: Annotated[
        str | None,
        typer.Option(
            help="The field that says whether the whole holds (true or false, 1 or 0, yes or no).",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    judged: Annotated[
        bool, typer.Option("--judged", help="Have the language model judge the whole, in place of labels.")
    ] = False,
    task: Annotated[
        bool, typer.Option("--task", help="It is a task, and the texts are solutions: the parts are checks.")
    ] = False,
    n_proposals: Annotated[
        int, typer.Option("--proposals", help="How often a decomposition is asked for.", metavar="N", min=0)
    ] = 4,
    n_alternatives: Annotated[
        int, typer.Option("--alternatives", help="How many other readings of each part.", metavar="N", min=0)
    ] = 3,
    expression: Annotated[
        list[str] | None,
        typer.Option(
            help='A decomposition of your own: `"is about sport" and not "is glad"`; may be given several times.',
            metavar="EXPRESSION",
            show_default=False,
        ),
    ] = None,
    repairs: Annotated[
        Path | None,
        typer.Option(help="A log of earlier repairs to learn from (JSON Lines).", metavar="FILE", show_default=False),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Add the repair that is suggested to the log --repairs.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .json file for all of it; its report is beside it.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Take a complex predicate apart into simple ones joined by and, or, not, such that it can be repaired.

    Decompositions are ranked by execution: how often the whole is what the label says, and how well it can be brought
    there by changing one part (arXiv 2406.04604).
    """
    if judged and label_field is not None:
        raise typer.BadParameter("got --label-field too, expected one of the two", param_hint="'--judged'")
    if record and repairs is None:
        raise typer.BadParameter("it needs a log, --repairs FILE", param_hint="'--record'")
    from nlparam.corpus.readers import read_texts
    from nlparam.runtime.progress import Progress

    table = read_texts(texts, text_field=text_field, fields=() if label_field is None else (label_field,))
    print_warnings(table.warnings)
    progress = Progress()
    with progress.task("starting", None):
        from nlparam.errors import FitWarning
        from nlparam.evals.decomposition import RepairRecord, append_repair, decompose

    labels: Any = "judged" if judged else None if label_field is None else table.columns[label_field]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        found = decompose(
            predicate,
            table.texts,
            labels,
            kind="task" if task else "predicate",
            n_proposals=n_proposals,
            n_alternatives=n_alternatives,
            expressions=expression or (),
            # A log that is yet to be begun is one without repairs.
            repairs=() if repairs is None or (record and not repairs.exists()) else repairs,
            progress=progress,
            out=out,
            overwrite=options.overwrite,
            **options.settings(),
        )
    print_warnings(str(warning.message) for warning in caught if issubclass(warning.category, FitWarning))
    if record and repairs is not None and (made := found.suggestion) is not None:
        append_repair(
            repairs,
            RepairRecord(
                predicate=found.predicate,
                expression=str(found.chosen.expression),
                part=made.predicate,
                replacement=None if made.replacement is None else str(made.replacement),
                before=made.before,
                after=made.after,
            ),
        )
    if options.json:
        print_json(found.as_dict())
    else:
        _show(found, out)


def _show(found: "Decomposed", out: Path | None) -> None:
    rows = [
        (
            printable(one.expression),
            f"{one.agreement:.0%}",
            f"{one.balanced_agreement:.0%}",
            f"{one.assistance.value:.2f}",
            "-" if one.assistance.n_errors == 0 else f"{one.assistance.repaired:.0%}",
        )
        for one in found.ranked
    ]
    headings = ("decomposition", "right (held out)", "right (balanced)", "assistive value", "errors repaired")
    print_table(headings, rows, numbers=(1, 2, 3, 4))
    if (made := found.suggestion) is not None:
        print_lines("", f"a change of one part would help ({made.before:.0%} to {made.after:.0%}):")
        print_lines(f"  {printable(made.expression)}")
    if found.unreadable:
        print_warnings([f"{len(found.unreadable)} decompositions could not be read; the first: {found.unreadable[0]}"])
    if out is not None:
        print_lines(f"\nresults: {out}", f"report:  {report_beside(out)}")
