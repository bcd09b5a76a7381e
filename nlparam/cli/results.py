"""What `nlparam fit` prints at the end: the predicates with what the model says of each, and what it cost."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nlparam.cli.costs import certificate_lines, cost_line
from nlparam.cli.output import print_lines, print_table, printable
from nlparam.results.records import NONE_OF_THESE
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from nlparam.fitting.inferred import Inference
    from nlparam.fitting.recurrence import Stability
    from nlparam.fitting.result import Fit
    from nlparam.results.page.quantities import Intervals, QuantityView

# More columns than these do not fit into a terminal.
_MAX_CLASSES = 6
_MAX_HEADING = 24

# A list, as the classes of a model may be called what another column is called.
Columns = list[tuple[str, list[str]]]


def show(fit: "Fit", out: Path, intervals: "Intervals | None" = None) -> None:
    """Prints a fit that is saved in `out`, with credible intervals where there are some."""
    from nlparam.fitting.page.quantities import goodness
    from nlparam.fitting.wishes import wishes_told

    columns: Columns = [("predicate", [printable(predicate) for predicate in fit.predicates])]
    if fit.model.assigns_texts:
        sizes = np.bincount(fit.assignments[fit.assignments >= 0], minlength=len(fit.predicates)).tolist()
        columns.append(("assigned", [f"{size:,}" for size in sizes]))
        columns.append(("share", [f"{size / fit.n_counted:.1%}" for size in sizes]))
    inferred = fit.inferred if intervals is None else None
    notes = _add_quantities(fit, inferred, intervals, columns)
    if fit.stability is not None:
        columns.append(("seeds", _found_by(fit.stability, fit.predicates)))
    columns += _agreement(fit)
    _print(columns)
    if fit.model.assigns_texts and (n_none := fit.n_none):
        print_lines(
            f"{NONE_OF_THESE}: {counted(n_none, 'text')} ({n_none / fit.n_counted:.1%}), for which no predicate holds"
        )
    for note in dict.fromkeys(notes):
        print_lines(note)
    measured = goodness(fit) if inferred is None or not inferred.scores else None
    if inferred is not None:
        print_lines("", *_certainty(inferred))
    if measured is not None:
        print_lines(f"\nfits:    {measured.sentence}")
    print_lines(f"{'' if measured else chr(10)}ended:   {fit.result.value}")
    print_lines(*(f"{label}: {words}" for label, words in wishes_told(fit.settings, fit.predicates)))
    if fit.stability is not None:
        print_lines(f"stable:  {fit.stability.sentence}")
    if fit.certificate is not None:
        print_lines(*certificate_lines(fit.certificate, fit.predicates))
    print_lines(cost_line(fit.costs), f"report:  {out / 'report.html'}")


def show_inference(fit: "Fit", inference: "Inference") -> None:
    """Prints what a fit lets one say."""
    columns: Columns = [("predicate", [printable(predicate) for predicate in fit.predicates])]
    notes = _add_quantities(fit, inference, None, columns)
    _print(columns)
    print_lines(*dict.fromkeys(notes), "", *_certainty(inference), *inference.notes)


def _print(columns: Columns) -> None:
    rows = [(str(number), *row) for number, row in enumerate(zip(*(cells for _, cells in columns), strict=True))]
    print_table(("", *(heading for heading, _ in columns)), rows, numbers=(0, *range(2, len(columns) + 1)))


def _add_quantities(
    fit: "Fit", inference: "Inference | None", intervals: "Intervals | None", columns: Columns
) -> list[str]:
    """Adds what there is to say of each predicate, and gives what the columns mean.

    What can be inferred is shown with its interval, and not as it was fitted.
    """
    from nlparam.fitting.page.quantities import view_inferred, view_quantities

    inferred = {} if inference is None else {view.name: view for view in view_inferred(fit, inference)}
    notes: list[str] = []
    bare = False
    for view in [] if fit.model.assigns_texts else view_quantities(fit, intervals):
        shown = inferred.get(view.name, view)
        added = _columns(shown, columns)
        columns += added
        bare = bare or (shown.kind == "curves" and shown.lower is None)
        notes += _notes(shown)
        if added and inference is not None and view.name not in inferred:
            notes.append(f"{view.name.replace('_', ' ')}: as fitted; these answers do not give it an interval.")
    if bare and not any(heading.startswith("first") for heading, _ in columns):
        notes.append(
            "curves over time: see the report. They have no intervals, so that no rise or fall can be told from them "
            "(nlparam infer, --posterior)."
        )
    if "share" in inferred:
        columns += [("holds for", cells) for _, cells in _columns(inferred["share"], columns)]
    return notes


def _certainty(inferred: "Inference") -> list[str]:
    """What the figures rest on, the scores on texts held out, and whether they could be chance."""
    scores = [
        f"{'held out' if inferred.split else 'left out in turn'}: {score.name} {score.value:.1%} [{score.low:.1%}, "
        f"{score.high:.1%}], {score.baseline:.1%} without any predicate"
        for score in inferred.scores
    ]
    chance = [] if inferred.chance is None else [f"chance:  p = {inferred.chance:.2g}"]
    return [*scores, *chance, f"figures: {inferred.basis}"]


def _agreement(fit: "Fit") -> Columns:
    """How the head agrees with the language model, what that would be by chance, and Cohen's kappa; a fit of before
    knows the first only."""
    computed = fit.settings.get("computed") or {}
    known = [None if name in computed else one for name, one in zip(fit.predicates, fit.agreement, strict=True)]
    columns = [("head agrees", ["computed" if one is None else f"{one.agreement:.0%}" for one in known])]
    if any(one.by_chance is not None for one in fit.agreement):
        by_chance = ["" if one is None or one.by_chance is None else f"{one.by_chance:.0%}" for one in known]
        kappa = ["" if one is None or one.kappa is None else f"{one.kappa:.2f}" for one in known]
        columns += [("by chance", by_chance), ("kappa", kappa)]
    return columns


def _found_by(stability: "Stability", predicates: list[str]) -> list[str]:
    """By how many of the seeds each predicate was found."""
    found = {recurrence.predicate.casefold(): len(recurrence.seeds) for recurrence in stability.recurrences}
    return [f"{found.get(predicate.casefold(), 0)} of {len(stability.seeds)}" for predicate in predicates]


def _columns(view: "QuantityView", before: Columns) -> Columns:
    """The columns of a quantity, one row per predicate."""
    name = view.name.replace("_", " ")
    if view.kind == "curves":
        # One table holds the course of one quantity: the log-odds say the same as the shares.
        return [] if any(heading.startswith("first") for heading, _ in before) else _course(view, len(before[0][1]))
    if view.kind != "dots" or view.item_dim != "predicate":
        return []
    cells = [[view.cell(p, k) for k in range(len(view.items))] for p in range(len(view.panels))]
    if len(view.panels) == 1:
        return [(name, cells[0])]
    panels = _headings(view.panels)
    if len(panels) <= _MAX_CLASSES:
        if {heading for heading, _ in before} & set(panels):
            panels = [f"{name}: {panel}" for panel in panels]
        return list(zip(panels, cells, strict=True))
    return [
        (word, [f"{panels[p]} {cells[p][k]}" for k, p in enumerate(chosen)])
        for word, chosen in (("most for", view.values.argmax(axis=0)), ("most against", view.values.argmin(axis=0)))
    ]


def _course(view: "QuantityView", n_predicates: int) -> Columns:
    # Where a curve begins and ends looks like a trend, and without an interval nobody can say that there is one.
    if view.values.shape[0] != n_predicates or view.lower is None:
        return []
    last, peaks = len(view.items) - 1, np.nan_to_num(view.values, nan=-np.inf).argmax(axis=1)
    panels = range(n_predicates)
    return [
        (f"first ({view.time(0)})", [view.cell(p, 0) for p in panels]),
        (f"last ({view.time(last)})", [view.cell(p, last) for p in panels]),
        ("highest", [view.figure(view.values[p, peak]) for p, peak in enumerate(peaks)]),
        ("when", [view.time(int(peak)) for peak in peaks]),
    ]


def _notes(view: "QuantityView") -> list[str]:
    """What the columns mean."""
    if view.kind == "scalar":
        return [f"{view.name.replace('_', ' ')}: {view.cell(0, 0)} ({view.label[:1].lower()}{view.label[1:]})"]
    return [view.direction] if view.kind == "dots" and view.direction else []


def _headings(names: list[str]) -> list[str]:
    """Names cut to what fits, unless some would then be the same."""
    whole = [printable(name) for name in names]
    cut = [name if len(name) <= _MAX_HEADING else f"{name[: _MAX_HEADING - 1]}…" for name in whole]
    return cut if len(set(cut)) == len(cut) else whole
