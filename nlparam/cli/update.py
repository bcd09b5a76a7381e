"""`nlparam update`: new texts in a taxonomy."""

from pathlib import Path
from typing import TYPE_CHECKING

from nlparam.cli import options as shared
from nlparam.cli.options import number_or, option, refuse
from nlparam.cli.output import print_json, print_lines, print_section, print_warnings, starting
from nlparam.cli.reading import times_of, usage_errors
from nlparam.cli.refit import MOVED_LM, OTHER_OUT, TAXONOMY_FOLDER
from nlparam.cli.run_options import NewTextsOptions, spread_options
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from nlparam.taxonomies.drift import Update


@spread_options
def update(
    options: NewTextsOptions,
    folder: Path = TAXONOMY_FOLDER,
    out: Path | None = OTHER_OUT,
    n_judged: str = option(
        "auto",
        "On how many texts before, and of the new ones, the language model judges the nodes to correct the head: a "
        "number, `all`, or `auto` (60 for a small language model, else 250). 0 asks nothing for that, and claims no "
        "change.",
        metavar="N|all|auto",
    ),
    propose: str = option(
        "auto",
        "Where to propose children: `auto`, where more texts than before are unexplained, `always`, `never`.",
        metavar="auto|always|never",
    ),
    level: float = option(0.05, "The false discovery rate of the changes that are claimed.", metavar="SHARE"),
    confidence: float = option(0.95, "Of the intervals, one node at a time.", metavar="SHARE"),
    look: int | None = option(
        None,
        "How often the texts before have been compared with newer ones, this time included; by default one more than "
        "the updates in the folder's history. Each look may spend a part of the level.",
        metavar="N",
    ),
    time_field: str | None = shared.TIME_FIELD,
    time_format: str | None = shared.TIME_FORMAT,
    cluster_field: str | None = shared.CLUSTER_FIELD,
    labels: Path | None = shared.LABELS,
    lm: str | None = MOVED_LM,
    calibration: Path | None = shared.CALIBRATION,
    seed: int = shared.SEED,
    json: bool = shared.JSON,
) -> None:
    """Bring new texts into a taxonomy: where they belong, what none of its nodes explains, and what has changed.

    The predicates stay. Children are added only for new texts that nothing explains. The folder gets update.json and
    assignments.parquet.
    """
    with starting() as progress:
        from nlparam.corpus.corpus import Corpus
        from nlparam.corpus.readers import read_texts
        from nlparam.fitting.setup import corpus_digest
        from nlparam.results.folder import writing
        from nlparam.taxonomies.history import keep, load_or_hint
        from nlparam.taxonomies.new_texts import check_options
        from nlparam.taxonomies.result import Taxonomy, unfitted
        from nlparam.taxonomies.update import update as bring_in

    number = number_or(n_judged, "--n-judged", "a number, all or auto", "all", "auto")
    judged = None if number == "all" else number
    with usage_errors():
        check_options(judged, propose, level, confidence, look)
    cluster_field = options.together(cluster_field)
    table = read_texts(options.needed, fields=(time_field, cluster_field), **options.reading())
    print_warnings(table.warnings)
    taxonomy = load_or_hint(folder)
    edit = unfitted(folder, taxonomy)
    message = f"taxonomy.yaml was edited ({edit}): run `nlparam refit {folder}` first, or undo the edit"
    refuse(bool(edit), "FOLDER", message)
    target = folder if out is None else out
    in_place = target.resolve() == folder.resolve()
    overwrite = options.overwrite or in_place
    # What is added is known in the end, and checked when it is saved.
    together = corpus_digest(Corpus.from_texts([*taxonomy.texts, *table.texts]), None)
    wanted = Taxonomy.compared({"settings": taxonomy.settings | {"corpus": together}})
    Taxonomy.check(target, wanted, overwrite=overwrite, ignored=("locked", "updates"))
    stamps = times_of(table, time_field, time_format)
    asking = options.settings() | {"lm": lm, "calibration": calibration, "seed": seed, "progress": progress}
    asking |= {"stamps": stamps, "clusters": table.column(cluster_field), "labels": labels}
    claims = {"n_judged": judged, "propose": propose, "confidence": confidence, "level": level, "look": look}
    updated = bring_in(taxonomy, table.texts, **claims, **asking)
    with writing(target):
        kept = keep(taxonomy, folder) if in_place else None
        updated.save(target, overwrite=overwrite)
        updated.taxonomy.report(target / "report.html", update=updated.to_dict())
    if json:
        print_json(updated.to_dict())
        return
    show(updated)
    if kept is not None:
        print_lines(f"before:    {kept}")
    print_lines(f"taxonomy:  {target}")


def show(updated: "Update") -> None:
    """Prints what the report says of the update: the change of every node, what is unexplained, and what was added."""
    from nlparam.taxonomies.page.drift import drift_section

    section = drift_section(updated.taxonomy, updated.to_dict())
    assert section is not None  # of this very update
    print_section(section)
    costs = updated.costs
    print_lines(
        "",
        f"asked:     {counted(costs.calls, 'call')}, {counted(costs.judgments_asked, 'judgment')}, "
        f"{costs.total_seconds:.0f} s",
    )
