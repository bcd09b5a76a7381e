"""The JSON format of the reference repository, one object whose lists are aligned, and those of its siblings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.experiments.base import DataError
from benchmarks.experiments.data.goals import plain_goal
from benchmarks.experiments.data.jsonl import FOLDERS, attributes_of
from benchmarks.experiments.data.rows import indicators, read, read_json, read_object, shown, strings, whole
from benchmarks.experiments.data.truth import Attribute, Source, known_task

_DENOTATION, _PREDICATES = "reference_phi_denotation", "reference_phi_predicate_strings"


def is_reference(path: Path) -> bool:
    """A JSON object; the texts of a user of ours are in a list."""
    return path.is_file() and read(path).lstrip().startswith("{")


def read_reference(path: Path, *, task: str | None = None) -> Source:
    """Reads `{"texts", "K", "goal", "labels"?, "reference_phi_denotation"?, "reference_phi_predicate_strings"?}`.

    The texts of a time series, in the order of time, are in `texts_by_time`. What a file is for is the name of
    its folder there (`cluster`, `time_series`, `classification`). Elsewhere `labels` make a classification,
    `texts_by_time` or a `discontinuity_penalty` a time series; anything else is a clustering, unless `task` says
    otherwise.
    """
    return _source(path, read_object(path), task)


def read_published(files: Sequence[Path], *, task: str) -> Source:
    """Reads a set as its authors published it.

    That is a file of the reference repository; a list of texts; two files of GoalEx, `{"texts", "goal"}` and
    `{"labels", "class_descriptions"}`; or a file of OpenD5, `{"data": {class: texts}}`.
    """
    path, *labels = files
    content = read_json(path)
    if isinstance(content, list):
        content = {"texts": content}
    elif isinstance(content.get("data"), dict):
        groups = content["data"]
        content = {"texts": [text for group in groups for text in groups[group]]}
        content["labels"] = [group for group, texts in groups.items() for _ in texts]
    for file in labels:
        given = read_object(file)
        names = _list(file, given, "class_descriptions")
        classes = _list(file, given, "labels")
        if wrong := [label for label in classes if label not in range(len(names))]:
            raise DataError(f"{file}: the label {wrong[0]!r} is none of the {len(names)} 'class_descriptions'")
        content[_PREDICATES] = names
        content[_DENOTATION] = [[int(label == number) for number in range(len(names))] for label in classes]
    return _source(path, content, task)


def _source(path: Path, content: dict[str, Any], task: str | None) -> Source:
    field = "texts_by_time" if "texts_by_time" in content else "texts"
    texts = strings(_list(path, content, field), lambda number: f"{path}: entry {number} of {field!r}")
    if not texts:
        raise DataError(f"{path} holds no texts: {field!r} is empty")
    told = "time_series" if {"texts_by_time", "discontinuity_penalty"} & set(content) else "clustering"
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
    return attributes_of(predicates, holds)


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
