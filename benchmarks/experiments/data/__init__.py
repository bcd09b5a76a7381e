"""Data sets by name, from a file of the user's, or planted in a labelled corpus: `load` makes a `Dataset` of each."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiments.base import DataError as DataError
from benchmarks.experiments.base import Dataset
from benchmarks.experiments.data import catalogue, files, jsonl, planted, reference
from benchmarks.experiments.data.labellings import other_labellings
from benchmarks.experiments.data.truth import Source
from nlparam.language.goals import goal_of_attributes

FOLDER = Path("../shared/data")
_ROOT = Path(__file__).resolve().parents[3]


def load(
    name: str,
    *,
    folder: Path | str = FOLDER,
    goal: str | None = None,
    goal_of: str | None = None,
    k: int | None = None,
    n_texts: int | None = None,
    seed: int = 0,
    series: bool | Mapping[str, Any] = False,
    conjunctions: bool | Mapping[str, Any] = False,
    task: str | None = None,
    text_field: str | None = None,
    label_field: str | Sequence[str] | None = None,
    time_field: str | None = None,
    class_field: str | None = None,
) -> Dataset:
    """Loads a data set.

    **Arguments:**

    - `name`: one of `names(folder)`; `goals/NAME`, a goal of `benchmarks.goals`; a path to a folder of our format
      (`meta.json` and `texts.jsonl`), to a JSON file of the reference repository, or to a file or folder of texts of
      your own.
    - `folder`: where the named sets are, relative to the root of the project. Those that were fetched
      (`python -m benchmarks.data`) are found, too.
    - `goal`, `k`: in place of those of the set.
    - `goal_of`: another labelling of the same texts becomes the goal and the truth, for `syngoalex_topic` "language"
      or "style" (whose truth is not in the data: `reference` is then `None`).
    - `n_texts`: a random subset of so many texts, in the order of the whole.
    - `series`: the texts become a time series with planted prevalence curves: `True`, or a mapping with any of
      `n_times`, `strength`, `seed`; see `planted.series`.
    - `conjunctions`: the texts become a classification whose classes are conjunctions of the reference predicates:
      `True`, or a mapping with `n_classes`, the most classes; see `planted.conjunctions`.
    - `seed`: of the subset and of the planted times.
    - `task`, `text_field`, `label_field`, `time_field`, `class_field`: for files of your own, see `files.read_file`;
      `task` also says what a file of the reference repository is for, where that cannot be told from it.

    **Raises:** `DataError` for an unknown name (it lists the choices), files that are not as described, and options
    that the set cannot have; `MissingExtraError` where a corpus needs a package.
    """
    from nlparam.fitting.setup import DEFAULT_GOAL

    if series and conjunctions:
        raise DataError("got series and conjunctions, expected one of them: a data set has one task")
    fields = files.Fields(task, text_field, label_field, time_field, class_field)
    source = _find(name, folder, fields)
    if goal_of is not None:
        source = _about(source, goal_of)
    if n_texts is not None:
        source = _subset(source, n_texts, seed)
    if series:
        source = planted.series(source, **_options(series, {"seed": seed}, "series", ("n_times", "strength", "seed")))
    if conjunctions:
        source = planted.conjunctions(source, **_options(conjunctions, {}, "conjunctions", ("n_classes",)))
    if k is not None and k < 1:
        raise DataError(f"got k={k}, expected at least 1")
    return Dataset(
        name=source.name,
        task=source.task,
        texts=source.texts,
        data=source.data,
        goal=goal or source.goal or DEFAULT_GOAL,
        k=k or source.usual_k,
        reference=source.reference,
        reference_predicates=source.reference_predicates,
        source=source.origin,
    )


def names(folder: Path | str = FOLDER) -> list[str]:
    """Every name that `load` knows: a set by its name, or by `task/name` where two tasks have one of that name."""
    return [*sorted(sets(folder)), *files.CORPORA]


def sets(folder: Path | str = FOLDER) -> dict[str, Path]:
    """The folders of the named sets, in `folder` or fetched."""
    there: dict[tuple[str, str], Path] = {}
    for root in (_rooted(folder), catalogue.fetched_folder()):
        for kind in jsonl.FOLDERS:
            for place in sorted((root / kind).glob("*")):
                if jsonl.is_set(place):
                    there.setdefault((kind, place.name), place)
    owns = [name for _, name in there]
    return {f"{kind}/{name}" if owns.count(name) > 1 else name: place for (kind, name), place in there.items()}


def _find(name: str, folder: Path | str, fields: files.Fields) -> Source:
    if name in files.CORPORA:
        return files.read_corpus(name)
    if name.startswith("goals/"):
        return files.read_goal(name.removeprefix("goals/"))
    there = sets(folder)
    found = there.get(name)
    if found is None and "/" in name:  # an unambiguous name with its prefix
        kind, _, own = name.partition("/")
        place = there.get(own)
        found = place if place is not None and place.parent.name == kind else None
        name = own if found is not None else name
    if found is not None:
        fields.expect_none(name)
        return other_labellings(jsonl.read_set(found, name), there)
    for path in (Path(name).expanduser(), catalogue.fetched_folder() / name.removeprefix(f"{folder}/")):
        if path.exists():
            return _read_path(path, there, fields)
    known = ", ".join([*sorted(there), *files.CORPORA])
    remedy = catalogue.remedy(name) or f"unknown data set {name!r}, and no file or folder of that name"
    raise DataError(f"{remedy}; here are {known}")


def _read_path(path: Path, there: Mapping[str, Path], fields: files.Fields) -> Source:
    folder = path.parent if path.name == "texts.jsonl" else path
    if jsonl.is_set(folder):
        fields.expect_none(str(path))
        return other_labellings(jsonl.read_set(folder, folder.name), there)
    if path.suffix.lower() == ".json" and reference.is_reference(path):
        dataclasses.replace(fields, task=None).expect_none(str(path))
        return reference.read_reference(path, task=fields.task)
    return files.read_file(path, fields)


def _rooted(folder: Path | str) -> Path:
    return (_ROOT / Path(folder).expanduser()).resolve()


def _about(source: Source, wanted: str) -> Source:
    """The same texts under another goal."""
    choices = {attribute.name: attribute for attribute in (*source.attributes, *source.others)}
    if wanted not in choices:
        has = f"expected one of {', '.join(choices)}" if choices else "but its texts have no labelling"
        raise DataError(f"{source.name}: got goal_of={wanted!r}, {has}")
    chosen = choices[wanted]
    return dataclasses.replace(
        source,
        name=f"{source.name}+{wanted}",
        goal=goal_of_attributes([wanted]),
        k=source.k if len(source.attributes) < 2 else None,  # that of the file is for all of them
        attributes=(chosen,) if chosen.predicates else (),
        others=tuple(attribute for attribute in choices.values() if attribute.name != wanted),
    )


def _subset(source: Source, n_texts: int, seed: int) -> Source:
    there = len(source.texts)
    if not 0 < n_texts <= there:
        raise DataError(f"{source.name}: got n_texts={n_texts}, expected a number from 1 to {there}")
    return source.take(np.sort(np.random.default_rng(seed).choice(there, n_texts, replace=False)))


def _options(
    given: bool | Mapping[str, Any], defaults: dict[str, Any], what: str, known: Sequence[str]
) -> dict[str, Any]:
    if isinstance(given, bool):
        return defaults
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise DataError(f"{what} has no option {', '.join(map(repr, unknown))}, expected any of {', '.join(known)}")
    return defaults | dict(given)
