"""`nlparam taxonomy`: a tree of predicates from a file of texts."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlparam.cli import options as shared
from nlparam.cli.output import print_json, print_lines, print_warnings, printable
from nlparam.cli.run_fit import read_dataset, shown_warnings, usage_errors
from nlparam.cli.run_options import AnalysisOptions, spread_options
from nlparam.errors import CorpusError

if TYPE_CHECKING:
    from nlparam.taxonomies.records import Node
    from nlparam.taxonomies.result import Taxonomy

_SEARCH = "Search"

TimeUnit = Annotated[
    shared.TimeUnit | None,
    typer.Option(
        help="What dates are grouped by; by default the finest that gives few steps.",
        rich_help_panel="Texts",
        show_default=False,
    ),
]

Pool = Annotated[
    Path | None,
    typer.Option(
        "--predicates",
        help="A file of candidates of your own for the first level, one per line; nothing is proposed there.",
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
NStated = Annotated[
    int | None,
    typer.Option(
        help="How many texts the language model states, once for the whole tree.",
        metavar="N",
        min=8,
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
NJudged = Annotated[
    int | None,
    typer.Option(
        help="On how many texts of the root what is chosen is judged; smaller nodes get fewer. A learned head denotes "
        "the others.",
        metavar="N",
        min=6,
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
LeastTexts = Annotated[
    int | None,
    typer.Option(
        help="A node with fewer texts is not divided.", metavar="N", min=4, rich_help_panel=_SEARCH, show_default=False
    ),
]
Out = Annotated[
    Path,
    typer.Option(help="The folder for the taxonomy and its report.", rich_help_panel="Output", show_default=False),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaxonomyCommand(AnalysisOptions):
    """What `nlparam taxonomy` takes beside its texts, depth and children."""

    dataset: shared.Dataset = None
    text_field: shared.TextField = None
    time_field: shared.TimeField = None
    time_unit: TimeUnit = None
    goal: shared.Goal = None
    goal_example: shared.GoalExamples = None
    predicates: Pool = None
    representation: shared.Representation = shared.Represented.auto
    n_stated: NStated = None
    n_judged: NJudged = None
    least_texts: LeastTexts = None
    form: shared.PromptForm = shared.Form.single
    calibration: shared.CalibrationFile = None
    out: Out


@spread_options
def taxonomy(
    options: TaxonomyCommand,
    texts: Annotated[
        Path | None,
        typer.Argument(
            help="A .jsonl, .json, .csv, .tsv, .parquet or .txt file (one text per line), or a folder of .txt files.",
            show_default=False,
        ),
    ] = None,
    depth: Annotated[int, typer.Option(help="How many levels there are below the root.", metavar="N", min=1)] = 2,
    children: Annotated[
        str,
        typer.Option(
            help="How many children a node has: `auto` (2 to 8, by what held-out texts say), a number, or MIN-MAX.",
            metavar="auto|N|MIN-MAX",
        ),
    ] = "auto",
) -> None:
    """Grow a tree of predicates in which the children of a node explain its texts.

    The folder gets taxonomy.json, taxonomy.yaml for editing, and a report. The same command again asks nothing twice.
    """
    from nlparam.runtime.progress import Progress

    _check(texts, options)
    read, stamps = _read(texts, options)
    progress = Progress()
    with progress.task("starting", None):
        from nlparam.fitting.setup import DEFAULT_GOAL
        from nlparam.language.goals import with_examples
        from nlparam.taxonomies.growing import estimate_taxonomy
        from nlparam.taxonomies.growing import taxonomy as grow
        from nlparam.taxonomies.options import TaxonomyOptions, children_range
    changes = {
        name: value for name in ("n_stated", "n_judged", "least_texts") if (value := getattr(options, name)) is not None
    }
    with usage_errors():
        TaxonomyOptions(**changes)
        children_range(children)
        running = options.settings()
    settings: dict[str, Any] = {
        "goal": with_examples(options.goal or DEFAULT_GOAL, options.goal_example or ()),
        "depth": depth,
        "children": children,
        "form": options.form.value,
        "calibration": options.calibration,
        "pool": _candidates(options.predicates),
        "options": changes,
        "representation": options.representation.value,
        "progress": progress,
    } | running
    from nlparam.runtime.telemetry import write_events

    if options.dry_run:
        from nlparam.cli.costs import show_estimate

        with shown_warnings(), write_events(options.events):
            show_estimate(estimate_taxonomy(read, **settings), options)
        return
    timed = {"stamps": stamps, "time_unit": options.time_unit and options.time_unit.value}
    with shown_warnings(), write_events(options.events):
        tree = grow(read, out=options.out, overwrite=options.overwrite, **timed, **settings)
    if options.json:
        print_json(tree.to_dict())
    else:
        show(tree, options.out)


def show(tree: "Taxonomy", out: Path) -> None:
    """Prints a taxonomy that is saved in `out`: the tree, what it covers, and what it cost."""
    from nlparam.results.page.text import duration

    print_lines(*tree_lines(tree), "")
    measures, costs = tree.measures(), tree.costs
    print_lines(
        f"covered: {measures['coverage']:.1%} of the texts of a divided node are under one of its children, "
        f"{measures['overlap']:.1%} under several",
        f"balance: {measures['balance']:.2f} (1: all children alike); highest correlation of siblings "
        f"{measures['correlation']:.2f}",
        f"ended:   {tree.result.value}",
    )
    money = f", {costs.money:,.4g} in cost" if costs.money else ""
    print_lines(
        f"cost:    {duration(costs.total_seconds)}, {costs.judgments_asked:,} judgments asked and "
        f"{costs.judgments_served:,} served from the store, {costs.calls:,} calls, "
        f"{costs.tokens:,} tokens{money}",
        f"edit:    {out / 'taxonomy.yaml'}",
    )
    if (out / "report.html").exists():
        print_lines(f"report:  {out / 'report.html'}")


def tree_lines(tree: "Taxonomy") -> list[str]:
    """The tree in plain text, a line for each node: its predicate, the number of its texts and their share."""
    rows: list[tuple[str, Node]] = []

    def visit(node: "Node", indent: str) -> None:
        shown = [child for child in tree.children(node.id, residual=True) if len(child) or not child.residual]
        for number, child in enumerate(shown):
            last = number == len(shown) - 1
            rows.append((f"{indent}{'└─' if last else '├─'} {printable(child.name)}", child))
            visit(child, f"{indent}{'   ' if last else '│  '}")

    visit(tree.root, "")
    width = max((len(text) for text, _ in rows), default=0)
    lines = [f"{len(tree.corpus):,} texts"]
    for text, node in rows:
        notes = []
        if node.partial:
            notes.append("partial")
        if node.stopped is not None and node.stopped.name in ("budget_spent", "few_texts", "nothing_usable"):
            notes.append("not divided: " + node.stopped.value)
        note = f"  ({'; '.join(notes)})" if notes else ""
        lines.append(f"{text:<{width}}  {len(node):>7,}  {tree.share(node.id):>6.1%}{note}")
    return lines


def _check(texts: Path | None, options: TaxonomyCommand) -> None:
    if (texts is None) == (options.dataset is None):
        got = "got neither" if texts is None else "got both"
        raise typer.BadParameter(f"{got}, expected exactly one of the two", param_hint="'TEXTS' or '--dataset'")
    if options.dataset is not None and options.text_field is not None:
        raise typer.BadParameter("a data set has no field of texts to choose", param_hint="'--text-field'")
    if options.time_unit is not None and options.time_field is None:
        raise typer.BadParameter("got no --time-field, whose dates it would group", param_hint="'--time-unit'")
    if options.goal is not None and not options.goal.strip():
        raise typer.BadParameter("got nothing, expected a few words", param_hint="'--goal'")


def _read(texts: Path | None, options: TaxonomyCommand) -> tuple[list[str], list | None]:
    """The texts and, if there is a field of them, their times."""
    from nlparam.cli.run_fit import corpus_warnings
    from nlparam.corpus.corpus import Corpus
    from nlparam.corpus.readers import read_texts

    fields = () if options.time_field is None else (options.time_field,)
    if options.dataset is not None:
        table = read_dataset(options.dataset, fields)
    else:
        assert texts is not None  # checked before
        table = read_texts(texts, text_field=options.text_field, fields=fields)
        # That texts are blank is said by the growing itself.
        repeated = [message for message in corpus_warnings(Corpus.from_texts(table.texts)) if "blank" not in message]
        print_warnings([*table.warnings, *repeated])
    return list(table.texts), None if options.time_field is None else table.columns[options.time_field]


def _candidates(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise CorpusError(f"cannot read the predicates {path}: {error.strerror or error}") from error
    predicates = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(predicates) < 2:
        raise CorpusError(f"{path} holds {len(predicates)} distinct predicates, expected at least 2, one per line")
    return predicates
