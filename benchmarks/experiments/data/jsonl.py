"""Sets of our own format: a folder with `texts.jsonl`, and with `meta.json`, which says what they are."""

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic

from benchmarks.experiments.base import DataError, Task
from benchmarks.experiments.data.truth import Attribute, Source, parsed, plain_goal, read

FOLDERS: dict[str, Task] = {"cluster": "clustering", "time_series": "time_series", "classification": "classification"}
_FIELDS: dict[Task, str | None] = {"clustering": None, "time_series": "time", "classification": "class"}
META, TEXTS = "meta.json", "texts.jsonl"
# What a predicate says beside the label: "has a topic of sports." is about sports.
_ABOUT = re.compile(r"^has an? (?:\w+ )+?of |\.$")
_FORM = re.compile(r"has an? (?:\w+ )*?(\w+) of ")


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("it is missing")
    return value


_Value = Annotated[Any, pydantic.AfterValidator(_given)]


class _Meta(pydantic.BaseModel):
    kind: Task
    k: pydantic.PositiveInt | None = None
    goal: str | None = None
    source: str | None = None
    labels: list[Any] | None = None
    reference_predicates: list[str] | None = None

    @pydantic.model_validator(mode="after")
    def _one_predicate_for_each_label(self) -> "_Meta":
        n_labels, n_predicates = len(self.labels or ()), len(self.reference_predicates or ())
        if n_labels and n_predicates and n_labels != n_predicates:
            raise ValueError(f"{n_predicates} 'reference_predicates' for {n_labels} 'labels', expected one for each")
        return self


def is_set(folder: Path) -> bool:
    return (folder / META).is_file() and (folder / TEXTS).is_file()


def read_set(folder: Path, name: str) -> Source:
    """Reads `{"text", "label"}`, `{"text", "time", "denotation"}` or `{"text", "class", "denotation"}` rows.

    Which of them is the `kind` of `meta.json`; the truth is the `label` or the `denotation`, in `reference_predicates`.
    """
    path, meta = folder / TEXTS, parsed(_Meta, read(folder / META), folder / META)
    # Not splitlines: it would split at U+2028 and its like, which may stand inside a JSON string.
    lines = [(f"{path}, line {n}", line) for n, line in enumerate(read(path).split("\n"), start=1) if line.strip()]
    if not lines:
        raise DataError(f"{path} holds no texts: it is empty")
    given = [parsed(dict[str, Any], line, place) for place, line in lines]
    predicates, labels = list(meta.reference_predicates or ()), meta.labels
    kinds: dict[str, Any] = {"text": str}
    if (field := _FIELDS[meta.kind]) is not None:
        kinds[field] = _Value
    truth = next((one for one in ("denotation", "label") if any(row.get(one) is not None for row in given)), None)
    if truth == "denotation":
        if not predicates:
            raise DataError(
                f"{folder / META}: the field 'reference_predicates' is missing, but the texts have a 'denotation': "
                "say which predicates its entries are"
            )
        n = len(predicates)
        kinds[truth] = Annotated[list[bool], pydantic.Field(min_length=n, max_length=n)]
    elif truth == "label":
        labels = labels or sorted({row["label"] for row in given if row.get("label") is not None}, key=str)
        predicates = predicates or [str(label) for label in labels]
        kinds[truth] = Literal[tuple(labels)]
    fields: dict[str, Any] = {name: (kind, ...) for name, kind in kinds.items()}
    row_kind = pydantic.create_model("Row", **fields)
    rows = [parsed(row_kind, row, place) for (place, _), row in zip(lines, given, strict=True)]
    attributes: tuple[Attribute, ...] = ()
    if truth is not None:
        values = [getattr(row, truth) for row in rows]
        holds = values if truth == "denotation" else [[value == label for label in labels or ()] for value in values]
        attributes = attributes_of(predicates, np.asarray(holds, dtype=bool))
    return Source(
        name=name,
        task=meta.kind,
        texts=[row["text"] for row in given],
        data=None if field is None else [row[field] for row in given],
        goal=plain_goal(meta.goal) if meta.goal else None,
        k=meta.k,
        attributes=attributes,
        origin=meta.source or str(folder),
    )


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
