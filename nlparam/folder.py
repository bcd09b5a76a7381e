"""A fit on disk: JSON, safetensors and Parquet in one folder. Loading one needs no language model."""

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.calibration import CalibrationSummary
from nlparam.corpus import Corpus
from nlparam.costs import Costs
from nlparam.denoter import Denoter, TextFeatures
from nlparam.errors import FitFolderError
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.language.features import NgramFeatures
from nlparam.numerics.cascade import Certificate, Target
from nlparam.numerics.goal_map import GoalMap
from nlparam.numerics.head import Head
from nlparam.numerics.joint_head import JointHead
from nlparam.numerics.model import AbstractPredicateModel
from nlparam.recurrence import Stability
from nlparam.representation import GoalFollowing
from nlparam.result_folder import check_result_folder, complete, make_room, read_json, write_json, writing
from nlparam.run import describe_model
from nlparam.solution import RESULTS, Agreement, Fit, Judgment, TraceEntry
from nlparam.trees import pack, unpack

FORMAT = 1
# Where a model is found may change between two runs of one fit; what it is (its identity) may not. The identity of the
# judge holds its form and how much of a text it is shown.
_NOT_COMPARED = {"date", "lm", "embedder", "form", "n_words"}
_FIT, _WEIGHTS, _HEAD, _DATA = "fit.json", "weights.safetensors", "head.safetensors", "data.safetensors"
_DENOTATIONS, _JUDGMENTS, _NGRAMS = "denotations.parquet", "judgments.parquet", "ngrams.json"
_AGAIN = "fit again with --overwrite"


def check_folder(folder: str | Path, settings: dict[str, Any], *, overwrite: bool = False) -> None:
    """Raises `FitFolderError` if the folder cannot take this fit: it holds another one, or is no folder.

    The same fit (equal model, texts and settings) may be written again: a repeated command is not an accident.
    """

    def there() -> dict[str, Any]:
        contents = read_contents(folder)
        return {"model": contents["model"], "fields": contents["fields"]} | contents["settings"]

    check_result_folder(folder, _FIT, settings, there, overwrite=overwrite, ignored=_NOT_COMPARED)


