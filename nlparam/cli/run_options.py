"""The options of a run, in groups that commands build on."""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nlparam.cli import options as shared

if TYPE_CHECKING:
    from nlparam.runtime.budget import Budget

# In the order of the help; options without a panel come before.
_PANELS = ("Groups", "Texts", "Testing", "Search", "Models", "Judging", "Images", "Budget", "Cluster", "Output")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CallOptions:
    """What every command takes that asks a language model and writes a result."""

    timeout: shared.Timeout = 60.0
    store: shared.Store = None
    max_calls: shared.MaxCalls = None
    max_tokens: shared.MaxTokens = None
    max_seconds: shared.MaxSeconds = None
    overwrite: shared.Overwrite = False

    def budget(self) -> "Budget":
        """What the language model may use."""
        from nlparam.runtime.budget import Budget

        return Budget(max_calls=self.max_calls, max_tokens=self.max_tokens, max_seconds=self.max_seconds)

    def settings(self) -> dict[str, Any]:
        """The arguments of these names that functions take which ask a language model."""
        return {"budget": self.budget(), "store": self.store, "timeout": self.timeout}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions(CallOptions):
    """What a command takes that starts anew, from a language model of its own."""

    lm: shared.LanguageModel = "embedded"
    seed: shared.Seed = 0
    json: shared.Json = False

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"lm": self.lm, "seed": self.seed}


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingOptions(RunOptions):
    """What a command takes that embeds texts too."""

    embedder: shared.Embedder = None

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"embedder": self.embedder}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnalysisOptions(EmbeddingOptions):
    """What the commands take that analyse texts, which may be estimated first and paid for."""

    max_cost: shared.MaxCost = None
    prices: shared.Prices = None
    dry_run: shared.DryRun = False
    events: shared.Events = None

    def budget(self) -> "Budget":
        from nlparam.lm import load_language_model
        from nlparam.runtime.budget import load_price

        price = None
        if self.max_cost is not None or self.prices is not None:
            price = load_price(load_language_model(self.lm, timeout=self.timeout).identity, self.prices)
        return dataclasses.replace(super().budget(), max_cost=self.max_cost, price=price)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitOptions(AnalysisOptions):
    """What every `nlparam fit MODEL` takes beside the options of the model."""

    texts: shared.Texts = None
    dataset: shared.Dataset = None
    text_field: shared.TextField = None
    goal: shared.Goal = None
    goal_example: shared.GoalExamples = None
    proposer: shared.ProposerName = None
    predicates: shared.Predicates = None
    representation: shared.Representation = shared.Represented.auto
    max_judgments: shared.MaxJudgments = None
    n_judged: shared.NJudged = None
    rounds: shared.Rounds = None
    seeds: shared.Seeds = None
    executable: shared.UseExecutable = False
    cascade: shared.UseCascade = False
    target_recall: shared.TargetRecall = 0.95
    target_precision: shared.TargetPrecision = 0.95
    failure_probability: shared.FailureProbability = 0.1
    form: shared.PromptForm = shared.Form.single
    calibration: shared.CalibrationFile = None
    out: shared.Out


def spread_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command one option for each field of the dataclass that its parameter `options` is annotated with.

    In the help, panels have one order in all commands; in a panel, options of the command come before those that it
    shares with others.

    ```python
    @app.command()
    @spread_options
    def clustering(k: Annotated[int, typer.Option()], options: FitOptions) -> None: ...
    ```
    """
    own = inspect.signature(command).parameters
    kind = own["options"].annotation
    fields = sorted(dataclasses.fields(kind), key=lambda field: _distance(kind, field.name))
    shared_with_others = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=field.type,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
        )
        for field in fields
    ]
    parameters = [
        *(
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in own.items()
            if name != "options"
        ),
        *shared_with_others,
    ]
    parameters.sort(key=lambda parameter: _panel(parameter.annotation))

    @functools.wraps(command)
    def with_options(**values: Any) -> None:
        options = kind(**{field.name: values.pop(field.name) for field in fields})
        command(**values, options=options)

    # Typer reads both.
    with_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def _distance(kind: type, field: str) -> int:
    """How far up among the bases of a dataclass a field is declared."""
    return next(number for number, base in enumerate(kind.__mro__) if field in inspect.get_annotations(base))


def _panel(annotation: Any) -> int:
    """The place of an option's panel in the help; 0 for one without."""
    panels = [getattr(about, "rich_help_panel", None) for about in typing.get_args(annotation)]
    return next((1 + _PANELS.index(panel) for panel in panels if panel in _PANELS), 0)
