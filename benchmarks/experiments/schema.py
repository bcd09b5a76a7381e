"""What may stand in the configuration of a run, and what is said of one that is wrong.

The groups of `configs/` only say what they change; the defaults and the types are here, so that Hydra's overrides, the
files and a configuration that was kept beside a run are all read by the same rules. Names, not `_target_`s: a
configuration stays data, and an unknown name can be answered with those there are.
"""

import difflib
import hashlib
import json
import re
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

Count = Annotated[int, pydantic.Field(ge=1)]
Seed = Annotated[int, pydantic.Field(ge=0, lt=2**32)]
Share = Annotated[float, pydantic.Field(gt=0, lt=1)]
Positive = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
ModelName = Literal["auto", "clustering", "time_series", "classification", "difference"]


class ConfigError(ValueError):
    """A configuration has a key that does not exist or a value that does not fit; the message lists what would."""


class UnfitError(ConfigError):
    """An arm cannot be run on a data set, here and now: a sweep leaves it out."""


class Section(pydantic.BaseModel):
    """A part of a configuration: unknown keys are errors, and nothing changes after it was checked."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class DatasetSection(Section):
    """Which texts, as `benchmarks.experiments.data.load` takes them; what is null is left to the set.

    `name` is a set of `data_folder`, `bbc`, `sotu`, `goals/NAME`, or the path of a file or folder; `label`, what the
    tables call it; `series` and `conjunctions` are true, or mappings of their options (`dataset.series={n_times: 50}`).
    """

    name: str
    label: str | None = None
    goal: str | None = None
    goal_of: str | None = None
    k: Count | None = None
    n_texts: Count | None = None
    seed: Seed = 0
    series: bool | dict[str, Any] = False
    conjunctions: bool | dict[str, Any] = False
    task: Literal["clustering", "time_series", "classification"] | None = None
    text_field: str | None = None
    label_field: str | list[str] | None = None
    time_field: str | None = None
    class_field: str | None = None


class ModelSection(Section):
    """Which model; `auto` takes the one that the data set is made for. What is null stays as the model has it."""

    name: ModelName = "auto"
    n_predicates: Count | None = None
    temperature: Positive | None = None
    smoothness: Positive | None = None
    unit: Literal["day", "week", "month", "year"] | None = None
    max_rows: Count | None = None
    ridge: Positive | None = None
    intercept: bool | None = None
    parity: bool | None = None
    diversity: float | None = None
    towards: str | None = None


class LanguageModelSection(Section):
    """`name` as `nlparam.fit(lm=...)` takes it, or `scripted`; `model` where a server has several."""

    name: str = "embedded"
    model: str | None = None
    timeout: Positive = 60.0


class EmbedderSection(Section):
    """`minilm`, `hashed` (needs no weights), or the folder or hub name of a sentence-transformers model.

    `instruction` stands before every text, for a model that was trained to follow one.
    """

    name: str = "minilm"
    instruction: str | None = None


class JudgeSection(Section):
    """How judgments are made: the form of the question, whether a cascade denotes all texts, labelled pairs."""

    form: Literal["single", "contrastive"] = "single"
    cascade: bool = False
    target_recall: Share = 0.95
    target_precision: Share = 0.95
    failure_probability: Share = 0.1
    n_seed: Count = 30
    calibration: Path | None = None


class RefinementSection(Section):
    """How predicates are refined, as in `SearchOptions`; what is null is chosen by the language model."""

    refinement: Literal["columns", "coordinate"] | None = None
    n_rounds: Annotated[int, pydantic.Field(ge=0)] | None = None
    n_slots_refined: Count | Literal["all"] | None = None
    n_screened: Count | None = None
    n_judged: Annotated[int, pydantic.Field(ge=2)] | Literal["all"] | None = None
    correct_bias: bool | None = None
    contention: Annotated[float, pydantic.Field(ge=0)] | None = None
    tolerance: Annotated[float, pydantic.Field(ge=0)] | None = None


class OptimSection(Section):
    """The relaxation, as in `SearchOptions`; what is null stays as it is there."""

    relaxation: bool | None = None
    n_restarts: Count | None = None
    n_relaxed: Annotated[int, pydantic.Field(ge=2)] | None = None


class BudgetSection(Section):
    """What a run may use; null is no limit. `prices` is a table in TOML, needed for `max_cost`."""

    max_judgments: Annotated[int, pydantic.Field(ge=2)] | None = None
    max_calls: Count | None = None
    max_tokens: Count | None = None
    max_seconds: Positive | None = None
    max_cost: Positive | None = None
    prices: Path | None = None


class ArmSection(pydantic.BaseModel):
    """Which arm, and the fields of its class; which these are is checked when the arm is built."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    name: str = "full"

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class MetricsSection(Section):
    """What is measured beside the scores that cost nothing.

    `similarity` asks the language model how alike found and reference predicates are; `heldout` is the share of texts
    that a fit does not see and on which its loss is measured, of a classification at least `heldout_classes`, on which
    its accuracy is measured beside that of a linear probe.
    """

    similarity: bool = False
    heldout: Annotated[float, pydantic.Field(ge=0, le=0.5)] = 0.0
    heldout_classes: Annotated[float, pydantic.Field(ge=0, le=0.5)] = 0.3