def save(fit: Fit, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Writes a fit to a folder; `fit.json` comes last, so that a folder with one is complete.

    Raises `FitFolderError` if the folder holds another fit and `overwrite` is not set, or if it cannot be written.
    """
    import pyarrow
    import pyarrow.parquet
    from safetensors.numpy import save_file

    folder = Path(folder)
    model = describe_model(fit.asked_model)
    head = fit.denoter.head
    features = fit.denoter.features
    columns = {"text": list(fit.corpus.texts)} | {
        f"denotation_{k}": column for k, column in enumerate(fit.denotations.T)
    }
    judgments = [dataclasses.asdict(judgment) for judgment in fit.judgments]
    schema = pyarrow.schema(
        [("text", pyarrow.int64()), ("predicate", pyarrow.string()), ("probability", pyarrow.float64())]
    )
    structure, weights = pack(fit.weights)
    data_structure, data = pack(fit.data, "data")
    contents = model | {
        "format": FORMAT,
        "weights": structure,
        "data": data_structure,
        "coords": fit.coords,
        "n_predicates": len(fit.predicates),
        "predicates": fit.predicates,
        "loss": fit.loss,
        "result": fit.result.name,
        "settings": fit.settings,
        "costs": fit.costs.as_dict(),
        "agreement": [dataclasses.asdict(agreement) for agreement in fit.agreement],
        "certificate": None if fit.certificate is None else dataclasses.asdict(fit.certificate),
        "calibration": None if fit.calibration is None else fit.calibration.as_dict(),
        "stability": None if fit.stability is None else fit.stability.as_dict(),
        "following": None if fit.following is None else dataclasses.asdict(fit.following),
        "trace": [dataclasses.asdict(entry) for entry in fit.trace],
        "candidates": fit.candidates,
        "versions": fit.versions,
    }
    with writing(folder):
        check_folder(folder, model | fit.settings, overwrite=overwrite)
        try:
            make_room(folder, _FIT, overwrite=overwrite)
            save_file(weights, folder / _WEIGHTS)
            save_file(data, folder / _DATA)
            save_file(
                _head_arrays(head)
                | goal_arrays(fit.denoter.goal_map)
                | {"directions": _array(features.directions), "predictions": _array(fit.predictions)}
                | ngram_arrays(features.ngrams),
                folder / _HEAD,
            )
            vocabularies = json.dumps(features.ngrams.vocabularies, ensure_ascii=False)
            (folder / _NGRAMS).write_text(vocabularies, encoding="utf-8")
            pyarrow.parquet.write_table(pyarrow.table(columns), folder / _DENOTATIONS)
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(judgments, schema=schema), folder / _JUDGMENTS)
            write_json(folder / _FIT, contents)
        except OSError as error:
            raise FitFolderError(f"{folder} cannot be written ({error}): choose another --out") from error
    return folder


def load(
    folder: str | Path,
    *,
    model: type[AbstractPredicateModel] | AbstractPredicateModel | None = None,
    embedder: str | Path | AbstractEmbedder | None = None,
) -> Fit:
    """Loads a fit that `Fit.save` or the command line wrote.

    **Arguments:**

    - `model`: the class of the model, or the model itself, needed only if it cannot be imported under its own name (a
      class or a NumPyro program that was defined in a script or notebook).
    - `embedder`: what embeds new texts, needed only if it was an object of your own or has moved since. It must be the
      embedder that the fit was made with; that is checked when it is used.

    **Raises:** `FitFolderError` if the folder holds no fit, an incomplete one, or one of a newer format.
    """
    import pyarrow.parquet
    from safetensors.numpy import load_file

    folder = Path(folder)
    contents = read_contents(folder)
    if contents["format"] > FORMAT:
        raise FitFolderError(
            f"{folder} was written by a newer nlparam (format {contents['format']}, this one reads {FORMAT}): "
            "upgrade nlparam"
        )
    kind = _model_class(contents["model"]) if model is None else model
    asked = kind if isinstance(kind, AbstractPredicateModel) else kind(**contents["fields"])
    fitted = dataclasses.replace(asked, n_predicates=contents["n_predicates"])
    with complete(folder, "fit", again=_AGAIN):
        table = pyarrow.parquet.read_table(folder / _DENOTATIONS)
        judgments = pyarrow.parquet.read_table(folder / _JUDGMENTS).to_pylist()
        weights = load_file(folder / _WEIGHTS)
        arrays = load_file(folder / _HEAD)
        # Folders from before the data were kept have none.
        data = load_file(folder / _DATA) if contents.get("data") is not None else {}
        vocabularies = json.loads((folder / _NGRAMS).read_text(encoding="utf-8"))
        names = [name for name in table.column_names if name.startswith("denotation_")]
        denotations = np.stack([table[name].to_numpy() for name in names], axis=1)
        ngrams = ngrams_of(vocabularies, arrays)
        head = _head(arrays)
        settings = contents["settings"]
        if not isinstance(embedder, AbstractEmbedder):
            embedder = SentenceTransformerEmbedder(embedder or settings["embedder"])
        return Fit(
            model=fitted,
            asked_model=asked,
            predicates=contents["predicates"],
            weights=unpack(contents["weights"], weights),
            denotations=denotations,
            predictions=arrays["predictions"],
            loss=contents["loss"],
            result=RESULTS[contents["result"]],
            corpus=Corpus.from_texts(table["text"].to_pylist()),
            denoter=Denoter(
                embedder,
                TextFeatures(ngrams, arrays["directions"]),
                head,
                settings["embedder_identity"],
                goal_map_of(arrays),
            ),
            judgments=[Judgment(**judgment) for judgment in judgments],
            agreement=[Agreement(**agreement) for agreement in contents["agreement"]],
            candidates=contents["candidates"],
            trace=[TraceEntry(**{**entry, "predicates": tuple(entry["predicates"])}) for entry in contents["trace"]],
            settings=settings,
            versions=contents["versions"],
            costs=Costs.from_dict(contents["costs"]),
            data=unpack(contents.get("data"), data),
            coords=contents.get("coords", {}),
            certificate=_certificate(contents.get("certificate")),
            calibration=None if (kept := contents.get("calibration")) is None else CalibrationSummary.from_dict(kept),
            stability=None if (of_seeds := contents.get("stability")) is None else Stability.from_dict(of_seeds),
            following=None if (kept := contents.get("following")) is None else GoalFollowing.from_dict(kept),
        )


def read_contents(folder: str | Path) -> dict[str, Any]:
    """What `fit.json` in the folder of a fit says: predicates, settings, versions, costs.

    Raises `FitFolderError` if there is none or it is damaged.
    """
    return read_json(Path(folder) / _FIT, again=_AGAIN)


def _model_class(name: str) -> type[AbstractPredicateModel]:
    module, _, attribute = name.partition(":")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise FitFolderError(
            f"the model class {name!r} cannot be imported: give it as load(folder, model=...)"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, AbstractPredicateModel)):
        raise FitFolderError(f"{name!r} is not a model class: the file fit.json was changed")
    return kind


def _head_arrays(head: Head | JointHead) -> dict[str, np.ndarray]:
    if isinstance(head, JointHead):
        return {f"joint.{name}": _array(leaf) for name, leaf in head.arrays().items()}
    return {name: _array(leaf) for name, leaf in zip(Head._fields, head, strict=True)}


def _head(arrays: dict[str, np.ndarray]) -> Head | JointHead:
    joint = {name.removeprefix("joint."): leaf for name, leaf in arrays.items() if name.startswith("joint.")}
    if joint:
        return JointHead.from_arrays(joint)
    return Head(arrays["coefficients"], arrays["intercepts"], arrays["slope"].item(), arrays["thresholds"])


def ngram_arrays(ngrams: NgramFeatures) -> dict[str, np.ndarray]:
    """What the n-grams are weighted by, and their axes, as named arrays; their vocabularies are JSON."""
    idf = {f"idf_{name}": _array(values) for name, values in ngrams.idf.items()}
    return idf | {f"axes_{name}": _array(axes) for name, axes in ngrams.axes.items()}


def ngrams_of(vocabularies: dict[str, list[str]], arrays: dict[str, np.ndarray]) -> NgramFeatures:
    """The n-grams from their vocabularies and the arrays of `ngram_arrays`."""
    return NgramFeatures(
        vocabularies,
        {name: arrays[f"idf_{name}"] for name in vocabularies},
        {name: arrays[f"axes_{name}"] for name in vocabularies},
    )


def goal_arrays(goal_map: GoalMap | None) -> dict[str, np.ndarray]:
    """The goal representation as named arrays, none of them if there is none."""
    if goal_map is None:
        return {}
    return {f"goal.{name}": _array(leaf) for name, leaf in zip(GoalMap._fields, goal_map, strict=True)}


def goal_map_of(arrays: dict[str, np.ndarray]) -> GoalMap | None:
    """The goal representation from the arrays of `goal_arrays`."""
    if "goal.share" not in arrays:
        return None
    return GoalMap(arrays["goal.coefficients"], arrays["goal.intercept"], arrays["goal.share"].item())


def _certificate(kept: dict[str, Any] | None) -> Certificate | None:
    if kept is None:
        return None
    values: dict[str, Any] = kept | {"target": Target(**kept["target"])}
    values |= {name: tuple(kept[name]) for name in ("predicate_recall", "predicate_precision")}
    return Certificate(**values)


def _array(leaf) -> np.ndarray:
    return np.ascontiguousarray(leaf)
