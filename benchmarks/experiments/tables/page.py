"""The tables as Markdown, and the page they are written into."""

import dataclasses
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.commands import PageError as PageError
from benchmarks.commands import markdown_table, write_block
from benchmarks.experiments.runs import Run
from benchmarks.experiments.tables.cells import PRIMARY, Cell, Setting, Table
from benchmarks.experiments.tables.comparisons import (
    BASELINE,
    PUBLISHED,
    PUBLISHED_RELATIONS,
    RELATIONS,
    Comparison,
    compare,
)
from benchmarks.experiments.tables.figures import figure_names
from benchmarks.experiments.tables.headline import Figure, OraclePair, headline, oracle_pairs

BEGIN = "<!-- benchmarks.table: begin (what stands between this line and the next such line is written anew) -->"
END = "<!-- benchmarks.table: end -->"
_F1 = {
    "f1_hungarian": ("each reference matched with a predicate of its own", "f1_ceiling_hungarian"),
    "f1_best": ("each reference with the predicate that fits it best", "f1_ceiling"),
}
_OTHER_METRICS = {
    "f1_micro": "F1, micro",
    "f1_best_micro": "F1, best, micro",
    "nmi": "NMI",
    "ari": "ARI",
    "similarity": "similarity",
    "similarity_hungarian": "similarity, one to one",
    "curve_correlation": "correlation of curves",
    "coverage": "covered",
    "overlap": "covered twice",
    "loss": "loss",
    "loss_binary": "loss, of a yes or no",
    "loss_reference": "loss, of the references",
    "heldout_loss": "loss, held out",
    "accuracy": "accuracy, held out",
    "accuracy_binary": "of a yes or no",
    "accuracy_probe": "of a linear probe",
    "accuracy_larger": "of the most frequent class",
}
_COSTS = {
    "calls": ("calls",),
    "judgments": ("judgments_asked", "judgments_served"),
    "tokens": ("prompt_tokens", "completion_tokens"),
    "rounds": ("rounds",),
}
_NOTHING = "–"


