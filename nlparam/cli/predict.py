"""`nlparam predict`: what a fit predicts for new texts."""

import collections
import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import nlparam
from nlparam.cli import options as shared
from nlparam.cli.costs import certificate_lines
from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_lines, print_table, print_warnings, printable, starting
from nlparam.cli.run_options import NewTextsOptions, spread_options
from nlparam.errors import NlparamError
from nlparam.results.records import NONE_OF_THESE
from nlparam.runtime.files import replacing, writable
from nlparam.runtime.words import counted


@spread_options
def predict(
    options: NewTextsOptions,
    folder: Path = argument("The --out folder of a fit."),
    out: Path = option(..., "The table to write: .parquet, .csv or .jsonl.", metavar="FILE"),
    by: Literal["head", "cascade", "exact"] | None = option(
        None,
        "`head`: without a language model; `cascade`: with a bound on the error; `exact`: the language model for every "
        "text. By default the cascade if the fit was made with one, else the head.",
    ),
    exact: bool = option(False, "The same as --by exact."),
    lm: str | None = option(None, "Where the language model of the fit is now, if it has moved.", metavar="LM"),
    calibration: Path | None = shared.CALIBRATION,
) -> None:
    """Say what a fit or taxonomy predicts for new texts: one row per text, with the probability of every predicate.

    The fields of the input come first. Of a taxonomy the columns then are node (its id), name, path and probability,
    "none of these" among the nodes, and P(id name) for each node: that its predicate holds, given those above it. Of a
    clustering they are cluster, predicate and reason: "none of these" (-1) where no predicate holds, nothing for a
    blank text, and why where the cluster is not the most likely predicate. Of a classification or difference they are
    class and the probability of each, of a time series the most typical time, of any other model prediction; and
    P(predicate) for each predicate. A field of the input that has the name of one of these is called "NAME (given)".

    A taxonomy that was grown with a --calibration is given the same one for `--by exact`; a fit keeps its own.
    """
    write = _writer(out, overwrite=options.overwrite)
    both = exact and by not in (None, "exact")
    refuse(both, "--exact", f"got --by {by} too, expected one of the two")
    of_taxonomy = (folder / "taxonomy.json").exists()
    needless = calibration is not None and not of_taxonomy
    refuse(needless, "--calibration", "only a taxonomy takes one; a fit keeps its own")
    with starting() as progress:
        from nlparam.corpus.corpus import whole_characters
        from nlparam.corpus.frames import renamed
        from nlparam.corpus.readers import read_texts
        from nlparam.lm.store import Store as OpenStore

    table = read_texts(options.needed, fields=None, **options.reading())
    print_warnings(table.warnings)
    asking = options.settings() | {"by": "exact" if exact else by, "lm": lm, "progress": progress}
    with OpenStore(options.store) as opened:
        if of_taxonomy:
            columns, show = _assign(folder, table.texts, calibration=calibration, **asking | {"store": opened})
        else:
            columns, show = _predict(folder, table.texts, **asking | {"store": opened})
    names = renamed(table.columns, columns)
    fields = {
        # A text without the half characters that no file could hold.
        names[name]: [whole_characters(value) if isinstance(value, str) else value for value in values]
        for name, values in table.columns.items()
    }
    with writable(out), replacing(out) as partial:
        write(partial, fields | columns)
    show()
    print_lines(f"\nlabels:  {out}")


def _assign(folder: Path, texts: Sequence[str], **asking: Any) -> tuple[dict[str, list], Callable[[], None]]:
    """Texts and their nodes in a taxonomy, by column; and what prints how many texts each node has."""
    from nlparam.taxonomies.assign import WAYS, assign
    from nlparam.taxonomies.placing import columns_of

    by = asking.pop("by") or "head"
    if by not in WAYS:
        raise NlparamError(f"got --by {by} for a taxonomy, expected one of {', '.join(WAYS)}")
    taxonomy = nlparam.Taxonomy.load(folder)
    assigned = assign(taxonomy, texts, by=by, **asking)
    columns = columns_of(taxonomy, assigned)
    del columns["text"]  # a field of the input

    def show() -> None:
        counts = collections.Counter(assigned.nodes)
        rows = []
        for node in taxonomy.nodes.values():
            name = "  " * max(node.depth - 1, 0) + printable(node.name)
            n_under = int(assigned.under[node.id].sum())
            rows.append((node.id, name, *_counted(n_under, len(texts) - counts[None]), f"{counts[node.id]:,}"))
        if counts[None]:
            rows.append(("", "(blank texts)", f"{counts[None]:,}", "", ""))
        print_table(("", "node", "texts", "share", "assigned here"), rows, numbers=(2, 3, 4))
        _warn_of_failed(assigned.n_failed)

    return columns, show


