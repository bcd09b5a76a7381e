"""The options of a run, in groups that commands build on."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlparam.cli import options as shared
from nlparam.cli.options import PANELS, complete, option

if TYPE_CHECKING:
    from nlparam.runtime.budget import Budget


@dataclasses.dataclass(frozen=True, kw_only=True)
class CallOptions:
    """What every command takes that asks a language model and writes a result."""

    timeout: float = shared.TIMEOUT
    store: Path | None = shared.STORE
    max_calls: int | None = option(None, "The most calls.", min=1)
    max_tokens: int | None = option(None, "The most tokens, of prompts and answers.", min=1)
    max_seconds: float | None = option(None, "Seconds after which no call is started.", min=0.001)
    overwrite: bool = shared.OVERWRITE

    def budget(self) -> "Budget":
        """What the language model may use."""
        from nlparam.runtime.budget import Budget

        return Budget(max_calls=self.max_calls, max_tokens=self.max_tokens, max_seconds=self.max_seconds)

    def settings(self) -> dict[str, Any]:
        """The arguments of the functions that ask a language model, for those of their names that are options."""
        names = [name for name in ("lm", "embedder", "seed", "store", "timeout") if hasattr(self, name)]
        return self.given(*names) | {"budget": self.budget()}

    def given(self, *names: str) -> dict[str, Any]:
        """The values of some of the options, by their names."""
        return {name: getattr(self, name) for name in names}

    def changes(self, *names: str, **renamed: str) -> dict[str, Any]:
        """Those of some options that are not left to the library; `renamed` by the names that they have there."""
        asked = {name: name for name in names} | renamed
        return {name: value for name, of in asked.items() if (value := getattr(self, of)) is not None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """What every command takes that reads texts from a file."""

    text_field: str | None = shared.TEXT_FIELD
    by_message: bool = shared.BY_MESSAGE
    drop_missing: bool = shared.DROP_MISSING
    encoding: str | None = shared.ENCODING

    def reading(self) -> dict[str, Any]:
        """The arguments of `read_texts`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(ReadingOptions)}

    def together(self, cluster_field: str | None) -> str | None:
        """The field that says which texts belong together: messages of a conversation do."""
        return "conversation" if cluster_field is None and self.by_message else cluster_field


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileOptions(ReadingOptions):
    """What a command takes that reads one file of texts."""

    file: Path | None = shared.FILE
    texts: Path | None = shared.TEXTS_OPTION

    @property
    def source(self) -> Path | None:
        """The file, however it was given. Raises a usage error if it was given twice."""
        both = self.file is not None and self.texts is not None
        shared.refuse(both, "FILE' or '--texts", "got both, expected the file once")
        return self.texts if self.file is None else self.file

    @property
    def needed(self) -> Path:
        """The file; a usage error if there is none."""
        source = self.source
        shared.refuse(source is None, "FILE", "got none, expected a file or folder of texts")
        assert source is not None
        return source


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewTextsOptions(FileOptions, CallOptions):
    """What a command takes that brings new texts to a result."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions(CallOptions):
    """What a command takes that starts anew, from a language model of its own."""

    lm: str = shared.LM
    seed: int = shared.SEED
    json: bool = shared.JSON


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingOptions(RunOptions):
    """What a command takes that embeds texts too."""

    embedder: str | None = shared.EMBEDDER


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnalysisOptions(EmbeddingOptions):
    """What the commands take that analyse texts, which may be estimated first and paid for."""

    max_cost: float | None = option(None, "The most that may be spent, by the prices.", min=0.0)
    prices: Path | None = option(
        None,
        "A table of prices in TOML: [models.NAME] with prompt, completion (per million tokens) and hour.",
        metavar="FILE",
    )
    dry_run: bool = option(
        False, "Only estimate what the fit will cost, from some twenty calls (which it will not repeat)."
    )
    events: Path | None = option(None, "A file that gets a line of JSON for each stage and event.", metavar="FILE")

    def budget(self) -> "Budget":
        from nlparam.lm import load_language_model
        from nlparam.runtime.budget import load_price

        price = None
        if self.max_cost is not None or self.prices is not None:
            price = load_price(load_language_model(self.lm, timeout=self.timeout).identity, self.prices)
        return dataclasses.replace(super().budget(), max_cost=self.max_cost, price=price)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitOptions(FileOptions, AnalysisOptions):
    """What every `nlparam fit MODEL` takes beside the options of the model."""

    dataset: str | None = shared.DATASET
    cluster_field: str | None = shared.CLUSTER_FIELD
    held_out: float | None = option(
        None,
        "The share of the texts that is set aside while predicates are chosen; figures are estimated on it. By default "
        "0.5 if there is something to explain and 200 texts.",
        min=0.0,
    )
    goal: str | None = shared.GOAL
    goal_example: list[str] | None = shared.GOAL_EXAMPLE
    proposer: shared.Proposer | None = shared.PROPOSER
    predicates: Path | None = shared.PREDICATES
    locked: list[str] | None = shared.LOCKED
    excluded: list[str] | None = shared.EXCLUDED
    candidates: list[str] | None = shared.CANDIDATES
    representation: shared.Represented = shared.REPRESENTATION
    max_judgments: int | None = option(
        None, "The most judgments that the search may use; those for the intervals come on top.", min=2
    )
    n_judged: str | None = option(
        None, "On how many texts the chosen predicates are judged; a learned head denotes the others.", metavar="N|all"
    )
    rounds: int | None = option(None, "Rounds of refinement after the first selection.", min=0)
    seeds: int | None = option(
        None,
        "Fit to halves of the texts from this many seeds, say how often each predicate comes back, beside chance, and "
        "fit once more to those that do.",
        min=2,
    )
    executable: bool = option(
        False,
        "Compute predicates where a small function, a word or a pattern says as much as the language model would.",
    )
    cascade: bool = option(
        False, "Denote all texts with a bound on the error: the head where it is sure, the language model elsewhere."
    )
    target_recall: float = option(
        0.95, "Of the texts for which the language model would say yes, the share that the cascade must find."
    )
    target_precision: float = option(
        0.95, "Of the texts that the cascade finds, the share for which the language model would say yes."
    )
    failure_probability: float = option(0.1, "How often the audit may be wrong about it.")
    each_predicate: bool = option(
        False, "Every predicate must reach the targets of the cascade, not only all of them pooled."
    )
    form: shared.Form = shared.FORM
    calibration: Path | None = shared.CALIBRATION
    inference: bool = option(True, "Judge random texts at the end, for the intervals.")
    inference_texts: int | None = option(
        None, "How many; by default as many as take 0.3 of what was asked until then.", min=2
    )
    out: Path = shared.OUT


def spread_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command one option for each field of the dataclass that its parameter `options` is annotated with.

    In the help, panels have one order in all commands; in a panel, options that are required come first, then those of
    the command, then those that it shares with others.

    ```python
    @app.command()
    @spread_options
    def clustering(options: FitOptions, k: int = option(..., "The number of clusters.")) -> None: ...
    ```
    """
    own = dict(inspect.signature(command).parameters)
    kind = own.pop("options").annotation
    fields = sorted(dataclasses.fields(kind), key=lambda field: _distance(kind, field.name))
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own.values()]
    parameters += [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, annotation=field.type, default=field.default)
        for field in fields
    ]
    for parameter in parameters:
        complete(parameter.name, parameter.annotation, parameter.default)
    # What is required has the default `...`.
    parameters.sort(key=lambda one: (_panel(one.default), getattr(one.default, "default", None) is not ...))

    @functools.wraps(command)
    def with_options(**values: Any) -> None:
        options = kind(**{field.name: values.pop(field.name) for field in fields})
        command(options, **values)

    # Typer reads both.
    with_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def _distance(kind: type, field: str) -> int:
    """How far up among the bases of a dataclass a field is declared."""
    return next(number for number, base in enumerate(kind.__mro__) if field in inspect.get_annotations(base))


def _panel(default: Any) -> int:
    """The place of an option's panel in the help; 0 for one without."""
    panel = getattr(default, "rich_help_panel", None)
    return 1 + list(PANELS).index(panel) if panel in PANELS else 0
