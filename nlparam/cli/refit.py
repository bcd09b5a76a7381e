"""`nlparam refit`: a taxonomy after its `taxonomy.yaml` was edited."""

import re
from collections.abc import Iterable
from pathlib import Path

from nlparam.cli import options as shared
from nlparam.cli.options import argument, option
from nlparam.cli.output import print_json, print_lines, print_warnings, starting
from nlparam.cli.run_options import CallOptions, spread_options
from nlparam.runtime.words import counted

TAXONOMY_FOLDER = argument("The --out folder of a taxonomy.")
OTHER_OUT = option(None, "Another folder for the result; by default the same, and what was there goes to its history/.")
MOVED_LM = option(None, "Where the language model of the taxonomy is now, if it has moved.", metavar="LM")
# Settings that follow from an edit; they are checked when the result is saved.
_KNOWN_LATER = ("locked", "excluded", "excluded_under")


@spread_options
def refit(
    options: CallOptions,
    folder: Path = TAXONOMY_FOLDER,
    edited: Path | None = option(None, "The edited file; by default taxonomy.yaml in the folder.", metavar="FILE"),
    lock: list[str] | None = option(None, "Lock the node with this id or predicate too (can be repeated)."),
    forbid: list[str] | None = option(None, "Forbid this id or predicate too (can be repeated)."),
    candidate: list[str] | None = option(
        None,
        "A predicate that competes for a place on the first level, or under a node: `2: mentions a price` (can be "
        "repeated).",
    ),
    out: Path | None = OTHER_OUT,
    check: bool = option(False, "Only check the edit, and say what it would do; nothing is asked."),
    lm: str | None = MOVED_LM,
    calibration: Path | None = shared.CALIBRATION,
    json: bool = shared.JSON,
) -> None:
    """Fit a taxonomy again after its taxonomy.yaml was edited; every judgment is used again.

    Locked nodes stay. Renaming, locking, deleting, and merging nodes without children ask the language model nothing.
    """
    with starting() as progress:
        from nlparam.results.folder import writing
        from nlparam.taxonomies.history import load_or_hint, replace
        from nlparam.taxonomies.refit import NO_EDIT, changes_of, edits_of, expected_of, last_edit
        from nlparam.taxonomies.refit import refit as fit_again
        from nlparam.taxonomies.result import Taxonomy
        from nlparam.taxonomies.yaml_file import FILE, read

    taxonomy = load_or_hint(folder)
    file = read(folder / FILE if edited is None else edited)
    given = {"locked": lock or (), "excluded": forbid or (), "pool": _candidates(candidate or ())}
    changes, said = changes_of(taxonomy, file, **given)
    if check:
        print_warnings(said)
        print_lines(*(changes or ["nothing was edited"]))
        if changes:
            print_lines(expected_of(taxonomy, file, **given).sentence)
        return
    target = folder if out is None else out
    in_place = target.resolve() == folder.resolve()
    overwrite = options.overwrite or in_place
    if changes or not in_place:
        wanted = Taxonomy.compared({"settings": taxonomy.settings | {"edits": edits_of(taxonomy, changes)}})
        Taxonomy.check(target, wanted, overwrite=overwrite, ignored=_KNOWN_LATER if changes else ())
    asking = options.settings() | {"lm": lm, "calibration": calibration, "progress": progress}
    new = fit_again(taxonomy, file, **given, **asking)
    kept = None
    if changes and in_place:
        kept = replace(taxonomy, folder, new)
    elif not in_place:
        with writing(target):
            new.save(target, overwrite=overwrite)
            new.report(target / "report.html")
    edit = last_edit(new) if changes else NO_EDIT
    if json:
        print_json(edit | {"taxonomy": new.to_dict()})
        return
    if not changes:
        print_lines("nothing was edited: the taxonomy " + ("stays as it is" if in_place else f"is copied to {target}"))
        return
    paths = [f"{said}: {path}" for said in ("gone", "new") for path in edit[said]]
    asked = f"asked:     {counted(edit['calls'], 'call')}, {counted(edit['judgments_asked'], 'judgment')}"
    asked += f", {edit['seconds']:.0f} s"
    print_lines(*edit["changes"], *paths, "", *str(new).splitlines(), "", asked)
    if kept is not None:
        print_lines(f"before:    {kept}")
    print_lines(f"taxonomy:  {target}")


def _candidates(given: Iterable[str]) -> dict[str, list[str]]:
    """`2: mentions a price` is for node 2; without a number it is for the first level, as "10:30 is mentioned" is."""
    from nlparam.taxonomies.records import ROOT

    pools: dict[str, list[str]] = {}
    for one in given:
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)*)\s*:(?!\d)(.*)", one, flags=re.DOTALL)
        node, predicate = found.groups() if found else (ROOT, one)
        pools.setdefault(node, []).append(predicate)
    return pools
