"""The JSON format of the reference repository, one object whose lists are aligned, and those of its siblings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pydantic

from benchmarks.experiments.base import DataError
from benchmarks.experiments.data.jsonl import FOLDERS, attributes_of
from benchmarks.experiments.data.truth import Source, known_task, parsed, plain_goal, read


class _Reference(pydantic.BaseModel):
    texts: Annotated[
        list[str], pydantic.Field(min_length=1, validation_alias=pydantic.AliasChoices("texts_by_time", "texts"))
    ]
    K: pydantic.PositiveInt | None = None
    goal: str | None = None
    labels: list[Any] | None = None
    reference_phi_denotation: list[list[bool]] | None = None
    reference_phi_predicate_strings: list[str] | None = None

    @pydantic.model_validator(mode="after")
    def _aligned(self) -> "_Reference":
        truth, predicates, n = self.reference_phi_denotation, self.reference_phi_predicate_strings, len(self.texts)
        if (truth is None) != (predicates is None):
            raise ValueError("expected 'reference_phi_denotation' and 'reference_phi_predicate_strings', or neither")
        for name, values in (("labels", self.labels), ("reference_phi_denotation", truth)):
            if values is not None and len(values) != n:
                raise ValueError(f"{len(values)} entries in {name!r} for {n} texts, expected one for each")
        for number, row in enumerate(truth or ()):
            if len(row) != (wanted := len(predicates or ())):
                raise ValueError(f"entry {number} of the denotation has {len(row)} values, expected {wanted}")
        return self


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
    return _source(path, parsed(dict[str, Any], read(path), path), task)


def read_published(files: Sequence[Path], *, task: str) -> Source:
    """Reads a set as its authors published it.

    That is a file of the reference repository; a list of texts; two files of GoalEx, `{"texts", "goal"}` and
    `{"labels", "class_descriptions"}`; or a file of OpenD5, `{"data": {class: texts}}`.
    """
    path, *labels = files
    content = parsed(list | dict, read(path), path)
    if isinstance(content, list):
        content = {"texts": content}
    elif isinstance(content.get("data"), dict):
        groups = content["data"]
        content = {"texts": [text for group in groups for text in groups[group]]}
        content["labels"] = [group for group, texts in groups.items() for _ in texts]
    for file in labels:
        given = parsed(pydantic.create_model("Labels", class_descriptions=list[str], labels=list), read(file), file)
        names, classes = given.class_descriptions, given.labels
        if wrong := [label for label in classes if label not in range(len(names))]:
            raise DataError(f"{file}: the label {wrong[0]!r} is none of the {len(names)} 'class_descriptions'")
        content["reference_phi_predicate_strings"] = names
        content["reference_phi_denotation"] = [[label == number for number in range(len(names))] for label in classes]
    return _source(path, content, task)


def _source(path: Path, content: dict[str, Any], task: str | None) -> Source:
    given = parsed(_Reference, content, path)
    told = "time_series" if {"texts_by_time", "discontinuity_penalty"} & set(content) else "clustering"
    told = "classification" if given.labels is not None else told
    task = known_task(task or FOLDERS.get(path.parent.name, told))
    if task == "classification" and given.labels is None:
        raise DataError(f"{path}: the field 'labels' is missing, which holds the classes")
    truth, predicates = given.reference_phi_denotation, given.reference_phi_predicate_strings
    return Source(
        name=path.stem,
        task=task,
        texts=given.texts,
        data={"classification": given.labels, "time_series": list(range(len(given.texts)))}.get(task),
        goal=plain_goal(given.goal) if given.goal else None,
        k=given.K,
        attributes=() if truth is None or predicates is None else attributes_of(predicates, np.asarray(truth, bool)),
        origin=str(path),
    )
