"""`nlparam fit MODEL`: one command for each model."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import typer

import nlparam
from nlparam.cli import options as shared
from nlparam.cli.options import TimeUnit, option, refuse
from nlparam.cli.run_fit import run
from nlparam.cli.run_options import FitOptions, spread_options
from nlparam.errors import CorpusError

K = option(
    ...,
    "The number of predicates, or `auto`: 1 to 8, the least whose held-out texts are as likely as under any.",
    "-k",
    "--k",
    metavar="N|auto",
)

app = typer.Typer(no_args_is_help=True, help="Fit a model to texts; its parameters are predicates.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions(FitOptions):
    """What the models of something that texts are to explain have in common."""

    k: str = K
    posterior: Literal["nuts", "svi"] | None = option(
        None, "Sample the weights too, exactly (nuts) or fast (svi), and show credible intervals."
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightedOptions(ModelOptions):
    """What models with a weight for each predicate take."""

    ridge: float = option(1.0, "The precision of the prior of the weights; it keeps them finite.", min=0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelOptions(WeightedOptions):
    """What models of the label of each text take."""

    label_field: str = option("label", "The field of the label of each text.")
    control: list[str] | None = option(
        None,
        "A field to allow for beside the predicates, of numbers or categories, or `length` (of the texts); may be "
        "given several times.",
        metavar="FIELD",
    )
    intercept: bool = option(True, "Whether there is a base value without any predicate.")


@app.command()
@spread_options
def clustering(options: FitOptions, k: str = K) -> None:
    """Group texts into K clusters, each the texts for which one predicate holds."""
    run(lambda _, k: nlparam.models.Clustering(n_predicates=k), options, k)


@app.command("time-series")
@spread_options
def time_series(
    options: ModelOptions,
    time_field: str = option(..., "The field of the time of each text: dates or numbers."),
    time_format: str | None = shared.TIME_FORMAT,
    time_unit: TimeUnit | None = option(None, "What dates are grouped by; by default days."),
    smoothness: float = option(1.0, "The larger, the smoother the curves; in units of time.", min=0.0),
) -> None:
    """Find K predicates whose share of the texts changes over time, and its curves."""

    def model(_: Any, k: int):
        return nlparam.models.TimeSeries(n_predicates=k, smoothness=smoothness, unit=time_unit)

    run(model, options, options.k, field=time_field, time_format=time_format, posterior=options.posterior)


def _run_labelled(model: Callable[[Any, int], Any], options: LabelOptions) -> None:
    of_texts = {"field": options.label_field, "controls": options.control or ()}
    run(model, options, options.k, posterior=options.posterior, **of_texts)


@app.command()
@spread_options
def classification(options: LabelOptions) -> None:
    """Find K predicates that tell the class of a text, and what each adds to the odds of each class."""

    def model(labels: Any, k: int):
        from nlparam.corpus.labels import class_labels

        n_classes = len(class_labels(labels, len(labels)).names)
        if n_classes > max(2, len(labels) // 2):
            raise CorpusError(
                f"got {n_classes:,} different values in {len(labels):,} texts, expected classes of several texts each: "
                "choose another field, or fit a regression to numbers"
            )
        return nlparam.models.Classification(n_predicates=k, n_classes=n_classes, **options.given("ridge", "intercept"))

    _run_labelled(model, options)


@app.command()
@spread_options
def regression(options: LabelOptions) -> None:
    """Find K predicates that predict a number, and what each adds to it."""
    own = options.given("ridge", "intercept")
    _run_labelled(lambda _, k: nlparam.models.Regression(n_predicates=k, **own), options)


@app.command()
@spread_options
def difference(
    options: WeightedOptions,
    label_field: str | None = option(None, "The field of the group of each text, of two values; by default `label`."),
    against: Path | None = option(None, "A second file or folder of texts, to compare the first with."),
    towards: str | None = option(
        None,
        "The group that differences are counted towards; by default that of --texts, or the last by name.",
        metavar="NAME",
    ),
    diversity: float = option(0.2, "The price of predicates that say the same.", min=0.0),
) -> None:
    """Find K predicates that hold more often in one group of texts than in another."""
    both = against is not None and label_field is not None
    refuse(both, "--against", "got --label-field too, expected one of the two")

    def model(groups: Any, k: int):
        # With two files, what the first has more of is what one asks about.
        name = groups[0] if towards is None and against is not None else towards
        return nlparam.models.Difference(n_predicates=k, diversity=diversity, ridge=options.ridge, towards=name)

    run(model, options, options.k, field=label_field or "label", against=against, posterior=options.posterior)