class Config(Section):
    """One run. `name` is the experiment's; `out`, `store`, `data_folder` and `progress` do not change what comes out.

    The groups `dataset`, ..., `arm` are chosen by name (`dataset=agnews`) and changed by key (`dataset.n_texts=200`).
    """

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_/-]*$")] = "custom"
    dataset: DatasetSection
    model: ModelSection = ModelSection()
    lm: LanguageModelSection = LanguageModelSection()
    embedder: EmbedderSection = EmbedderSection()
    judge: JudgeSection = JudgeSection()
    refinement: RefinementSection = RefinementSection()
    optim: OptimSection = OptimSection()
    budget: BudgetSection = BudgetSection()
    arm: ArmSection = ArmSection()
    metrics: MetricsSection = MetricsSection()
    representation: Literal["auto", "goal", "embedding"] = "auto"
    proposer: Literal["contrast", "state"] | None = None
    seed: Seed = 0
    out: Path = Path("outputs")
    store: Path | None = None
    data_folder: Path = Path("../shared/data")
    progress: bool | None = None

    def kept(self) -> dict[str, Any]:
        """The configuration as it is written beside a run: plain values, no password."""
        values = self.model_dump(mode="json")
        values["lm"]["name"] = without_password(self.lm.name)
        return values

    def identity(self) -> dict[str, Any]:
        """All that can change what a run comes to. Two runs with the same are the same run."""
        values = self.kept()
        for name in _NO_MATTER:
            del values[name]
        del values["lm"]["timeout"]
        # Where the shared sets are does not matter either.
        values["dataset"]["name"] = self.dataset.name.removeprefix(f"{self.data_folder}/")
        return values

    def digest(self) -> str:
        """Names the run. What is at its default counts for nothing, so that a new key leaves old runs findable."""
        text = json.dumps(_changes(self.identity(), defaults()), sort_keys=True)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


_NO_MATTER = ("out", "store", "data_folder", "progress")
# The required name is given only so that there is a configuration to take the defaults from.
_ANY_DATASET = {"name": ""}


def defaults() -> dict[str, Any]:
    """The whole tree of keys with their defaults; the name of the data set is missing."""
    values = Config.model_validate({"dataset": _ANY_DATASET}).model_dump(mode="json")
    del values["dataset"]["name"]
    return values


def validate(values: Mapping[str, Any]) -> Config:
    """A checked configuration. Raises `ConfigError`, which names every wrong key and value and what would be right."""
    try:
        return Config.model_validate(values)
    except pydantic.ValidationError as error:
        raise ConfigError(explained(error)) from None


def explained(error: pydantic.ValidationError, *, at: Iterable[str] = ()) -> str:
    """Names every wrong key and value of the section `at` (by default the whole) and what would be right."""
    # The branches of a union are errors of their own: they are gathered under the key that they are about.
    found: dict[str, list[str]] = {}
    for detail in error.errors():
        section: type[pydantic.BaseModel] = Config
        path: list[str] = []
        field = None
        for part in (*at, *map(str, detail["loc"])):
            path.append(part)
            field = section.model_fields.get(part)
            kind = None if field is None else field.annotation
            if not (isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)):
                break
            section = kind
        key, null = ".".join(path), field is not None and type(None) in typing.get_args(field.annotation)
        if detail["type"] == "extra_forbidden":
            keys = list(section.model_fields)
            near = [f" (did you mean {name!r}?)" for name in difflib.get_close_matches(path[-1], keys, n=1)]
            where = f"{'.'.join(path[:-1])} has" if len(path) > 1 else "there is"
            found[f"{where} no key {path[-1]!r}{''.join(near)}, expected one of {', '.join(keys)}"] = []
        elif detail["type"] == "missing":
            found[f"{key} is missing: choose one with {path[0]}=NAME" if len(path) > 1 else f"{key} is missing"] = []
        else:
            wanted = str(detail.get("ctx", {}).get("expected", detail["msg"]))
            said = found.setdefault(f"got {key}={detail['input']!r}, expected ", [])
            said += [wanted.removeprefix("Input should be ").removeprefix("a valid ")]
            said[:] = [*dict.fromkeys(one for one in said if one != "null"), *(["null"] if null else [])]
    return "\n".join(what + " or ".join(wanted) for what, wanted in found.items())


def without_password(lm: str) -> str:
    """The address of a server without what stands before its host."""
    return re.sub(r"(?<=://)[^/@]*@", "", lm)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, its keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def slug(name: str) -> str:
    """A name as the name of one folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "_"


def _changes(values: Any, standard: Any) -> Any:
    """What differs from the defaults."""
    if not (isinstance(values, dict) and isinstance(standard, dict)):
        return values
    return {
        key: _changes(value, standard.get(key))
        for key, value in values.items()
        if key not in standard or value != standard[key]
    }
