"""A comparison on disk: JSON and Parquet in one folder. Loading one needs no language model."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.comparison import (
    OUTCOMES,
    Comparison,
    Estimate,
    Example,
    Finding,
    Group,
    Ranking,
    Ratings,
    Share,
    Units,
)
from nlparam.corpus import Corpus
from nlparam.costs import Costs
from nlparam.errors import FitFolderError

FORMAT = 1
_COMPARISON, _TEXTS, _UNITS, _JUDGMENTS = "comparison.json", "texts.parquet", "units.parquet", "judgments.parquet"
_PICTURES = "pictures.json"  # only where texts stand for images
# Where a model is found may change between two runs of one comparison; what it is (its identity) may not.
_NOT_COMPARED = {"date", "lm", "embedder"}


def check_folder(folder: str | Path, settings: dict[str, Any], *, overwrite: bool = False) -> None:
    """Raises `FitFolderError` if the folder cannot take this comparison: it holds something else, or is no folder.

    The same comparison may be written again: a repeated command is not an accident.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FitFolderError(f"{folder} is a file, expected a folder (or nothing yet): choose another --out")
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        raise FitFolderError(f"{nearest} is not writable: choose another --out or change its permissions")
    if overwrite or not folder.exists():
        return
    if (folder / "fit.json").exists():
        raise FitFolderError(f"{folder} holds a fit: choose another --out, or add to it with --overwrite")
    if not (folder / _COMPARISON).exists():
        return
    try:
        there = read_contents(folder)["settings"]
    except (FitFolderError, KeyError):
        there = {}
    wanted = json.loads(json.dumps(settings))
    different = sorted(name for name in wanted.keys() - _NOT_COMPARED if there.get(name) != wanted[name])
    if different:
        raise FitFolderError(
            f"{folder} holds another comparison (it differs in {', '.join(different)}): "
            "choose another --out, or replace it with --overwrite"
        )


def save(comparison: Comparison, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Writes a comparison to a folder; `comparison.json` comes last, so that a folder with one is complete.

    Raises `FitFolderError` if the folder holds something else and `overwrite` is not set, or cannot be written.
    """
    import pyarrow
    import pyarrow.parquet

    folder = Path(folder)
    check_folder(folder, comparison.settings, overwrite=overwrite)
    units = comparison.units
    text, finding = np.nonzero(np.isfinite(comparison.judgments))
    judgments = {
        "text": text,
        "predicate": pyarrow.array([comparison.findings[number].predicate for number in finding], pyarrow.string()),
        "probability": comparison.judgments[text, finding],
    }
    contents = {
        "format": FORMAT,
        "goal": comparison.goal,
        "groups": [dataclasses.asdict(group) for group in comparison.groups],
        "findings": [_written(finding) for finding in comparison.findings],
        "covariates": list(comparison.covariates),
        "confidence": comparison.confidence,
        "level": comparison.level,
        "correction": comparison.correction,
        "warnings": comparison.warnings,
        "settings": comparison.settings,
        "versions": comparison.versions,
        "costs": comparison.costs.as_dict(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _COMPARISON).unlink(missing_ok=True)
        texts = {"text": pyarrow.array(comparison.corpus.texts, pyarrow.string())}
        pyarrow.parquet.write_table(pyarrow.table(texts), folder / _TEXTS)
        of_units = {field.name: getattr(units, field.name) for field in dataclasses.fields(Units)}
        pyarrow.parquet.write_table(pyarrow.table(of_units), folder / _UNITS)
        pyarrow.parquet.write_table(pyarrow.table(judgments), folder / _JUDGMENTS)
        (folder / _PICTURES).unlink(missing_ok=True)
        if comparison.pictures:
            (folder / _PICTURES).write_text(json.dumps(dict(comparison.pictures)), encoding="utf-8")
        partial = folder / f"{_COMPARISON}.partial"
        partial.write_text(json.dumps(contents, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(folder / _COMPARISON)
    except OSError as error:
        raise FitFolderError(f"{folder} cannot be written ({error}): choose another --out") from error
    return folder


def load(folder: str | Path) -> Comparison:
    """Reads what `save` wrote.

    Raises `FitFolderError` if the folder holds no comparison, an incomplete one, or one of a newer format.
    """
    import pyarrow
    import pyarrow.parquet

    folder = Path(folder)
    contents = read_contents(folder)
    if contents["format"] > FORMAT:
        raise FitFolderError(
            f"{folder} was written by a newer nlparam (format {contents['format']}, this one reads {FORMAT}): "
            "upgrade nlparam"
        )
    try:
        texts = pyarrow.parquet.read_table(folder / _TEXTS)["text"].to_pylist()
        units = pyarrow.parquet.read_table(folder / _UNITS)
        judged = pyarrow.parquet.read_table(folder / _JUDGMENTS)
        findings = [_read(written) for written in contents["findings"]]
        groups = [Group(**group) for group in contents["groups"]]
        pictures = folder / _PICTURES
        pictures = json.loads(pictures.read_text(encoding="utf-8")) if pictures.exists() else {}
    except (OSError, KeyError, TypeError, ValueError, pyarrow.ArrowException) as error:
        raise FitFolderError(f"{folder} holds an incomplete comparison ({error}): compare again") from error
    corpus = Corpus.from_texts(texts)
    place = {finding.predicate: number for number, finding in enumerate(findings)}
    judgments = np.full((len(corpus.distinct), len(findings)), np.nan)
    columns = [place[predicate] for predicate in judged["predicate"].to_pylist()]
    judgments[judged["text"].to_numpy(), columns] = judged["probability"].to_numpy()
    return Comparison(
        groups=groups,
        goal=contents["goal"],
        findings=findings,
        corpus=corpus,
        units=Units(**{field.name: units[field.name].to_numpy().copy() for field in dataclasses.fields(Units)}),
        judgments=judgments,
        covariates=tuple(contents["covariates"]),
        confidence=contents["confidence"],
        level=contents["level"],
        correction=contents["correction"],
        warnings=contents["warnings"],
        settings=contents["settings"],
        versions=contents["versions"],
        costs=Costs.from_dict(contents["costs"]),
        pictures=pictures,
    )


def read_contents(folder: str | Path) -> dict[str, Any]:
    """What `comparison.json` holds. Raises `FitFolderError` if there is none, or it cannot be read."""
    path = Path(folder) / _COMPARISON
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FitFolderError(f"{folder} holds no comparison: {_COMPARISON} is not there") from error
    except (OSError, ValueError) as error:
        raise FitFolderError(f"cannot read {path}: {error}") from error
    if not isinstance(contents, dict) or not isinstance(contents.get("format"), int):
        raise FitFolderError(f"{path} was not written by nlparam: it states no format")
    return contents


def _written(finding: Finding) -> dict[str, Any]:
    return dataclasses.asdict(finding) | {"outcome": finding.outcome.name}


def _read(written: dict[str, Any]) -> Finding:
    kinds: dict[str, type] = {"screening": Estimate, "crude": Estimate, "given_covariates": Estimate}
    kinds |= {"ratings": Ratings, "ranking": Ranking}
    fields = dict(written)
    for name, kind in kinds.items():
        fields[name] = None if written[name] is None else kind(**written[name])
    fields["outcome"] = OUTCOMES[written["outcome"]]
    fields["shares"] = tuple(Share(**share) for share in written["shares"])
    fields["examples"] = tuple(Example(**example) for example in written["examples"])
    return Finding(**fields)