def markdown(
    runs: Sequence[Run], tables: Sequence[Table], *, figures: Iterable[str] = (), cells: str | None = None
) -> str:
    """All tables. `figures` are the names of those that are drawn (`images/benchmarks/NAME.svg` beside the page);
    `cells` is a file beside the page that holds the metrics and costs of every arm, in place of a table of them.
    """
    drawn, comparisons = set(figures), compare(tables)
    published = compare(tables, baseline=PUBLISHED)
    parts = [_headline(headline(runs, tables)), _relations(comparisons, BASELINE, RELATIONS)]
    parts += [_relations(published, PUBLISHED, PUBLISHED_RELATIONS), _oracle(oracle_pairs(runs))]
    for table, name in zip(_without_repeats(tables), figure_names(tables), strict=True):
        parts.append(_section(table, [one for one in (name, f"convergence-{name}") if one in drawn]))
    if cells:
        parts.append(f"Other metrics and the costs of every arm, means over seeds, are in [{cells}]({cells}).")
    elif rows := cell_rows(tables):
        parts.append(f"Metrics and costs of every arm, means over seeds:\n\n{_grid(rows)}")
    parts += [_tests(comparisons), _appendix(runs, tables)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_page(path: Path, body: str) -> None:
    """Puts the tables between the two marker lines of a page, or begins a page with nothing else on it."""
    write_block(path, BEGIN, END, body, title="Experiments")


def _headline(figures: dict[str, Figure]) -> str:
    header = ("figure", "value", "runs", "missing")
    values = {name: str(f.value) if isinstance(f.value, int) else _number(f.value) for name, f in figures.items()}
    rows = [(f"`{name}`", values[name], str(len(f.runs)), f.missing or "") for name, f in figures.items()]
    return "### At a glance\n\n" + _lines(header, rows)


def _relations(comparisons: list[Comparison], baseline: str, relations: Mapping[str, str]) -> str:
    comparisons = [comparison for comparison in comparisons if comparison.other in relations]
    if not comparisons:
        return ""
    lines = [
        f"### Relations of the paper{', as published' if baseline == PUBLISHED else ''}",
        "",
        f"Whether the arm `{baseline}` is better than another in the mean F1 over the data sets, as arXiv 2409.08466 "
        "reports.",
    ]
    for setting in sorted({comparison.setting for comparison in comparisons}):
        found = {comparison.other: comparison for comparison in comparisons if comparison.setting == setting}
        rows = [
            {f"{baseline} better than": name} | _relation(said, found.get(name)) for name, said in relations.items()
        ]
        lines += ["", f"{_words(*setting)}:", "", _grid(rows)]
    return "\n".join(lines)


def _relation(said: str, found: Comparison | None) -> dict[str, str]:
    known = {"here": "not measured", "difference": _NOTHING, "p": _NOTHING, "data sets": "0", "not on": ""}
    if found is not None:
        known = {"here": "yes" if found.holds else "no", "difference": f"{found.difference:+.3f}", "p": _p(found.p)}
        known |= {"data sets": str(len(found.pairs)), "not on": ", ".join(found.exceptions)}
    return {"paper": said} | known


def _oracle(pairs: list[OraclePair]) -> str:
    if not pairs:
        return ""
    rows = []
    for pair in pairs:
        row = [pair.dataset, str(len(pair.full.runs)), _number(pair.full.mean("recovered"))]
        row.append(_number(pair.coordinate.mean("recovered")))
        for metric in ("judgments", "rounds"):
            row += [_count(pair.full.mean(metric)), _count(pair.coordinate.mean(metric)), _number(pair.ratio(metric))]
        rows.append(row)
    header = ["data set", "seeds", "found", "found, coordinate", "judgments", "coordinate", "ratio"]
    return (
        "### The search alone\n\nGold predicates among distractors, where an oracle proposes and judges: the share of "
        "the gold that is found, and what column generation and coordinate refinement use for it.\n\n"
    ) + _lines([*header, "rounds", "coordinate", "ratio"], rows)


def cell_rows(tables: Sequence[Table]) -> list[dict[str, str | float]]:
    """The metrics and costs of every arm on every data set, means over seeds. Judgments count whether the language
    model or the store answered them; calls, tokens and seconds only as they were used."""
    rows = []
    for table in _without_repeats(tables):
        for (arm, dataset), cell in table.cells.items():
            row = {"setting": _title(table.setting), "data set": dataset, "arm": arm, "seeds": len(cell.runs)}
            found = {name: cell.mean(metric) for metric, name in ({m: m for m in _F1} | _OTHER_METRICS).items()}
            found |= _spent(cell)
            rows.append(row | {name: round(value, 4) if math.isfinite(value) else "" for name, value in found.items()})
    return rows


def _section(table: Table, figures: list[str]) -> str:
    task = table.setting.task
    first = PRIMARY.get(task, "f1_best")
    parts = [f"### {_title(table.setting)}"]
    for figure in figures:
        what = "The loss after each round" if figure.startswith("convergence") else "F1 and judgments"
        alt = f"{what} of every arm, {_title(table.setting)}"
        parts.append(f"![{alt}](images/benchmarks/{figure}.svg)")
    for metric in sorted(_F1, key=lambda name: name != first):
        if table.has(metric):
            parts.append(_f1_table(table, metric, beside=None if metric == first else first))
    return "\n\n".join(part for part in parts if part)


def _f1_table(table: Table, metric: str, *, beside: str | None) -> str:
    """The F1 of every arm; beside a table of another F1, of those arms for which it is not the same."""
    how, ceiling = _F1[metric]
    found = {arm: _f1_row(table, arm, metric) for arm in table.arms}
    rows = [
        {"arm": arm} | row
        for arm, row in found.items()
        if beside is None or not table.has(beside) or row != _f1_row(table, arm, beside)
    ]
    if not rows:
        return ""
    if beside is not None and len(rows) < len(found):
        how += " (where it is another)"
    limits = {dataset: _ceiling(table, dataset, ceiling) for dataset in table.datasets}
    if any(limit < 1 for limit in limits.values()):
        rows.append({"arm": "*the greatest possible*"} | {name: _number(limit) for name, limit in limits.items()})
    return f"Macro F1, {how}; mean ± standard error over seeds (number of seeds):\n\n" + _grid(rows)


def _f1_row(table: Table, arm: str, metric: str) -> dict[str, str]:
    return {dataset: _mean(table.cells.get((arm, dataset)), metric) for dataset in table.datasets}


def _ceiling(table: Table, dataset: str, metric: str) -> float:
    found = [cell.mean(metric) for (_, name), cell in table.cells.items() if name == dataset]
    return max((value for value in found if math.isfinite(value)), default=math.nan)


def _spent(cell: Cell) -> dict[str, float]:
    sums = {name: cell.cost(*costs) for name, costs in _COSTS.items()}
    return sums | {"seconds": sum(run.seconds for run in cell.runs) / len(cell.runs)}


def _tests(comparisons: list[Comparison]) -> str:
    if not comparisons:
        return ""
    settings = {comparison.setting: _words(*comparison.setting) for comparison in comparisons}
    rows = []
    for found in comparisons:
        row = {"setting": settings[found.setting]} if len(settings) > 1 else {}
        row |= {"full against": found.other, "data sets": str(len(found.pairs))}
        row |= {"seeds": _range([pair.n_seeds for pair in found.pairs]), "difference": f"{found.difference:+.3f}"}
        rows.append(row | {"t": _number(found.t, 2), "p": _p(found.p), "p, seeds": _p(found.p_seeds)})
    return (
        "### Tests\n\nOne-sided paired t-tests over the data sets of all tasks: is the mean F1 of the full arm "
        "greater, over the seeds that both have? The last column takes every seed by itself. F1 is one to one for a "
        "clustering, elsewhere of the best match.\n\n"
    ) + _grid(rows)


def _appendix(runs: Sequence[Run], tables: Sequence[Table]) -> str:
    """Where the runs are. `--json` names those of each figure."""
    common = Path(os.path.commonpath([run.folder.absolute().parent for run in runs]))
    here = Path.cwd()
    # Elsewhere the last name says enough: a page is no place for the folders of somebody's machine.
    shown = common.relative_to(here) if common.is_relative_to(here) else Path(common.name)
    older = {run.folder for table in tables for run in table.passed_over}
    rest = f" {len(older)} of them are passed over, as there are newer ones." if older else ""
    return f"### Where the numbers are from\n\nThe {len(runs)} runs below `{shown.as_posix()}`.{rest}"


def _without_repeats(tables: Sequence[Table]) -> list[Table]:
    """The tables, each cell in the first that has it: arms without a language model fit several settings."""
    seen: set[tuple[Path, ...]] = set()
    found = []
    for table in tables:
        folders = {key: tuple(run.folder for run in cell.runs) for key, cell in table.cells.items()}
        cells = {key: cell for key, cell in table.cells.items() if folders[key] not in seen}
        seen |= set(folders.values())
        arms, datasets = {arm for arm, _ in cells}, {dataset for _, dataset in cells}
        kept = {"arms": [a for a in table.arms if a in arms], "datasets": [d for d in table.datasets if d in datasets]}
        found.append(dataclasses.replace(table, cells=cells, **kept))
    return found


def _title(setting: Setting) -> str:
    return f"{setting.task.replace('_', ' ').capitalize()}, {_words(*setting[2:])}"


def _words(lm: str, embedder: str, changes: str) -> str:
    words = [lm or "no language model", embedder]
    return ", ".join([*words, changes] if changes else words)


def _mean(cell: Cell | None, metric: str) -> str:
    values = {} if cell is None else cell.by_seed(metric)
    if cell is None or not values:
        return _NOTHING
    error = cell.standard_error(metric)
    return f"{_number(cell.mean(metric))}{f' ± {error:.3f}' if math.isfinite(error) else ''} ({len(values)})"


def _number(value: float | None, digits: int = 3) -> str:
    return _NOTHING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else _NOTHING


def _p(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else _NOTHING


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"


def _grid(rows: Iterable[Mapping[str, object]]) -> str:
    """A table in Markdown, the keys of the rows its header."""
    rows = list(rows)
    return _lines(list(rows[0]), [list(row.values()) for row in rows])


def _lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return markdown_table(header, rows, ("arm", "runs", "paper", "here", "not on", "full against", "missing"))
