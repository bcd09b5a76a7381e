"""What all commands of `nlparam fit` do: read, check, fit, save, and print."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nlparam.cli.options import PosteriorMethod
from nlparam.cli.output import print_json, print_warnings
from nlparam.cli.run_options import FitOptions
from nlparam.errors import CorpusError, FitWarning

if TYPE_CHECKING:
    from nlparam.corpus.corpus import Corpus
    from nlparam.corpus.readers import Table
    from nlparam.denotation.cascade import Cascade
    from nlparam.numerics.core.model import AbstractPredicateModel

# A text of more characters is a file that was taken for a text, or one whose end nobody reads.
_VERY_LONG = 100_000


def run(
    make_model: Callable[[Any], "AbstractPredicateModel"],
    options: FitOptions,
    *,
    field: str | None = None,
    against: Path | None = None,
    posterior: PosteriorMethod | None = None,
) -> None:
    """Fits a model as the options say, saves it and prints it.

    **Arguments:** `make_model` is called once with the data of the model, after the options have been checked; a
    `ValueError` of it becomes a usage error. The data are what `field` says of each text or, if `against` is given,
    which of the two files each text is from.
    """
    from nlparam.runtime.progress import Progress

    _check(options, against)
    texts, data = _read(options, None if against is not None else field, against)
    changes = _changes(options)
    progress = Progress()
    with progress.task("starting", None):
        import nlparam
        from nlparam.fitting.setup import DEFAULT_GOAL

    with usage_errors(), _about(field if against is None else None):
        model = make_model(data)
        nlparam.SearchOptions(**changes)  # says what is wrong before anything is computed
        cascade = _cascade(options)
        running = options.settings()
        model.prepare(data, len(texts))
    settings: dict[str, Any] = {
        "goal": options.goal or DEFAULT_GOAL,
        "goal_examples": options.goal_example or (),
        "proposer": options.proposer,
        "judge": cascade,
        "form": options.form.value,
        "calibration": options.calibration,
        "predicates": _candidates(options, model.n_predicates),
        "options": changes,
        "representation": options.representation.value,
        "executable": options.executable,
        "progress": progress,
    } | running
    from nlparam.runtime.telemetry import write_events

    if options.dry_run:
        from nlparam.cli.costs import show_estimate

        with write_events(options.events):
            expected = nlparam.estimate(model, texts, data, **settings)
            # The last fit, to what the seeds found, costs less than one of them.
            show_estimate(expected if options.seeds is None else expected.times(options.seeds + 1), options)
        return
    settings |= {"out": options.out, "overwrite": options.overwrite}
    with shown_warnings(), write_events(options.events):
        if options.seeds is None:
            fitted = nlparam.fit(model, texts, data, **settings)
        else:
            first = settings.pop("seed")
            fitted = nlparam.consensus(model, texts, data, seeds=range(first, first + options.seeds), **settings)
        intervals = None
        from nlparam.cli.posterior import forget_posterior, sample_posterior

        if posterior is None:
            forget_posterior(options.out)
        else:
            intervals = sample_posterior(fitted, posterior.value, options.out, seed=options.seed, progress=progress)
    if options.json:
        print_json(fitted.read(options.out))
    else:
        from nlparam.cli.results import show

        show(fitted, options.out, intervals)


def corpus_warnings(corpus: "Corpus") -> list[str]:
    """What a user should know about the texts before they are fitted: blank, repeated and very long ones."""
    warnings = []
    n_blank, n_repeated = int(corpus.blank.sum()), int((~corpus.blank).sum()) - len(corpus.distinct)
    n_texts, n_long = len(corpus), sum(len(text) > _VERY_LONG for text in corpus.texts)
    if n_blank:
        warnings.append(f"{n_blank} of {n_texts} texts are blank: no predicate holds for them")
    if n_repeated:
        warnings.append(f"{n_repeated} of {n_texts} texts repeat another: equal texts are embedded and judged once")
    if n_long:
        warnings.append(f"{n_long} of {n_texts} texts have over {_VERY_LONG:,} characters: only the beginning is read")
    return warnings


def _check(options: FitOptions, against: Path | None) -> None:
    if (options.texts is None) == (options.dataset is None):
        got = "got neither" if options.texts is None else "got both"
        raise typer.BadParameter(f"{got}, expected exactly one of the two", param_hint="'--texts' or '--dataset'")
    if options.dataset is not None and options.text_field is not None and against is None:
        raise typer.BadParameter("a data set has no field of texts to choose", param_hint="'--text-field'")
    if options.predicates is not None and options.proposer is not None:
        raise typer.BadParameter("got --predicates too, with which nothing is proposed", param_hint="'--proposer'")
    if options.goal is not None and not options.goal.strip():
        raise typer.BadParameter("got nothing, expected a few words", param_hint="'--goal'")


def _read(options: FitOptions, field: str | None, against: Path | None) -> tuple[list[str], list | None]:
    """The texts, and of each the value of `field`, or the name of the file that it is from."""
    from nlparam.corpus.corpus import Corpus
    from nlparam.corpus.readers import read_texts

    fields = () if field is None else (field,)
    table = read_dataset(options.dataset, fields) if options.dataset is not None else None
    if table is None:
        assert options.texts is not None  # checked before
        table = read_texts(options.texts, text_field=options.text_field, fields=fields)
    texts, data, messages = table.texts, None if field is None else table.columns[field], list(table.warnings)
    if against is not None:
        other = read_texts(against, text_field=options.text_field)
        first, second = _group_names(options.dataset or str(options.texts), str(against))
        texts, data = [*texts, *other.texts], [first] * len(texts) + [second] * len(other.texts)
        messages += other.warnings
    if options.dataset is None:
        messages += corpus_warnings(Corpus.from_texts(texts))
    print_warnings(messages)
    return texts, data


def read_dataset(name: str, fields: Sequence[str] = ()) -> "Table":
    """A corpus by name; raises `CorpusError` if it lacks one of the fields."""
    from nlparam.corpus.datasets import load_dataset

    table = load_dataset(name)
    for field in fields:
        if field not in table.columns:
            known = ", ".join(map(repr, table.columns)) or "none"
            raise CorpusError(f"the data set {name!r} has no field {field!r}; its fields are {known}")
    return table


def _group_names(first: str, second: str) -> tuple[str, str]:
    """The names of two files without folder and ending, or whatever tells them apart."""
    for shorten in (lambda path: path.stem, lambda path: path.name, str):
        names = shorten(Path(first)), shorten(Path(second))
        if names[0] != names[1]:
            return names
    raise CorpusError(f"got {second} twice, expected two different files to compare")


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


def _cascade(options: FitOptions) -> "Cascade | None":
    from nlparam.denotation.cascade import Cascade

    targets = {name: getattr(options, name) for name in ("target_recall", "target_precision", "failure_probability")}
    if options.cascade:
        return Cascade(**targets)
    default = Cascade()
    given = [name for name, value in targets.items() if value != getattr(default, name)]
    if given:
        raise ValueError(f"got --{given[0].replace('_', '-')} without --cascade, to which it belongs")
    return None


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
def usage_errors() -> Iterator[None]:
    """The `ValueError` of a model or of options is a mistake in the command; one about the texts is not."""
    try:
        yield
    except CorpusError:
        raise
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@contextlib.contextmanager
def _about(field: str | None) -> Iterator[None]:
    """Says which field it is that data were read from."""
    try:
        yield
    except CorpusError as error:
        if field is None:
            raise
        raise CorpusError(f"the field {field!r}: {error}") from error


@contextlib.contextmanager
def shown_warnings() -> Iterator[None]:
    """What a user should know about the fit is printed like every other warning of a command."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        yield
    print_warnings(str(warning.message) for warning in caught if issubclass(warning.category, FitWarning))
    for warning in caught:
        if not issubclass(warning.category, FitWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
