"""`nlparam fit MODEL`: one command for each model."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlparam.cli.options import FitOptions, spread_options
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, printable
from nlparam.errors import CorpusError

if TYPE_CHECKING:
    from nlparam.corpus import Corpus
    from nlparam.numerics.model import AbstractPredicateModel
    from nlparam.solution import Fit

# A text of more characters is a file that was taken for a text, or one whose end nobody reads.
_VERY_LONG = 100_000

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

    def model() -> "AbstractPredicateModel":
        from nlparam.models import Clustering

        return Clustering(n_predicates=k)

    run(model, options)


def run(make_model: Callable[[], "AbstractPredicateModel"], options: FitOptions) -> None:
    """Fits a model as the options say, saves it and prints it.

    **Arguments:** `make_model` is called once, after the options have been checked; a `ValueError` of it becomes a
    usage error.
    """
    from nlparam.progress import Progress

    _check(options)
    texts = _read(options)
    changes = _changes(options)
    progress = Progress()
    with progress.task("starting", None):
        import nlparam
        from nlparam.fitting import DEFAULT_GOAL, fit

    with _usage_errors():
        model = make_model()
        nlparam.SearchOptions(**changes)  # says what is wrong before anything is computed
    fitted = fit(
        model,
        texts,
        goal=options.goal or DEFAULT_GOAL,
        lm=options.lm,
        embedder=options.embedder,
        proposer=options.proposer,
        predicates=_candidates(options, model.n_predicates),
        options=changes,
        store=options.store,
        timeout=options.timeout,
        seed=options.seed,
        out=options.out,
        overwrite=options.overwrite,
        progress=progress,
    )
    if options.json:
        from nlparam.folder import read_contents

        print_json(read_contents(options.out))
    else:
        _show(fitted, options.out)


def corpus_warnings(corpus: "Corpus") -> list[str]:
    """What a user should know about the texts before they are fitted: blank, repeated and very long ones."""
    warnings = []
    n_blank, n_repeated = int(corpus.blank.sum()), int((~corpus.blank).sum()) - len(corpus.distinct)
    n_texts, n_long = len(corpus), sum(len(text) > _VERY_LONG for text in corpus.texts)
    if n_blank:
        warnings.append(f"{n_blank} of {n_texts} texts are blank: they belong to no cluster (-1)")
    if n_repeated:
        warnings.append(f"{n_repeated} of {n_texts} texts repeat another: equal texts are embedded and judged once")
    if n_long:
        warnings.append(f"{n_long} of {n_texts} texts have over {_VERY_LONG:,} characters: only the beginning is read")
    return warnings


def _check(options: FitOptions) -> None:
    if (options.texts is None) == (options.dataset is None):
        got = "got neither" if options.texts is None else "got both"
        raise typer.BadParameter(f"{got}, expected exactly one of the two", param_hint="'--texts' or '--dataset'")
    if options.dataset is not None and options.text_field is not None:
        raise typer.BadParameter("a data set has no fields to choose from", param_hint="'--text-field'")
    if options.predicates is not None and options.proposer is not None:
        raise typer.BadParameter("got --predicates too, with which nothing is proposed", param_hint="'--proposer'")
    if options.goal is not None and not options.goal.strip():
        raise typer.BadParameter("got nothing, expected a few words", param_hint="'--goal'")


def _read(options: FitOptions) -> list[str]:
    from nlparam.corpus import Corpus
    from nlparam.datasets import load_dataset
    from nlparam.readers import read_texts

    if options.dataset is not None:
        return load_dataset(options.dataset).texts
    assert options.texts is not None  # checked before
    table = read_texts(options.texts, text_field=options.text_field)
    print_warnings([*table.warnings, *corpus_warnings(Corpus.from_texts(table.texts))])
    return table.texts


def _changes(options: FitOptions) -> dict[str, Any]:
    """The fields of `SearchOptions` that were given; the others keep their defaults."""
    changes: dict[str, Any] = {}
    if options.max_judgments is not None:
        changes["max_judgments"] = options.max_judgments
    if options.rounds is not None:
        changes["n_rounds"] = options.rounds
    if options.n_judged is not None:
        if options.n_judged != "all" and not options.n_judged.isdecimal():
            message = f"got {options.n_judged!r}, expected a number or `all`"
            raise typer.BadParameter(message, param_hint="'--n-judged'")
        changes["n_judged"] = None if options.n_judged == "all" else int(options.n_judged)
    return changes


def _candidates(options: FitOptions, n_predicates: int) -> Sequence[str] | None:
    """The predicates of the user's file, or `None` if there is none."""
    if options.predicates is None:
        return None
    try:
        lines = options.predicates.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise CorpusError(f"cannot read the predicates {options.predicates}: {error.strerror or error}") from error
    predicates = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(predicates) < n_predicates:
        raise CorpusError(
            f"{options.predicates} holds {len(predicates)} distinct predicates, expected at least {n_predicates}, one "
            "per line"
        )
    return predicates


@contextlib.contextmanager
def _usage_errors() -> Iterator[None]:
    """The `ValueError` of a model or of options is a mistake in the command."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _show(fit: "Fit", out: Path) -> None:
    import numpy as np

    from nlparam.report.text import duration

    sizes = np.bincount(fit.assignments[fit.assignments >= 0], minlength=len(fit.predicates))
    rows = [
        (str(number), printable(predicate), f"{size:,}", f"{size / len(fit.texts):.1%}", f"{agreement.agreement:.0%}")
        for number, (predicate, size, agreement) in enumerate(zip(fit.predicates, sizes, fit.agreement, strict=True))
    ]
    print_table(("", "predicate", "texts", "share", "head agrees"), rows, numbers=(0, 2, 3, 4))
    costs = fit.costs
    ended = f"\nended:   {fit.result.value}"
    if len(fit.predicates) < fit.asked_model.n_predicates:
        ended += f" ({len(fit.predicates)} of the {fit.asked_model.n_predicates} asked for are of use)"
    print_lines(ended)
    print_lines(
        f"cost:    {duration(costs.total_seconds)}, {costs.judgments_asked:,} judgments asked and "
        f"{costs.judgments_served:,} served from the store, {costs.calls:,} calls, "
        f"{costs.prompt_tokens + costs.completion_tokens:,} tokens",
        f"report:  {out / 'report.html'}",
    )
