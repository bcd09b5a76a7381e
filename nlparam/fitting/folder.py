"""A fit as files: what goes into JSON, safetensors and Parquet, and the fields of a fit from them."""

import dataclasses
import importlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.arrays import goal_arrays, goal_map_of, head_arrays, head_of, ngram_arrays, ngrams_of
from nlparam.denotation.calibration import CalibrationSummary
from nlparam.denotation.denoter import Denoter, TextFeatures
from nlparam.denotation.following import GoalFollowing
from nlparam.errors import ResultFolderError
from nlparam.fitting.inferred import Inference
from nlparam.fitting.records import RESULTS, Agreement, FitLike, TraceEntry
from nlparam.fitting.recurrence import Stability
from nlparam.fitting.sample import Sample
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.heads.cascade import Certificate
from nlparam.results.jsonable import from_json, jsonable
from nlparam.results.pytree import pack, unpack
from nlparam.results.records import judgment_table, judgments_of
from nlparam.results.result import Files, Folder
from nlparam.runtime.costs import Costs

FORMAT = 2
_WEIGHTS, _HEAD, _DATA = "weights.safetensors", "head.safetensors", "data.safetensors"
_DENOTATIONS, _JUDGMENTS, _SAMPLE = "denotations.parquet", "judgments.parquet", "sample.parquet"
_NGRAMS = "ngrams.json"
# Records that not every fit has, and folders of earlier versions lack.
_RECORDS: dict[str, Any] = {
    "calibration": CalibrationSummary,
    "stability": Stability,
    "following": GoalFollowing,
    "inferred": Inference,
}


def pack_fit(fit: "FitLike") -> tuple[dict[str, Any], Files]:
    """What `fit.json` says of a fit, and the files beside it."""
    import pyarrow

    features = fit.denoter.features
    columns = fit.corpus.columns() | {f"denotation_{k}": column for k, column in enumerate(fit.denotations.T)}
    structure, weights = pack(fit.weights)
    data_structure, data = pack(fit.data, "data")
    contents = describe_model(fit.asked_model) | {
        "weights": structure,
        "data": data_structure,
        "coords": fit.coords,
        "n_predicates": len(fit.predicates),
        "predicates": fit.predicates,
        "loss": fit.loss,
        "result": fit.result.name,
        "settings": fit.settings,
        "costs": fit.costs.as_dict(),
        "certificate": None if fit.certificate is None else _describe_certificate(fit.certificate, fit.predicates),
        "sample": None if fit.sample is None else {"split": fit.sample.split},
        "candidates": fit.candidates,
        "versions": fit.versions,
    }
    contents |= {name: jsonable(getattr(fit, name)) for name in ("agreement", "trace", *_RECORDS)}
    head = head_arrays(fit.denoter.head) | goal_arrays(fit.denoter.goal_map) | ngram_arrays(features.ngrams)
    head |= {"directions": features.directions, "predictions": fit.predictions}
    return contents, Files(
        arrays={_WEIGHTS: weights, _DATA: data, _HEAD: head},
        tables={_DENOTATIONS: pyarrow.table(columns), _JUDGMENTS: judgment_table(fit.judgments)}
        | ({} if fit.sample is None else {_SAMPLE: fit.sample.table()}),
        texts={_NGRAMS: json.dumps(features.ngrams.vocabularies, ensure_ascii=False)},
    )


def fields_of_fit(
    contents: dict[str, Any],
    folder: Folder,
    model: type[AbstractPredicateModel] | AbstractPredicateModel | None,
    embedder: Any,
) -> dict[str, Any]:
    """The fields of the fit that `pack_fit` packed. `model` and `embedder` are those of `nlparam.load`."""
    kind = model_class(contents["model"]) if model is None else model
    table, arrays, settings = folder.table(_DENOTATIONS), folder.arrays(_HEAD), contents["settings"]
    fields = dict(contents["fields"])
    if ridge_per_text(contents):
        fields["ridge"] *= table.num_rows
    asked = kind if isinstance(kind, AbstractPredicateModel) else kind(**fields)
    names = [name for name in table.column_names if name.startswith("denotation_")]
    if not isinstance(embedder, AbstractEmbedder):
        embedder = SentenceTransformerEmbedder(embedder or settings["embedder"])
    features = TextFeatures(ngrams_of(folder.json(_NGRAMS), arrays), arrays["directions"])
    return {
        "model": dataclasses.replace(asked, n_predicates=contents["n_predicates"]),
        "asked_model": asked,
        "predicates": contents["predicates"],
        "weights": unpack(contents["weights"], folder.arrays(_WEIGHTS)),
        "denotations": np.stack([table[name].to_numpy() for name in names], axis=1),
        "predictions": arrays["predictions"],
        "loss": contents["loss"],
        "result": RESULTS[contents["result"]],
        "corpus": Corpus.of_table(table),
        "denoter": Denoter(embedder, features, head_of(arrays), settings["embedder_identity"], goal_map_of(arrays)),
        "judgments": judgments_of(folder.table(_JUDGMENTS)),
        "agreement": from_json(list[Agreement], contents["agreement"]),
        "candidates": contents["candidates"],
        "trace": from_json(list[TraceEntry], contents["trace"]),
        "settings": settings,
        "versions": contents["versions"],
        "costs": Costs.from_dict(contents["costs"]),
        # Folders of earlier versions lack some of the following.
        "data": unpack(contents.get("data"), folder.arrays(_DATA)),
        "coords": contents.get("coords", {}),
        "certificate": from_json(Certificate, contents.get("certificate")),
        "sample": None
        if (kept := contents.get("sample")) is None
        else Sample.of_table(folder.table(_SAMPLE), split=kept["split"]),
    } | {name: from_json(kind, contents.get(name)) for name, kind in _RECORDS.items()}


def describe_model(model: AbstractPredicateModel) -> dict[str, Any]:
    """The class of a model and its fields, as `fit.json` keeps them: a function (a NumPyro program) by its name."""

    def written(value: Any) -> Any:
        return f"{value.__module__}:{value.__qualname__}" if callable(value) else value

    kind = type(model)
    fields = {name: written(value) for name, value in dataclasses.asdict(model).items()}
    return {"model": f"{kind.__module__}:{kind.__qualname__}", "fields": fields}


def ridge_per_text(contents: Mapping[str, Any]) -> bool:
    """Whether the ridge of a model was what large weights cost for each text, as it was up to format 1: of N texts it
    is the prior that N times as large a ridge is today."""
    ours = contents["model"].startswith("nlparam.models.")
    return ours and contents.get("format", FORMAT) < 2 and "ridge" in contents["fields"]


def model_class(name: str) -> type[AbstractPredicateModel]:
    """The class of a model from the name that `describe_model` gave it. Raises `ResultFolderError` if it is not
    there."""
    module, _, attribute = name.partition(":")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ResultFolderError(
            f"the model class {name!r} cannot be imported: give it as load(folder, model=...)"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, AbstractPredicateModel)):
        raise ResultFolderError(f"{name!r} is not a model class: the file fit.json was changed")
    return kind


def _describe_certificate(certificate: Certificate, predicates: list[str]) -> dict[str, Any]:
    worst = {
        name: {"predicate": predicates[k], "at_least": bounds[k]}
        for name, bounds, k in (
            ("recall", certificate.predicate_recall, certificate.worst_recall),
            ("precision", certificate.predicate_precision, certificate.worst_precision),
        )
    }
    return dataclasses.asdict(certificate) | {"worst": worst}
