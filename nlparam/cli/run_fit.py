"""What all commands of `nlparam fit` do: read, check, fit, save, and print."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nlparam
from nlparam.cli.costs import cost_line, show_estimate
from nlparam.cli.options import number_or, refuse
from nlparam.cli.output import print_json, print_lines, print_table, print_warnings, starting
from nlparam.cli.reading import (
    check_source,
    corpus_warnings,
    names_of,
    read_defined_predicates,
    read_source,
    read_wishes,
    usage_errors,
)
from nlparam.cli.run_options import FitOptions
from nlparam.errors import CorpusError

if TYPE_CHECKING:
    from nlparam.results.page.quantities import Intervals

_WISHES = ("locked", "excluded", "candidates")


def run(
    make_model: Callable[[Any, int], "nlparam.AbstractPredicateModel"],
    options: FitOptions,
    k: str,
    *,
    field: str | None = None,
    controls: Sequence[str] = (),
    against: Path | None = None,
    time_format: str | None = None,
    posterior: str | None = None,
) -> None:
    """Fits a model as the options say, saves it and prints it.

    **Arguments:** `make_model` is called with the data of the model and the number of predicates, after the options
    have been checked; a `ValueError` of it becomes a usage error. `k` is that number, or "auto". The data are what
    `field` says of each text or, if `against` is given, which of the two files each text is from; beside them the
    fields `controls`, which the model allows for. `time_format` is the form of data that are times.
    """
    # The field of texts may be that of the other file.
    check_source(options.source, options.dataset, None if against else options.text_field)
    needless = options.predicates is not None and options.proposer is not None
    refuse(needless, "--proposer", "got --predicates too, with which nothing is proposed")
    refuse(not options.inference and options.inference_texts is not None, "--inference-texts", "got --no-inference too")
    refuse(bool(options.predicates and options.candidates), "--candidates", "got --predicates too: give only one")
    field = field if against is None else None
    texts, data, clusters, controlled = _read(options, field, controls, against)
    if time_format is not None and data is not None:
        from nlparam.corpus.stamps import in_form

        data = in_form(data, time_format)
    changes = options.changes("max_judgments", n_rounds="rounds")
    if options.n_judged is not None:
        n_judged = number_or(options.n_judged, "--n-judged", "a number or `all`", "all")
        changes["n_judged"] = None if n_judged == "all" else n_judged
    with starting() as progress:
        from nlparam.fitting.how_many import MOST
        from nlparam.fitting.setup import DEFAULT_GOAL
        from nlparam.fitting.wishes import Wishes
        from nlparam.runtime.telemetry import write_events

    with usage_errors(), _about(field):
        number = _number_of(k)
        model = make_model(data, MOST if number is None else number)
        nlparam.SearchOptions(**changes)  # says what is wrong before anything is computed
        cascade = _cascade(options)
        running = options.settings()
        model.prepare(data, len(texts))
        wishes = {name: read_wishes(given) for name, given in options.given(*_WISHES).items()}
        Wishes.given(model.n_predicates, **wishes)
    labels = data
    if controlled:
        data = {"target": data, "controls": controlled}
        model.prepare(data, len(texts))
    settings: dict[str, Any] = running | options.given(
        "proposer", "form", "calibration", "representation", "executable", "held_out"
    )
    settings |= {
        "goal": options.goal or DEFAULT_GOAL,
        "goal_examples": options.goal_example or (),
        "clusters": clusters,
        "inference": options.inference if options.inference_texts is None else options.inference_texts,
        "judge": cascade,
        **read_defined_predicates(options.predicates, number or 1)._asdict(),
        "options": changes,
        "progress": progress,
        **wishes,
    }
    with write_events(options.events):
        if options.dry_run:
            expected = nlparam.estimate(model, texts, data, **settings)
            # The last fit, to what the seeds found, costs less than one of them; so does one to what K was chosen from.
            show_estimate(expected.times((options.seeds or 0) + 1 + (number is None)), options)
            return
        if number is None:
            number, changed = _chosen_number(lambda n: make_model(labels, n), texts, data, settings, options)
            model, settings = make_model(labels, number), settings | changed
        settings |= {"out": options.out, "overwrite": options.overwrite}
        if options.seeds is None:
            fitted = nlparam.fit(model, texts, data, **settings)
        else:
            first = settings.pop("seed")
            fitted = nlparam.consensus(model, texts, data, seeds=range(first, first + options.seeds), **settings)
        intervals = _sample_posterior(fitted, posterior, options, progress)
    if options.json:
        print_json(fitted.read(options.out))
    else:
        from nlparam.cli.results import show

        show(fitted, options.out, intervals)


def _read(
    options: FitOptions, field: str | None, controls: Sequence[str], against: Path | None
) -> tuple[list[str], list | None, list | None, dict[str, list]]:
    """The texts, of each the value of `field` or the name of the file that it is from, its cluster, its controls."""
    from nlparam.numerics.statistics.covariates import LENGTH, lengths

    cluster_field = options.together(options.cluster_field)
    fields = (field, cluster_field, *(name for name in controls if name != LENGTH))
    table = read_source(options.source, options.dataset, fields=fields, **options.reading())
    texts, data, messages = table.texts, table.column(field), list(table.warnings)
    clusters = table.column(cluster_field)
    if against is not None:
        other = read_source(against, None, fields=[cluster_field], **options.reading())
        first, second = names_of([Path(options.dataset or str(options.source)), against])
        texts, data = [*texts, *other.texts], [first] * len(texts) + [second] * len(other.texts)
        clusters = None if clusters is None else [*clusters, *(other.column(cluster_field) or ())]
        messages += other.warnings
    print_warnings([*messages, *(corpus_warnings(texts) if options.dataset is None else ())])
    controlled = {name: lengths(texts) if name == LENGTH else table.columns[name] for name in controls}
    return texts, data, clusters, controlled


def _number_of(k: str) -> int | None:
    """The number of predicates, `None` for "auto"."""
    if k == "auto":
        return None
    refuse(not k.isdecimal() or int(k) < 1, "-k", f"got {k!r}, expected a number of at least 1, or `auto`")
    return int(k)


def _chosen_number(
    make_model: Callable[[int], "nlparam.AbstractPredicateModel"],
    texts: list[str],
    data: Any,
    settings: dict[str, Any],
    options: FitOptions,
) -> tuple[int, dict[str, Any]]:
    """The number of predicates that held-out texts speak for, and the settings of the fit with so many."""
    from nlparam.fitting.how_many import how_many
    from nlparam.runtime.budget import Meter

    chosen = how_many(make_model, texts, data, **settings)
    number = max(chosen.number, len(settings["locked"] or ()))
    changed: dict[str, Any] = {"budget": Meter(chosen.costs, settings["budget"]).left}
    if options.predicates is None and options.seeds is None:
        # Candidates that were wished for are among them.
        changed |= {"predicates": chosen.candidates, "candidates": None}
    if not options.json:
        rows = [
            (f"{n}{' *' if n == number else ''}", f"{gain:+.3f}", f"{error:.3f}")
            for n, (gain, error) in enumerate(zip(chosen.gains, chosen.errors, strict=True), 1)
        ]
        print_table(("k", "held-out gain", "error"), rows, numbers=(1, 2))
        print_lines(f"k = {number}: more predicates do not clearly say more ({cost_line(chosen.costs)})", "")
    return number, changed


def _cascade(options: FitOptions) -> "nlparam.Cascade | None":
    targets = options.given("target_recall", "target_precision", "failure_probability")
    if options.cascade:
        return nlparam.Cascade(**targets, each=options.each_predicate)
    refuse(options.each_predicate, "--each-predicate", "got no --cascade, to which it belongs")
    for name, value in targets.items():
        if value != getattr(nlparam.Cascade(), name):
            raise ValueError(f"got --{name.replace('_', '-')} without --cascade, to which it belongs")
    return None


@contextlib.contextmanager
def _about(field: str | None) -> Iterator[None]:
    """Says which field it is that data were read from."""
    try:
        yield
    except CorpusError as error:
        if field is None:
            raise
        raise CorpusError(f"the field {field!r}: {error}") from error


def _sample_posterior(
    fit: "nlparam.Fit", method: str | None, options: FitOptions, progress: "nlparam.Progress"
) -> "Intervals | None":
    """Samples the weights, keeps the samples in the folder of the fit, and puts credible intervals into its report.

    Without a method it removes the samples of a fit that the folder held before.
    """
    from nlparam.fitting.posterior import SAMPLES, credible_intervals, keep_posterior
    from nlparam.results.page.quantities import PROBABILITY

    if method is None:
        (options.out / SAMPLES).unlink(missing_ok=True)
        return None
    samples = fit.posterior(method=method, seed=options.seed, progress=progress)
    keep_posterior(fit, samples, options.out)
    fit.report(options.out / "report.html", posterior=samples)
    return credible_intervals(samples, probability=PROBABILITY)