def _predict(folder: Path, texts: Sequence[str], **asking: Any) -> tuple[dict[str, list], Callable[[], None]]:
    """What a fit predicts, by column; and what prints how many texts each cluster or class has."""
    from nlparam.corpus.corpus import Corpus
    from nlparam.fitting.denote import denote
    from nlparam.fitting.tables import prediction_columns

    fit = nlparam.Fit.load(folder)
    denoted = denote(fit, texts, **asking)
    predictions = fit.predict(texts, denotations=denoted.denotations)
    corpus = Corpus.from_texts(texts)
    columns = prediction_columns(fit, corpus, denoted.denotations, predictions)

    n_worded = int((~corpus.blank).sum())

    def show() -> None:
        if fit.model.assigns_texts:
            counts = collections.Counter(predictions.tolist())
            rows = [
                (str(number), printable(predicate), *_counted(counts[number], n_worded))
                for number, predicate in enumerate(fit.predicates)
            ]
            n_blank = int(corpus.blank.sum())
            if n_none := counts[-1] - n_blank:
                rows.append(("-1", NONE_OF_THESE, *_counted(n_none, n_worded)))
            if n_blank:
                rows.append(("", "(blank texts)", f"{n_blank:,}", ""))
            print_table(("", "predicate", "texts", "share"), rows, numbers=(0, 2, 3))
        elif "class" in columns:
            counts = collections.Counter(columns["class"])
            rows = [(printable(name), *_counted(counts[name], len(texts))) for name in fit.coords["class"]]
            print_table(("class", "texts", "share"), rows, numbers=(1, 2))
        _warn_of_failed(denoted.n_failed)
        if denoted.certificate is not None:
            print_lines("", *certificate_lines(denoted.certificate, fit.predicates))

    return columns, show


def _counted(n: int, n_all: int) -> tuple[str, str]:
    return f"{n:,}", f"{n / max(n_all, 1):.1%}"


def _warn_of_failed(n_failed: int) -> None:
    if n_failed:
        print_warnings([f"{counted(n_failed, 'judgment')} not made or failed: the head stands in"])


def _writer(out: Path, *, overwrite: bool) -> Callable[[Path, dict[str, list]], None]:
    expected = f"{out} ends in {out.suffix or 'nothing'!r}, expected one of {', '.join(_WRITERS)}"
    refuse(out.suffix.lower() not in _WRITERS, "--out", expected)
    if out.is_dir():
        raise NlparamError(f"{out} is a folder, expected a file: choose another --out")
    if out.exists() and not overwrite:
        raise NlparamError(f"{out} exists already: choose another --out, or replace it with --overwrite")
    return _WRITERS[out.suffix.lower()]


def _write_parquet(path: Path, columns: dict[str, list]) -> None:
    import pyarrow
    import pyarrow.parquet

    def column(values: list) -> "pyarrow.Array":
        try:
            return pyarrow.array(values)
        except (pyarrow.ArrowException, TypeError):  # values of several types
            return pyarrow.array([None if value is None else _as_text(value) for value in values])

    pyarrow.parquet.write_table(pyarrow.table({name: column(values) for name, values in columns.items()}), path)


def _write_csv(path: Path, columns: dict[str, list]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([_as_text(value) if isinstance(value, dict | list) else value for value in row])


def _write_jsonl(path: Path, columns: dict[str, list]) -> None:
    from nlparam.results.jsonable import jsonable

    with path.open("w", encoding="utf-8") as file:
        for row in zip(*columns.values(), strict=True):
            file.write(json.dumps(jsonable(dict(zip(columns, row, strict=True))), ensure_ascii=False) + "\n")


def _as_text(value: Any) -> str:
    from nlparam.results.jsonable import jsonable

    return value if isinstance(value, str) else json.dumps(jsonable(value), ensure_ascii=False)


_WRITERS = {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_jsonl}
