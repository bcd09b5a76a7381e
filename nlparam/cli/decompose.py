"""`nlparam decompose`: a complex predicate taken apart, ranked by execution, and repaired."""

import dataclasses
from pathlib import Path

from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_lines, print_result, print_warnings, printable, starting
from nlparam.cli.run_options import FileOptions, RunOptions, spread_options


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecomposeCommand(FileOptions, RunOptions):
    """What `nlparam decompose` takes beside the predicate and what is to be done with it."""


@spread_options
def decompose(
    options: DecomposeCommand,
    predicate: str = argument("What to take apart: `is about sport and negative`, or a task."),
    label_field: str | None = option(
        None, "The field that says whether the whole holds (true or false, 1 or 0, yes or no)."
    ),
    judged: bool = option(False, "Have the language model judge the whole, in place of labels."),
    task: bool = option(False, "It is a task, and the texts are solutions: the parts are checks."),
    n_proposals: int = option(4, "How often a decomposition is asked for.", "--proposals", min=0),
    n_alternatives: int = option(3, "How many other readings of each part.", "--alternatives", min=0),
    expression: list[str] | None = option(
        None,
        'A decomposition of your own: `"is about sport" and not "is glad"`; may be given several times.',
        metavar="EXPRESSION",
    ),
    repairs: Path | None = option(None, "A log of earlier repairs to learn from (JSON Lines).", metavar="FILE"),
    record: bool = option(False, "Add the repair that is suggested to the log --repairs."),
    out: Path | None = option(None, "A .json file for all of it; its report is beside it.", metavar="FILE"),
) -> None:
    """Take a complex predicate apart into simple ones joined by and, or, not, such that it can be repaired.

    Decompositions are ranked by execution: how often the whole is what the label says, and how well it can be brought
    there by changing one part (arXiv 2406.04604).
    """
    both = judged and label_field is not None
    refuse(both, "--judged", "got --label-field too, expected one of the two")
    refuse(record and repairs is None, "--record", "it needs a log, --repairs FILE")
    with starting() as progress:
        from nlparam.corpus.readers import read_texts
        from nlparam.evals.decomposition import RepairRecord, append_repair, decompose

    table = read_texts(options.needed, fields=(label_field,), **options.reading())
    print_warnings(table.warnings)
    found = decompose(
        predicate,
        table.texts,
        "judged" if judged else table.column(label_field),
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
    if (made := found.suggestion) is not None and not options.json:
        print_lines(f"a change of one part would help ({made.before:.0%} to {made.after:.0%}):")
        print_lines(f"  {printable(made.expression)}", "")
    print_result(found, "agreement", json=options.json, out=out)
