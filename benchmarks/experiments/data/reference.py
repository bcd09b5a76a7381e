"""The JSON format of the reference repository: one object, its lists aligned with `texts`."""

from pathlib import Path
from typing import Any

from benchmarks.experiments.base import DataError
from benchmarks.experiments.data.goals import plain_goal
from benchmarks.experiments.data.jsonl import FOLDERS, attribute_name
from benchmarks.experiments.data.rows import indicators, read, read_object, shown, strings, whole
from benchmarks.experiments.data.truth import Attribute, Source, known_task

_DENOTATION, _PREDICATES = "reference_phi_denotation", "reference_phi_predicate_strings"


def is_reference(path: Path) -> bool:
    """A JSON object; the texts of a user of ours are in a list."""
    return path.is_file() and read(path).lstrip().startswith("{")


def read_reference(path: Path, *, task: str | None = None) -> Source:
    """Reads `{"texts", "K", "goal", "labels"?, "reference_phi_denotation"?, "reference_phi_predicate_strings"?}`.

    What a file is for is the name of its folder there (`cluster`, `time_series`, `classification`). Elsewhere `labels`
    make a classification, a `discontinuity_penalty` a time series, whose texts are in the order of time; anything else
    is a clustering, unless `task` says otherwise.
    """
    content = read_object(path)
    texts = strings(_list(path, content, "texts"), lambda number: f"{path}: entry {number} of 'texts'")
    if not texts:
        raise DataError(f"{path} holds no texts: 'texts' is empty")
    told = "time_series" if "discontinuity_penalty" in content else "clustering"
    told = "classification" if "labels" in content else told
    task = known_task(task or FOLDERS.get(path.parent.name, told))
    data = None
    if task == "classification":
        data = _aligned(path, content, "labels", len(texts))
    elif task == "time_series":
        data = list(range(len(texts)))
    goal = content.get("goal")
    return Source(
        name=path.stem,
        task=task,
        texts=texts,
        data=data,
        goal=plain_goal(goal) if goal else None,
        k=whole(content.get("K"), path, "K"),
        attributes=_truth(path, content, len(texts)),
        origin=str(path),
    )


def _truth(path: Path, content: dict[str, Any], n_texts: int) -> tuple[Attribute, ...]:
    if content.get(_DENOTATION) is None and content.get(_PREDICATES) is None:
        return ()
    predicates = tuple(_list(path, content, _PREDICATES))
    rows = _aligned(path, content, _DENOTATION, n_texts)
    holds = indicators(rows, predicates, lambda number: f"{path}: entry {number} of {_DENOTATION!r}")
    return (Attribute(attribute_name(predicates), predicates, holds),)


def _aligned(path: Path, content: dict[str, Any], field: str, n_texts: int) -> list[Any]:
    values = _list(path, content, field)
    if len(values) != n_texts:
        raise DataError(f"{path}: {len(values)} entries in {field!r} for {n_texts} texts, expected one for each")
    return values


def _list(path: Path, content: dict[str, Any], field: str) -> list[Any]:
    if field not in content:
        raise DataError(f"{path}: the field {field!r} is missing; the fields there are: {shown(list(content))}")
    if not isinstance(content[field], list):
        raise DataError(f"{path}: the field {field!r} is {type(content[field]).__name__}, expected a list")
    return content[field]
