"""Sets of our own format: a folder with `texts.jsonl`, and with `meta.json`, which says what they are."""

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiments.base import DataError, Task
from benchmarks.experiments.data.goals import plain_goal
from benchmarks.experiments.data.rows import Rows, read_object, shown, whole
from benchmarks.experiments.data.truth import Attribute, Source

FOLDERS: dict[str, Task] = {"cluster": "clustering", "time_series": "time_series", "classification": "classification"}
_FIELDS: dict[Task, str | None] = {"clustering": None, "time_series": "time", "classification": "class"}
META, TEXTS = "meta.json", "texts.jsonl"
# What a predicate says beside the label: "has a topic of sports." is about sports.
_ABOUT = re.compile(r"^has an? (?:\w+ )+?of |\.$")
_FORM = re.compile(r"has an? (?:\w+ )*?(\w+) of ")


def is_set(folder: Path) -> bool:
    return (folder / META).is_file() and (folder / TEXTS).is_file()


def read_set(folder: Path, name: str) -> Source:
    """Reads `{"text", "label"}`, `{"text", "time", "denotation"}` or `{"text", "class", "denotation"}` rows.

    Which of them is the `kind` of `meta.json`; the truth is the `label` or the `denotation`, in `reference_predicates`.
    """
    meta, rows = read_object(folder / META), Rows(folder / TEXTS)
    task = meta.get("kind")
    if task not in _FIELDS:
        raise DataError(f"{folder / META}: the field 'kind' is {task!r}, expected one of {shown(list(_FIELDS))}")
    texts, field, stated = rows.texts(), _FIELDS[task], meta.get("goal")
    return Source(
        name=name,
        task=task,
        texts=texts,
        data=None if field is None else rows.column(field),
        goal=plain_goal(stated) if stated else None,
        k=whole(meta.get("k"), folder / META, "k"),
        attributes=_truth(folder, meta, rows),
        origin=str(meta.get("source", folder)),
    )


def _truth(folder: Path, meta: dict[str, Any], rows: Rows) -> tuple[Attribute, ...]:
    predicates, labels = meta.get("reference_predicates"), meta.get("labels")
    if rows.has("denotation"):
        if not predicates:
            raise DataError(
                f"{folder / META}: the field 'reference_predicates' is missing, but the texts have "
                "a 'denotation': say which predicates its entries are"
            )
        holds = rows.indicators("denotation", predicates, multiple=True)
    elif rows.has("label"):
        labels = labels or sorted(set(rows.column("label")), key=str)
        predicates = predicates or [str(label) for label in labels]
        if len(predicates) != len(labels):
            raise DataError(
                f"{folder / META}: {len(predicates)} 'reference_predicates' for {len(labels)} 'labels', "
                "expected one for each"
            )
        holds = rows.indicators("label", labels, multiple=False)
    else:
        return ()
    return attributes_of(predicates, holds)


def attributes_of(predicates: Sequence[str], holds: np.ndarray) -> tuple[Attribute, ...]:
    """The labellings in `holds`, `(n_texts, n_predicates)`: those of one form ("has a topic of ...") are one, "topic".

    If some predicates have no such form, or one that stands apart, all are one labelling, "label".
    """
    forms = [form[1] if form else None for form in map(_FORM.match, predicates)]
    runs = [(form, list(columns)) for form, columns in itertools.groupby(range(len(forms)), forms.__getitem__)]
    if None in forms or len(runs) != len(set(forms)):
        return (Attribute("label", tuple(predicates), holds),)
    return tuple(
        Attribute(str(form), tuple(predicates[column] for column in columns), holds[:, columns])
        for form, columns in runs
    )


def write_set(source: Source, folder: Path, **about: Any) -> None:
    """Writes a set that `read_set` reads; `about` are further fields of `meta.json`.

    The truth of a clustering is written as labels, where one predicate holds for each text, else as denotations.
    """
    truth, predicates = source.reference, list(source.reference_predicates)
    one_each = truth is not None and bool((truth.sum(axis=1) == 1).all())
    labels = [_ABOUT.sub("", predicate) for predicate in predicates] if one_each else []
    rows: list[dict[str, Any]] = [{"text": text} for text in source.texts]
    for number, row in enumerate(rows):
        if source.data is not None:
            row[_FIELDS[source.task] or "data"] = source.data[number]
        if source.task == "clustering" and (truth is None or one_each):
            row["label"] = None if truth is None else labels[int(truth[number].argmax())]
        elif truth is not None:
            row["denotation"] = truth[number].astype(int).tolist()
    meta = {"kind": source.task, "name": source.name, "n": len(rows), "k": source.k, "labels": labels or None}
    meta |= {"reference_predicates": predicates or None, "goal": source.goal, "source": source.origin}
    folder.mkdir(parents=True)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / TEXTS).write_text("".join(lines), encoding="utf-8")
    (folder / META).write_text(json.dumps(meta | about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
