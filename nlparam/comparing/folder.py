"""A comparison as files: what goes into JSON and Parquet, and the fields of a comparison from them."""

import json
import math
from typing import Any

import numpy as np

from nlparam.comparing.records import ComparisonLike, Finding, Group, Units
from nlparam.corpus.corpus import Corpus
from nlparam.denotation.following import GoalFollowing
from nlparam.results.jsonable import from_json, jsonable
from nlparam.results.result import Files, Folder
from nlparam.runtime.costs import Costs

_TEXTS, _UNITS, _JUDGMENTS = "texts.parquet", "units.parquet", "judgments.parquet"
# What the file has as it is.
_PLAIN = ("goal", "confidence", "level", "correction", "warnings", "settings", "versions")
_PICTURES = "pictures.json"  # only where texts stand for images


def pack_comparison(comparison: ComparisonLike) -> tuple[dict[str, Any], Files]:
    """What `comparison.json` says of a comparison, and the files beside it."""
    import pyarrow

    units = comparison.units
    text, finding = np.nonzero(np.isfinite(comparison.judgments))
    judgments = {
        "text": text,
        "predicate": pyarrow.array([comparison.findings[number].predicate for number in finding], pyarrow.string()),
        "probability": comparison.judgments[text, finding],
    }
    contents = {name: getattr(comparison, name) for name in _PLAIN} | {
        "groups": jsonable(comparison.groups),
        "findings": [jsonable(vars(finding)) | {"target": finding.target} for finding in comparison.findings],
        "covariates": list(comparison.covariates),
        "unadjusted": dict(comparison.unadjusted),
        "following": jsonable(comparison.following),
        "costs": comparison.costs.as_dict(),
    }
    return contents, Files(
        tables={
            _TEXTS: pyarrow.table(comparison.corpus.columns()),
            _UNITS: pyarrow.table({name: column for name, column in vars(units).items() if column is not None}),
            _JUDGMENTS: pyarrow.table(judgments),
        },
        texts={_PICTURES: json.dumps(dict(comparison.pictures)) if comparison.pictures else None},
    )


def fields_of_comparison(contents: dict[str, Any], folder: Folder) -> dict[str, Any]:
    """The fields of the comparison that `pack_comparison` packed."""
    units, judged = folder.table(_UNITS), folder.table(_JUDGMENTS)
    findings = [_read(written) for written in contents["findings"]]
    corpus = Corpus.of_table(folder.table(_TEXTS))
    place = {finding.predicate: number for number, finding in enumerate(findings)}
    judgments = np.full((len(corpus.distinct), len(findings)), np.nan)
    columns = [place[predicate] for predicate in judged["predicate"].to_pylist()]
    judgments[judged["text"].to_numpy(), columns] = judged["probability"].to_numpy()
    return {
        "groups": from_json(list[Group], contents["groups"]),
        "findings": findings,
        "corpus": corpus,
        "units": Units(**{name: units[name].to_numpy().copy() for name in units.column_names}),
        "judgments": judgments,
        "covariates": tuple(contents["covariates"]),
        "unadjusted": contents.get("unadjusted", {}),
        "following": from_json(GoalFollowing, contents.get("following")),
        "costs": Costs.from_dict(contents["costs"]),
        "pictures": folder.json(_PICTURES, otherwise={}),
    } | {name: contents[name] for name in _PLAIN}


def _read(written: dict[str, Any]) -> Finding:
    # What rests on too few texts has an infinite error, which JSON does not have.
    unknown = {
        name: value | {"standard_error": math.inf}
        for name, value in written.items()
        if isinstance(value, dict) and value.get("standard_error", 0.0) is None
    }
    return from_json(Finding, written | unknown)
