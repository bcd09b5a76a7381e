"""`nlparam predict`: what a fit predicts for new texts."""

import collections
import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlparam.cli.costs import certificate_lines
from nlparam.cli.options import CalibrationFile, Folder, TextField, Way
from nlparam.cli.output import print_lines, print_table, print_warnings, printable
from nlparam.cli.run_options import CallOptions, spread_options
from nlparam.errors import NlparamError
from nlparam.results.folder import replacing

if TYPE_CHECKING:
    import numpy as np

    from nlparam.fitting.result import Fit


@spread_options
def predict(
    folder: Folder,
    texts: Annotated[
        Path,
        typer.Option(help="The new texts: a file or folder of the kinds `nlparam fit` reads.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option(help="The table to write: .parquet, .csv or .jsonl.", metavar="FILE", show_default=False)
    ],
    options: CallOptions,
    by: Annotated[
        Way | None,
        typer.Option(
            help="`head`: without a language model; `cascade`: with a bound on the error; `exact`: the language model "
            "for every text. By default the cascade if the fit was made with one, else the head.",
            show_default=False,
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="The same as --by exact.")] = False,
    lm: Annotated[
        str | None,
        typer.Option(
            help="Where the language model of the fit is now, if it has moved.", metavar="LM", show_default=False
        ),
    ] = None,
    calibration: CalibrationFile = None,
    text_field: TextField = None,
) -> None:
    """Say what a fit or taxonomy predicts for new texts: one row per text, with the probability of every predicate.

    Of a taxonomy the columns are text, node (its id), name, path and probability, "none of these" among the nodes, and
    P(id name) for each node: that its predicate holds, given those above it. Of a fit they are text; then for a
    clustering cluster and predicate (-1 and nothing for a blank text), for a classification or difference class and the
    probability of each, for a time series the most typical time, for any other model prediction; and P(predicate) for
    each predicate.

    A taxonomy that was grown with a --calibration is given the same one for `--by exact`; a fit keeps its own.
    """
    write = _writer(out, overwrite=options.overwrite)
    if exact and by not in (None, Way.exact):
        raise typer.BadParameter(f"got --by {by.value} too, expected one of the two", param_hint="'--exact'")
    of_taxonomy = (folder / "taxonomy.json").exists()
    if calibration is not None and not of_taxonomy:
        raise typer.BadParameter("only a taxonomy takes one; a fit keeps its own", param_hint="'--calibration'")
    from nlparam.corpus.readers import read_texts
    from nlparam.runtime.progress import Progress

    table = read_texts(texts, text_field=text_field)
    print_warnings(table.warnings)
    progress = Progress()
    way = Way.exact if exact else by
    if of_taxonomy:
        from nlparam.cli.assign import assign_texts

        how = None if way is None else way.value
        settings = options.settings() | {"lm": lm, "calibration": calibration, "progress": progress}
        columns = assign_texts(folder, table.texts, by=how, **settings)
        _write(write, out, columns)
        print_lines(f"\nlabels:  {out}")
        return
    with progress.task("starting", None):
        import nlparam
        from nlparam.fitting.denote import denote
        from nlparam.lm.store import Store as OpenStore

    fit = nlparam.Fit.load(folder)
    with OpenStore(options.store) as opened:
        settings = options.settings() | {"lm": lm, "store": opened, "progress": progress}
        denoted = denote(fit, table.texts, by=None if way is None else way.value, **settings)
    denotations = denoted.denotations
    predictions = fit.predict(table.texts, denotations=denotations)
    columns = label_columns(fit, table.texts, denotations, predictions)
    _write(write, out, columns)
    if fit.model.assigns_texts:
        _show_clusters(fit, predictions)
    elif "class" in columns:
        _show_classes(fit, columns["class"])
    if denoted.n_failed:
        print_warnings([f"{denoted.n_failed:,} judgments were not made or failed: the head stands in for them"])
    if denoted.certificate is not None:
        print_lines("", *certificate_lines(denoted.certificate))
    print_lines(f"\nlabels:  {out}")


def label_columns(
    fit: "Fit", texts: Sequence[str], denotations: "np.ndarray", predictions: "np.ndarray"
) -> dict[str, list]:
    """The table that is written, by column: `text`, what the model predicts, then `P(...)` for every predicate.

    The prediction is `cluster` and `predicate` where texts are assigned to predicates, `class` and `P(class NAME)`
    where the model names classes, `time` where it names times, else `prediction`.
    """
    from nlparam.corpus.corpus import whole_characters

    columns: dict[str, list] = {"text": list(map(whole_characters, texts))}
    if fit.model.assigns_texts:
        columns["cluster"] = predictions.tolist()
        columns["predicate"] = [fit.predicates[cluster] if cluster >= 0 else "" for cluster in predictions]
    else:
        columns |= _predicted(fit, denotations, predictions)
    return columns | {
        f"P({predicate})": denotations[:, number].tolist() for number, predicate in enumerate(fit.predicates)
    }


def _predicted(fit: "Fit", denotations: "np.ndarray", predictions: "np.ndarray") -> dict[str, list]:
    import numpy as np

    classes, times = fit.coords.get("class"), fit.coords.get("step")
    if not np.issubdtype(predictions.dtype, np.integer) or not (classes or times):
        return {"prediction": predictions.tolist()}
    if not classes:
        assert times is not None
        return {"time": [times[step] for step in predictions]}
    columns = {"class": [classes[code] for code in predictions]}
    probability = getattr(fit.model, "predict_proba", None)
    if probability is not None:
        probabilities = np.asarray(probability(fit.weights, np.asarray(denotations)))
        columns |= {f"P(class {name})": probabilities[:, code].tolist() for code, name in enumerate(classes)}
    return columns


def _writer(out: Path, *, overwrite: bool) -> Callable[[Path, dict[str, list]], None]:
    write = _WRITERS.get(out.suffix.lower())
    if write is None:
        message = f"{out} ends in {out.suffix or 'nothing'!r}, expected one of {', '.join(_WRITERS)}"
        raise typer.BadParameter(message, param_hint="'--out'")
    if out.is_dir():
        raise NlparamError(f"{out} is a folder, expected a file: choose another --out")
    if out.exists() and not overwrite:
        raise NlparamError(f"{out} exists already: choose another --out, or replace it with --overwrite")
    return write


def _write(write: Callable[[Path, dict[str, list]], None], out: Path, columns: dict[str, list]) -> None:
    try:
        with replacing(out) as partial:
            write(partial, columns)
    except OSError as error:
        raise NlparamError(f"{out} cannot be written ({error}): choose another --out") from error


def _write_parquet(path: Path, columns: dict[str, list]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def _write_csv(path: Path, columns: dict[str, list]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(_rows(columns))


def _write_jsonl(path: Path, columns: dict[str, list]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in _rows(columns):
            file.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n")


def _rows(columns: dict[str, list]) -> "zip[tuple[Any, ...]]":
    return zip(*columns.values(), strict=True)


_WRITERS: dict[str, Callable[[Path, dict[str, list]], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
}


def _show_clusters(fit: "Fit", clusters: "np.ndarray") -> None:
    sizes = [(clusters == number).sum() for number in range(len(fit.predicates))]
    rows = [
        (str(number), printable(predicate), f"{size:,}", f"{size / len(clusters):.1%}")
        for number, (predicate, size) in enumerate(zip(fit.predicates, sizes, strict=True))
    ]
    if n_blank := int((clusters < 0).sum()):
        rows.append(("-1", "(blank texts)", f"{n_blank:,}", f"{n_blank / len(clusters):.1%}"))
    print_table(("", "predicate", "texts", "share"), rows, numbers=(0, 2, 3))


def _show_classes(fit: "Fit", predicted: list[str]) -> None:
    counts = collections.Counter(predicted)
    rows = [
        (printable(name), f"{counts[name]:,}", f"{counts[name] / max(len(predicted), 1):.1%}")
        for name in fit.coords["class"]
    ]
    print_table(("class", "texts", "share"), rows, numbers=(1, 2))
