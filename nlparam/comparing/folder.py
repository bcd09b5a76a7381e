"""A comparison on disk: JSON and Parquet in one folder. Loading one needs no language model."""

import dataclasses
import json
import math
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
from nlparam.result_folder import check_result_folder, complete, make_room, read_json, write_json, writing

FORMAT = 1
_COMPARISON, _TEXTS, _UNITS, _JUDGMENTS = "comparison.json", "texts.parquet", "units.parquet", "judgments.parquet"
_PICTURES = "pictures.json"  # only where texts stand for images
_AGAIN = "compare again with --overwrite"
# Where a model is found may change between two runs of one comparison; what it is (its identity) may not.
_NOT_COMPARED = {"date", "lm", "embedder"}


def check_folder(folder: str | Path, settings: dict[str, Any], *, overwrite: bool = False) -> None:
    """Raises `FitFolderError` if the folder cannot take this comparison: it holds something else, or is no folder.

    The same comparison may be written again: a repeated command is not an accident.
    """
    check_result_folder(
        folder,
        _COMPARISON,
        settings,
        lambda: read_contents(folder)["settings"],
        overwrite=overwrite,
        ignored=_NOT_COMPARED,
    )


def save(comparison: Comparison, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Writes a comparison to a folder; `comparison.json` comes last, so that a folder with one is complete.

    Raises `FitFolderError` if the folder holds something else and `overwrite` is not set, or cannot be written.
    """
    import pyarrow
    import pyarrow.parquet

    folder = Path(folder)
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
    with writing(folder):
        check_folder(folder, comparison.settings, overwrite=overwrite)
        try:
            make_room(folder, _COMPARISON, overwrite=overwrite)
            texts = {"text": pyarrow.array(comparison.corpus.texts, pyarrow.string())}
            pyarrow.parquet.write_table(pyarrow.table(texts), folder / _TEXTS)
            of_units = {field.name: getattr(units, field.name) for field in dataclasses.fields(Units)}
            pyarrow.parquet.write_table(pyarrow.table(of_units), folder / _UNITS)
            pyarrow.parquet.write_table(pyarrow.table(judgments), folder / _JUDGMENTS)
            (folder / _PICTURES).unlink(missing_ok=True)
            if comparison.pictures:
                (folder / _PICTURES).write_text(json.dumps(dict(comparison.pictures)), encoding="utf-8")
            write_json(folder / _COMPARISON, contents)
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
    with complete(folder, "comparison", again=_AGAIN):
        texts = pyarrow.parquet.read_table(folder / _TEXTS)["text"].to_pylist()
        units = pyarrow.parquet.read_table(folder / _UNITS)
        judged = pyarrow.parquet.read_table(folder / _JUDGMENTS)
        findings = [_read(written) for written in contents["findings"]]
        groups = [Group(**group) for group in contents["groups"]]
        pictures = folder / _PICTURES
        pictures = json.loads(pictures.read_text(encoding="utf-8")) if pictures.exists() else {}
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
    return read_json(Path(folder) / _COMPARISON, again=_AGAIN)


def _written(finding: Finding) -> dict[str, Any]:
    return _finite(dataclasses.asdict(finding)) | {"outcome": finding.outcome.name}


def _read(written: dict[str, Any]) -> Finding:
    fields = dict(written)
    for name in ("screening", "crude", "given_covariates"):
        fields[name] = None if written[name] is None else Estimate(**_numbers(written[name]))
    fields["ratings"] = None if written["ratings"] is None else Ratings(**written["ratings"])
    fields["ranking"] = None if written["ranking"] is None else Ranking(**_numbers(written["ranking"]))
    fields["outcome"] = OUTCOMES[written["outcome"]]
    fields["shares"] = tuple(Share(**_numbers(share)) for share in written["shares"])
    fields["examples"] = tuple(Example(**example) for example in written["examples"])
    return Finding(**fields)


def _finite(value: Any) -> Any:
    """The value with `None` for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(written: dict[str, Any]) -> dict[str, Any]:
    """The fields as they were before `_finite`: what rests on too few texts has an infinite error, and no mean."""
    unknown = {"standard_error": math.inf}
    return {name: unknown.get(name, math.nan) if value is None else value for name, value in written.items()}
