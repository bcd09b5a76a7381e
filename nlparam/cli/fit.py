"""`nlparam fit MODEL`: one command for each model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nlparam.cli.options import Intercept, K, LabelField, Posterior, Ridge, TimeUnit
from nlparam.cli.run_fit import run
from nlparam.cli.run_options import FitOptions, spread_options

app = typer.Typer(no_args_is_help=True, help="Fit a model to texts; its parameters are predicates.")


@app.callback()
def _models() -> None:
    """Fit a model to texts; its parameters are predicates."""


@app.command()
@spread_options
def clustering(
    k: Annotated[int, typer.Option("--k", help="The number of clusters.", metavar="K", min=1, show_default=False)],
    options: FitOptions,
) -> None:
    """Group texts into K clusters, each the texts for which one predicate holds."""

    def model(_: Any):
        from nlparam.models import Clustering

        return Clustering(n_predicates=k)

    run(model, options)


@app.command("time-series")
@spread_options
def time_series(
    k: K,
    time_field: Annotated[
        str,
        typer.Option(help="The field of the time of each text: dates or numbers.", metavar="NAME", show_default=False),
    ],
    options: FitOptions,
    time_unit: Annotated[
        TimeUnit | None, typer.Option(help="What dates are grouped by; by default days.", show_default=False)
    ] = None,
    smoothness: Annotated[
        float, typer.Option(help="The larger, the smoother the curves; in units of time.", metavar="X", min=0.0)
    ] = 1.0,
    posterior: Posterior = None,
) -> None:
    """Find K predicates whose share of the texts changes over time, and its curves."""

    def model(_: Any):
        from nlparam.models import TimeSeries

        unit = None if time_unit is None else time_unit.value
        return TimeSeries(n_predicates=k, smoothness=smoothness, unit=unit)

    run(model, options, field=time_field, posterior=posterior)


@app.command()
@spread_options
def classification(
    k: K,
    options: FitOptions,
    label_field: LabelField = "label",
    ridge: Ridge = 1e-3,
    intercept: Intercept = True,
    posterior: Posterior = None,
) -> None:
    """Find K predicates that tell the class of a text, and what each adds to the odds of each class."""

    def model(labels: Any):
        from nlparam.corpus.labels import class_labels
        from nlparam.errors import CorpusError
        from nlparam.models import Classification

        n_classes = len(class_labels(labels, len(labels)).names)
        if n_classes > max(2, len(labels) // 2):
            raise CorpusError(
                f"got {n_classes:,} different values in {len(labels):,} texts, expected classes of several texts each: "
                "choose another field, or fit a regression to numbers"
            )
        return Classification(n_predicates=k, n_classes=n_classes, ridge=ridge, intercept=intercept)

    run(model, options, field=label_field, posterior=posterior)


@app.command()
@spread_options
def regression(
    k: K,
    options: FitOptions,
    label_field: LabelField = "label",
    ridge: Ridge = 1e-3,
    intercept: Intercept = True,
    posterior: Posterior = None,
) -> None:
    """Find K predicates that predict a number, and what each adds to it."""

    def model(_: Any):
        from nlparam.models import Regression

        return Regression(n_predicates=k, ridge=ridge, intercept=intercept)

    run(model, options, field=label_field, posterior=posterior)


@app.command()
@spread_options
def difference(
    k: K,
    options: FitOptions,
    label_field: Annotated[
        str | None,
        typer.Option(
            help="The field of the group of each text, of two values; by default `label`.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="A second file or folder of texts, to compare the first with.", show_default=False),
    ] = None,
    towards: Annotated[
        str | None,
        typer.Option(
            help="The group that differences are counted towards; by default that of --texts, or the last by name.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    diversity: Annotated[
        float, typer.Option(help="The price of predicates that say the same.", metavar="X", min=0.0)
    ] = 0.2,
    ridge: Ridge = 1e-3,
    posterior: Posterior = None,
) -> None:
    """Find K predicates that hold more often in one group of texts than in another."""
    if against is not None and label_field is not None:
        raise typer.BadParameter("got --label-field too, expected one of the two", param_hint="'--against'")

    def model(groups: Any):
        from nlparam.models import Difference

        # With two files, what the first has more of is what one asks about.
        name = groups[0] if towards is None and against is not None else towards
        return Difference(n_predicates=k, diversity=diversity, ridge=ridge, towards=name)

    run(model, options, field=label_field or "label", against=against, posterior=posterior)
