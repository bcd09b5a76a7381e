"""From a checked configuration to what it describes: a problem and an arm."""

import dataclasses
import functools
import inspect
from typing import Any, NamedTuple

import pydantic

from benchmarks.experiments.arms import ARMS
from benchmarks.experiments.base import AbstractArm, Dataset, Problem
from benchmarks.experiments.data import load
from benchmarks.experiments.schema import Config, ConfigError, EmbedderSection, ModelSection, UnfitError, explained
from benchmarks.experiments.scripted import scripted_model
from nlparam import models
from nlparam.corpus.labels import class_labels
from nlparam.denotation.cascade import Cascade
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.lm import load_language_model
from nlparam.lm.base import AbstractLanguageModel
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.runtime.budget import Budget, load_price
from nlparam.runtime.progress import Progress
from nlparam.testing import ScriptedEmbedder

_MODELS = {
    "clustering": models.Clustering,
    "time_series": models.TimeSeries,
    "classification": models.Classification,
    "difference": models.Difference,
}


class Built(NamedTuple):
    """A problem and the arm that is to solve it."""

    problem: Problem
    arm: AbstractArm


def build(config: Config) -> Built:
    """Reads the data set and makes the model, the settings and the arm. No language model is loaded.

    **Raises:** `ConfigError` for an unknown arm, a field that an arm or a model does not have, or an arm or a model
    that does not fit the data set; `DataError` if the data set cannot be read.
    """
    arm = build_arm(config)
    dataset = build_dataset(config)
    if reason := arm.unfit(dataset):
        raise UnfitError(f"the arm {config.arm.name} cannot be run on {dataset.name}: {reason}")
    problem = Problem(dataset, build_model(config.model, dataset), build_settings(config))
    return Built(problem, arm)


def build_dataset(config: Config) -> Dataset:
    """The data set, changed as the configuration says. What it does not say is left to the set."""
    section = config.dataset
    options = {
        name: value
        for name, value in section.model_dump(exclude={"name", "label"}).items()
        if value is not None and value is not False
    }
    dataset = load(section.name, folder=config.data_folder, **options)
    return dataset if section.label is None else dataclasses.replace(dataset, name=section.label)


def build_model(section: ModelSection, dataset: Dataset) -> AbstractPredicateModel:
    """The model for a data set, with K of the set unless the configuration says another.

    Raises `ConfigError` for a model of another task, and for a field that the model does not have.
    """
    name = dataset.task if section.name == "auto" else section.name
    # Two groups of texts are a classification of two classes, as far as the data go.
    task = "classification" if name == "difference" else name
    if task != dataset.task:
        series = "; dataset.series=true makes a time series of a labelled set" if task == "time_series" else ""
        raise ConfigError(
            f"got model={section.name} for the data set {dataset.name!r}, which is a {_words(dataset.task)}: "
            f"expected model=auto or model={dataset.task}{series}"
        )
    given = {key: value for key, value in section.model_dump(exclude={"name"}).items() if value is not None}
    given.setdefault("n_predicates", dataset.k)
    if name == "classification":
        given["n_classes"] = len(class_labels(dataset.data, len(dataset.texts)).names)
    fields = [field.name for field in dataclasses.fields(_MODELS[name])]
    unknown = sorted(given.keys() - set(fields))
    if unknown:
        settable = ", ".join(field for field in fields if field in ModelSection.model_fields)
        raise ConfigError(f"a {_words(name)} has no {', '.join(unknown)}, expected some of {settable}")
    return _MODELS[name](**given)


def build_arm(config: Config) -> AbstractArm:
    """The arm, with its fields as the configuration says.

    Raises `ConfigError` for an unknown arm, and for a field that the arm does not have or that is of another type.
    """
    name, options = config.arm.name, config.arm.options
    if name not in ARMS:
        raise ConfigError(f"there is no arm {name!r}, expected one of {', '.join(sorted(ARMS))}")
    kind = ARMS[name]
    fields = list(inspect.signature(kind).parameters)
    unknown = sorted(options.keys() - set(fields))
    if unknown:
        raise ConfigError(
            f"the arm {name} has no {', '.join(unknown)}, expected "
            f"{'some of ' + ', '.join(fields) if fields else 'no key beside name'}"
        )
    try:
        preset = isinstance(kind, functools.partial)
        adapter = pydantic.TypeAdapter[AbstractArm](kind.func if preset else kind)  # pyright: ignore[reportArgumentType]
        return adapter.validate_python((kind.keywords if preset else {}) | options)
    except pydantic.ValidationError as error:
        raise ConfigError(explained(error, at=["arm"])) from None


def build_settings(config: Config) -> dict[str, Any]:
    """The arguments of `nlparam.fit` by name; what is left to `fit` is not among them."""
    settings: dict[str, Any] = {
        "lm": _language_model(config),
        "embedder": _embedder(config.embedder),
        "form": config.judge.form,
        "options": search_options(config),
        "timeout": config.lm.timeout,
        "seed": config.seed,
        "progress": Progress(config.progress),
    }
    optional = {"judge": _cascade(config), "calibration": config.judge.calibration, "budget": _budget(config)}
    optional |= {"store": config.store, "proposer": config.proposer}
    optional["representation"] = None if config.representation == "auto" else config.representation
    return settings | {name: value for name, value in optional.items() if value is not None}


def search_options(config: Config) -> dict[str, Any]:
    """The fields of `SearchOptions` that the configuration sets; the others are chosen by the language model."""
    given = config.refinement.model_dump() | config.optim.model_dump()
    given["max_judgments"] = config.budget.max_judgments
    return {name: None if value == "all" else value for name, value in given.items() if value is not None}


def _language_model(config: Config) -> str | AbstractLanguageModel:
    if config.lm.name == "scripted":
        return scripted_model()
    return config.lm.name if config.lm.model is None else f"{config.lm.name}#{config.lm.model}"


def _embedder(section: EmbedderSection) -> str | AbstractEmbedder:
    if section.name == "hashed":
        if section.instruction is not None:
            raise ConfigError("the embedder hashed follows no instruction, expected embedder.instruction=null")
        return ScriptedEmbedder()
    if section.instruction is not None:
        return SentenceTransformerEmbedder(section.name, instruction=section.instruction)
    return section.name


def _cascade(config: Config) -> Cascade | None:
    section = config.judge
    if not section.cascade:
        return None
    return Cascade(**section.model_dump(include={"target_recall", "target_precision", "failure_probability", "n_seed"}))


def _budget(config: Config) -> Budget | None:
    section = config.budget
    limits = section.model_dump(exclude={"max_judgments", "prices"})
    if all(value is None for value in limits.values()):
        return None
    price = None
    if section.max_cost is not None:
        price = load_price(load_language_model(_language_model(config)).identity, section.prices)
    return Budget(**limits, price=price)


def _words(task: str) -> str:
    return task.replace("_", " ")
