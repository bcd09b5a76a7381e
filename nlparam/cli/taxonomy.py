"""`nlparam taxonomy`: a tree of predicates from a file of texts."""

import dataclasses
from pathlib import Path
from typing import Any

import nlparam
from nlparam.cli import options as shared
from nlparam.cli.costs import cost_line, show_estimate
from nlparam.cli.options import SEARCH, TEXTS, option, refuse
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable, starting
from nlparam.cli.reading import (
    check_source,
    corpus_warnings,
    read_defined_predicates,
    read_source,
    times_of,
    usage_errors,
)
from nlparam.cli.run_options import AnalysisOptions, FileOptions, spread_options


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaxonomyCommand(FileOptions, AnalysisOptions):
    """What `nlparam taxonomy` takes beside its texts, depth and children."""

    dataset: str | None = shared.DATASET
    time_field: str | None = shared.TIME_FIELD
    time_format: str | None = shared.TIME_FORMAT
    time_unit: shared.TimeUnit | None = option(
        None, "What dates are grouped by; by default the finest that gives few steps."
    )
    by: str | None = option(
        None,
        "With --time-field, a field of groups: say what rises, falls or changes in each (also in trends.csv).",
        metavar="FIELD",
        panel=TEXTS,
    )
    cluster_field: str | None = shared.CLUSTER_FIELD
    inference: bool | None = option(
        None,
        "Judge random texts in the end, so that shares over time are corrected for the errors of the heads, and the "
        "tree is tested against chance (at most 0.3 of the judgments); by default with --time-field.",
        panel=SEARCH,
    )
    goal: str | None = shared.GOAL
    goal_example: list[str] | None = shared.GOAL_EXAMPLE
    predicates: Path | None = option(
        None,
        "A file of candidates of your own for the first level, one per line, or as YAML with definitions; nothing is "
        "proposed there.",
    )
    representation: shared.Represented = shared.REPRESENTATION
    n_stated: int | None = option(None, "How many texts the language model states, once for the whole tree.", min=8)
    n_judged: int | None = option(
        None,
        "On how many texts of the root what is chosen is judged; smaller nodes get fewer. A learned head denotes the "
        "others.",
        min=6,
    )
    least_texts: int | None = option(None, "A node with fewer texts is not divided.", min=4)
    form: shared.Form = shared.FORM
    calibration: Path | None = shared.CALIBRATION
    out: Path = option(..., "The folder for the taxonomy and its report.")


@spread_options
def taxonomy(
    options: TaxonomyCommand,
    depth: int = option(2, "How many levels there are below the root.", min=1),
    children: str = option(
        "auto",
        "How many children a node has: `auto` (2 to 8, by what held-out texts say), a number, or MIN-MAX.",
        metavar="auto|N|MIN-MAX",
    ),
) -> None:
    """Grow a tree of predicates in which the children of a node explain its texts.

    The folder gets taxonomy.json, taxonomy.yaml for editing, and a report. The same command again asks nothing twice.
    """
    check_source(options.source, options.dataset, options.text_field)
    needless = options.time_unit is not None and options.time_field is None
    refuse(needless, "--time-unit", "got no --time-field, whose dates it would group")
    needless = options.by is not None and (options.time_field is None or options.inference is False)
    refuse(needless, "--by", "trends need --time-field and texts that are judged (not --no-inference)")
    cluster_field = options.together(options.cluster_field)
    fields = (options.time_field, options.by, cluster_field)
    table = read_source(options.source, options.dataset, fields=fields, **options.reading())
    if options.dataset is None:
        # That texts are blank is said by the growing itself.
        print_warnings([*table.warnings, *corpus_warnings(table.texts, ["repeated", "long"])])
    with starting() as progress:
        from nlparam.fitting.setup import DEFAULT_GOAL
        from nlparam.language.goals import with_examples
        from nlparam.runtime.telemetry import write_events
        from nlparam.taxonomies.growing import estimate_taxonomy
        from nlparam.taxonomies.growing import taxonomy as grow
        from nlparam.taxonomies.options import TaxonomyOptions, children_range, options_of
    changes = options.changes("n_stated", "n_judged", "least_texts")
    with usage_errors():
        options_of(TaxonomyOptions(), changes)
        children_range(children)
        running = options.settings()
    given = read_defined_predicates(options.predicates, 2)
    settings: dict[str, Any] = running | options.given("form", "calibration", "representation")
    settings |= {
        "goal": with_examples(options.goal or DEFAULT_GOAL, options.goal_example or ()),
        "depth": depth,
        "children": children,
        "pool": given.predicates,
        "definitions": given.definitions,
        "options": changes,
        "progress": progress,
    }
    with write_events(options.events):
        if options.dry_run:
            show_estimate(estimate_taxonomy(table.texts, **settings), options)
            return
        stamps = times_of(table, options.time_field, options.time_format)
        saved = options.given("time_unit", "out", "overwrite", "inference")
        tree = grow(list(table.texts), stamps=stamps, clusters=table.column(cluster_field), **saved, **settings)
    if options.json:
        print_json(tree.to_dict())
    else:
        show(tree, options.out)
    if options.by is not None:
        _show_trends(tree, table.columns[options.by], options)


def _show_trends(tree: "nlparam.Taxonomy", groups: list, options: TaxonomyCommand) -> None:
    """Writes what rises, falls or changes in each group of texts, also into the report, and prints what is claimed."""
    from nlparam.taxonomies.page.by_group import group_trends, write_trends

    found = tree.over_time_by(groups)
    rows = group_trends(tree, found)
    path = write_trends(options.out, rows)
    tree.report(options.out / "report.html", **tree.beside(options.out))
    if options.json:
        return
    shown = [
        (printable(one.group), printable(one.name), one.claimed, f"{change:+.0f} ({low:+.0f} to {high:+.0f})")
        for one in rows
        if one.is_claim
        for change, low, high in [(100 * one.change, 100 * one.low, 100 * one.high)]
    ]
    n_groups = len(found)
    print_lines("", f"Claimed of {n_groups} groups, at a false discovery rate of 5% over all of them:")
    print_table((options.by or "", "node", "claimed", "points"), shown or [("nothing found", "", "", "")], numbers=(3,))
    print_lines(f"trends:  {path}")


def show(tree: "nlparam.Taxonomy", out: Path) -> None:
    """Prints a taxonomy that is saved in `out`: the tree, what it covers, and what it cost."""
    measures = tree.measures()
    print_lines(
        *str(tree).splitlines(),
        "",
        f"covered: {measures['coverage']:.1%} of the texts of a divided node are under one of its children, "
        f"{measures['overlap']:.1%} under several",
        f"balance: {measures['balance']:.2f} (1: all children alike); highest correlation of siblings "
        f"{measures['correlation']:.2f}",
        f"ended:   {tree.result.value}",
        cost_line(tree.costs),
        f"edit:    {out / 'taxonomy.yaml'}",
    )
    if (out / "report.html").exists():
        print_lines(f"report:  {out / 'report.html'}")
