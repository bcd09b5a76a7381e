"""Sets of our own format: a folder with `texts.jsonl`, and with `meta.json`, which says what they are."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.experiments.base import DataError, Task
from benchmarks.experiments.data.goals import plain_goal
from benchmarks.experiments.data.rows import Rows, read_object, shown, whole
from benchmarks.experiments.data.truth import Attribute, Source

FOLDERS: dict[str, Task] = {"cluster": "clustering", "time_series": "time_series", "classification": "classification"}
_FIELDS: dict[Task, str | None] = {"clustering": None, "time_series": "time", "classification": "class"}
_FORM = re.compile(r"has an? (\w+) of ")


def is_set(folder: Path) -> bool:
    return (folder / "meta.json").is_file() and (folder / "texts.jsonl").is_file()


def read_set(folder: Path, name: str) -> Source:
    """Reads `{"text", "label"}`, `{"text", "time", "denotation"}` or `{"text", "class", "denotation"}` rows.

    Which of them is the `kind` of `meta.json`; the truth is the `label` or the `denotation`, in `reference_predicates`.
    """
    meta, rows = read_object(folder / "meta.json"), Rows(folder / "texts.jsonl")
    task = meta.get("kind")
    if task not in _FIELDS:
        raise DataError(f"{folder / 'meta.json'}: the field 'kind' is {task!r}, expected one of {shown(list(_FIELDS))}")
    texts, field, stated = rows.texts(), _FIELDS[task], meta.get("goal")
    return Source(
        name=name,
        task=task,
        texts=texts,
        data=None if field is None else rows.column(field),
        goal=plain_goal(stated) if stated else None,
        k=whole(meta.get("k"), folder / "meta.json", "k"),
        attributes=_truth(folder, meta, rows),
        origin=str(meta.get("source", folder)),
    )


def _truth(folder: Path, meta: dict[str, Any], rows: Rows) -> tuple[Attribute, ...]:
    predicates, labels = meta.get("reference_predicates"), meta.get("labels")
    if rows.has("denotation"):
        if not predicates:
            raise DataError(
                f"{folder / 'meta.json'}: the field 'reference_predicates' is missing, but the texts have "
                "a 'denotation': say which predicates its entries are"
            )
        holds = rows.indicators("denotation", predicates, multiple=True)
    elif rows.has("label"):
        labels = labels or sorted(set(rows.column("label")), key=str)
        predicates = predicates or [str(label) for label in labels]
        if len(predicates) != len(labels):
            raise DataError(
                f"{folder / 'meta.json'}: {len(predicates)} 'reference_predicates' for {len(labels)} 'labels', "
                "expected one for each"
            )
        holds = rows.indicators("label", labels, multiple=False)
    else:
        return ()
    return (Attribute(attribute_name(predicates), tuple(predicates), holds),)


def attribute_name(predicates: Sequence[str]) -> str:
    """What predicates of one form are about: "topic" for "has a topic of ..."; else "label"."""
    forms = {form[1] if form else None for form in map(_FORM.match, predicates)}
    return (forms.pop() if len(forms) == 1 else None) or "label"
