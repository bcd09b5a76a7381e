"""`nlparam refit`: a taxonomy after its `taxonomy.yaml` was edited."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlparam.cli.options import CalibrationFile, Json
from nlparam.cli.output import print_json, print_lines, print_warnings
from nlparam.cli.run_options import CallOptions, spread_options
from nlparam.errors import FitWarning

if TYPE_CHECKING:
    from nlparam.taxonomies.result import Taxonomy

TaxonomyFolder = Annotated[Path, typer.Argument(help="The --out folder of a taxonomy.", show_default=False)]
MovedModel = Annotated[
    str | None,
    typer.Option(
        "--lm",
        help="Where the language model of the taxonomy is now, if it has moved.",
        metavar="LM",
        show_default=False,
    ),
]
# Settings that follow from an edit; they are checked when the result is saved.
_KNOWN_LATER = ("locked", "excluded", "excluded_under")


@spread_options
def refit(
    folder: TaxonomyFolder,
    options: CallOptions,
    edited: Annotated[
        Path | None,
        typer.Option(
            help="The edited file; by default taxonomy.yaml in the folder.", metavar="FILE", show_default=False
        ),
    ] = None,
    lock: Annotated[
        list[str] | None,
        typer.Option(help="Lock the node with this id or predicate too (can be repeated).", show_default=False),
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option(help="Forbid this id or predicate too (can be repeated).", show_default=False),
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            help="A predicate that competes for a place on the first level, or under a node: `2: mentions a price` "
            "(can be repeated).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Another folder for the result; by default the same, and what was there goes to its history/.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the edit, and say what it would do; nothing is asked.")
    ] = False,
    lm: MovedModel = None,
    calibration: CalibrationFile = None,
    json: Json = False,
) -> None:
    """Fit a taxonomy again after its taxonomy.yaml was edited; every judgment is used again.

    Locked nodes stay. Renaming, locking, deleting, and merging nodes without children ask the language model nothing.
    """
    from nlparam.runtime.progress import Progress
    from nlparam.taxonomies.entries import FILE, read

    progress = Progress()
    with progress.task("starting", None):
        from nlparam.results.folder import writing
        from nlparam.taxonomies.history import keep, load_or_hint
        from nlparam.taxonomies.refit import NO_EDIT, changes_of, edits_of, last_edit
        from nlparam.taxonomies.refit import refit as fit_again
        from nlparam.taxonomies.result import Taxonomy

    taxonomy = load_or_hint(folder)
    file = read(folder / FILE if edited is None else edited)
    pool = _candidates(candidate or ())
    given = {"locked": lock or (), "excluded": forbid or (), "pool": pool}
    changes, said = changes_of(taxonomy, file, **given)
    if check:
        print_warnings(said)
        print_lines(*(changes or ["nothing was edited"]))
        return
    target = folder if out is None else out
    in_place = target.resolve() == folder.resolve()
    overwrite = options.overwrite or in_place
    settings = taxonomy.settings | {"edits": edits_of(taxonomy, changes)}
    if changes or not in_place:
        wanted = Taxonomy.compared({"settings": settings})
        Taxonomy.check(target, wanted, overwrite=overwrite, ignored=_KNOWN_LATER if changes else ())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        new = fit_again(
            taxonomy,
            file,
            **given,
            lm=lm,
            calibration=calibration,
            progress=progress,
            **options.settings(),
        )
    print_warnings(str(one.message) for one in caught if issubclass(one.category, FitWarning))
    kept = None
    if changes or not in_place:
        with writing(target):
            kept = keep(taxonomy, folder) if in_place else None
            save_with_report(new, target, overwrite=overwrite)
    edit = last_edit(new) if changes else NO_EDIT
    if json:
        print_json(edit | {"taxonomy": new.to_dict()})
        return
    if not changes:
        print_lines("nothing was edited: the taxonomy " + ("stays as it is" if in_place else f"is copied to {target}"))
        return
    print_lines(*edit["changes"])
    for said, paths in (("gone", edit["gone"]), ("new", edit["new"])):
        print_lines(*(f"{said}: {path}" for path in paths))
    print_lines("", *str(new).splitlines(), "")
    print_lines(f"asked:     {edit['calls']:,} calls, {edit['judgments_asked']:,} judgments, {edit['seconds']:.0f} s")
    if kept is not None:
        print_lines(f"before:    {kept}")
    print_lines(f"taxonomy:  {target}")


def save_with_report(taxonomy: "Taxonomy", folder: Path, *, overwrite: bool) -> None:
    """Writes a taxonomy and its report."""
    taxonomy.save(folder, overwrite=overwrite)
    taxonomy.report(folder / "report.html")


def _candidates(given: Iterable[str]) -> dict[str, list[str]]:
    """`2: mentions a price` is for node 2; without a number it is for the first level, as "10:30 is mentioned" is."""
    from nlparam.taxonomies.records import ROOT

    pools: dict[str, list[str]] = {}
    for one in given:
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)*)\s*:(?!\d)(.*)", one, flags=re.DOTALL)
        node, predicate = found.groups() if found else (ROOT, one)
        pools.setdefault(node, []).append(predicate)
    return pools
