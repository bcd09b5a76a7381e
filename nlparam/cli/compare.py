"""`nlparam compare`: what holds more often in one group of texts, or of images, than in the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlparam.cli import images as of_images
from nlparam.cli.compare_options import CompareCommand
from nlparam.cli.compare_results import show
from nlparam.cli.output import print_json, print_warnings
from nlparam.cli.run_fit import corpus_warnings, shown_warnings, usage_errors
from nlparam.cli.run_options import spread_options
from nlparam.errors import CorpusError

if TYPE_CHECKING:
    from nlparam.comparing.result import Comparison

# More values than these are no groups.
_MOST_GROUPS = 26
# The options that say something of images only.
_OF_IMAGES = {"--captions": "captions", "--judge": "judged", "--max-side": "max_side", "--detail": "detail"}


@spread_options
def compare(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="A file or folder of texts for each group, or a folder of images; or one file with --group-field.",
            show_default=False,
        ),
    ],
    options: CompareCommand,
) -> None:
    """Find predicates that hold more often in one group of texts (or images) than in the others, and test them.

    Differences are found in one part of the texts and tested on the rest. The folder gets comparison.json, the texts
    and judgments, and a report. The same command again asks nothing twice.
    """
    from nlparam.runtime.progress import Progress

    _check(files, options)
    pictures = options.group_field is None and of_images.are_images(files)
    if not pictures:
        _check_no_images(options)
    progress = Progress()
    with progress.task("starting", None):
        from nlparam.comparing.arguments import check_numbers
        from nlparam.comparing.options import CompareOptions
        from nlparam.runtime.telemetry import write_events

    given: dict[str, Any] = {"n_kept": options.n_tested, "research": options.research}
    given |= {"n_validated": options.n_validated, "n_screened": options.n_screened}
    changes = {name: value for name, value in given.items() if value is not None}
    with usage_errors():
        CompareOptions(**changes)  # says what is wrong before anything is computed
        check_numbers(options.confidence, options.level, options.correction.value)
        running = options.settings()
    settings: dict[str, Any] = {
        "proposer": None if options.proposer is None else options.proposer.value,
        "predicates": _hypotheses(options.predicates),
        "form": options.form.value,
        "ratings": options.ratings,
        "repeats": options.repeats.value,
        "options": changes,
        "confidence": options.confidence,
        "level": options.level,
        "correction": options.correction.value,
        "progress": progress,
    } | running
    run = _compare_images if pictures else _compare_texts
    with shown_warnings(), write_events(options.events):
        comparison = run(files, options, settings)
    if comparison is None:
        return
    if options.json:
        print_json(comparison.read(options.out))
    else:
        show(comparison, options.out)


def _compare_images(files: list[Path], options: CompareCommand, settings: dict[str, Any]) -> "Comparison":
    if options.goal_example:
        raise typer.BadParameter("captions of images are described under the goal alone", param_hint="'--goal-example'")
    if options.adjust:
        raise typer.BadParameter("images have no fields to adjust for", param_hint="'--adjust'")
    if options.dry_run:
        raise typer.BadParameter("images cannot be estimated: captions cost what images do", param_hint="'--dry-run'")
    return of_images.compare_folders(
        files,
        names=options.name,
        goal=options.goal,
        captions=options.captions,
        judged=options.judged,
        max_side=options.max_side,
        detail=options.detail,
        ranker=options.ranker,
        out=options.out,
        overwrite=options.overwrite,
        **settings,
    )


def _compare_texts(files: list[Path], options: CompareCommand, settings: dict[str, Any]) -> "Comparison | None":
    groups, adjust = _read(files, options)
    import nlparam
    from nlparam.comparing.estimation import estimate_comparison
    from nlparam.fitting.setup import DEFAULT_GOAL
    from nlparam.language.embed import SentenceTransformerEmbedder
    from nlparam.language.goals import with_examples
    from nlparam.language.ranker import EmbeddingRanker

    ranker = None if options.ranker is None else EmbeddingRanker(SentenceTransformerEmbedder(options.ranker))
    goal = with_examples(options.goal or DEFAULT_GOAL, options.goal_example or ())
    settings |= {"goal": goal, "adjust": adjust, "ranker": ranker}
    if options.dry_run:
        from nlparam.cli.costs import show_estimate

        show_estimate(estimate_comparison(groups, **settings), options)
        return None
    return nlparam.compare(groups, out=options.out, overwrite=options.overwrite, **settings)


def _check(files: list[Path], options: CompareCommand) -> None:
    if options.group_field is None and len(files) < 2:
        raise typer.BadParameter("got one file, expected another one or --group-field", param_hint="'FILES'")
    if options.group_field is not None and len(files) != 1:
        raise typer.BadParameter(
            f"got {len(files)} files, expected one in which the field says the group", param_hint="'--group-field'"
        )
    if options.group_field is not None and options.name:
        raise typer.BadParameter("groups of a field are called as the field says", param_hint="'--name'")
    if options.name and len(options.name) != len(files):
        raise typer.BadParameter(
            f"got {len(options.name)} names for {len(files)} files, expected one for each", param_hint="'--name'"
        )
    if options.name and len(set(options.name)) != len(options.name):
        raise typer.BadParameter("got a name twice, expected different ones", param_hint="'--name'")
    if options.name and not all(name.strip() for name in options.name):
        raise typer.BadParameter("got nothing, expected a name", param_hint="'--name'")
    if options.predicates is not None and options.proposer is not None:
        raise typer.BadParameter("got --predicates too, with which nothing is proposed", param_hint="'--proposer'")
    if options.goal is not None and not options.goal.strip():
        raise typer.BadParameter("got nothing, expected a few words", param_hint="'--goal'")


def _check_no_images(options: CompareCommand) -> None:
    for option, field in _OF_IMAGES.items():
        given = getattr(options, field)
        if given and given != getattr(CompareCommand, field):
            raise typer.BadParameter("got no folder of images, to which it belongs", param_hint=f"'{option}'")


def _read(files: list[Path], options: CompareCommand) -> tuple[dict[str, list[str]], dict[str, dict[str, list]]]:
    """The texts of each group, and the values of each covariate."""
    from nlparam.corpus.readers import read_texts

    fields = tuple(dict.fromkeys(options.adjust or ()))
    if options.group_field is not None:
        return _by_field(files[0], options.group_field, fields, options)
    tables = [read_texts(file, text_field=options.text_field, fields=fields) for file in files]
    names = options.name or _names_of(files)
    for table in tables:
        print_warnings(table.warnings)
    _warn_of_long([text for table in tables for text in table.texts])
    groups = {name: table.texts for name, table in zip(names, tables, strict=True)}
    return groups, {f: {n: t.columns[f] for n, t in zip(names, tables, strict=True)} for f in fields}


def _by_field(
    file: Path, group_field: str, fields: Sequence[str], options: CompareCommand
) -> tuple[dict[str, list[str]], dict[str, dict[str, list]]]:
    from nlparam.corpus.readers import read_texts

    table = read_texts(file, text_field=options.text_field, fields=tuple(dict.fromkeys((group_field, *fields))))
    print_warnings(table.warnings)
    _warn_of_long(table.texts)
    values = table.columns[group_field]
    groups: dict[str, list[str]] = {}
    adjust: dict[str, dict[str, list]] = {field: {} for field in fields}
    n_without = 0
    for number, value in enumerate(values):
        if value is None or not str(value).strip():
            n_without += 1
            continue
        groups.setdefault(str(value), []).append(table.texts[number])
        for field in fields:
            adjust[field].setdefault(str(value), []).append(table.columns[field][number])
    if n_without:
        print_warnings([f"{n_without} of {len(values)} texts have no {group_field!r} and were left out"])
    if len(groups) < 2:
        shown = ", ".join(map(repr, groups)) or "none"
        raise CorpusError(f"the field {group_field!r} has the groups {shown}, expected at least two to compare")
    if len(groups) > _MOST_GROUPS:
        raise CorpusError(
            f"the field {group_field!r} has {len(groups):,} different values, expected at most {_MOST_GROUPS} groups: "
            "choose a coarser field"
        )
    return groups, adjust


def _names_of(files: list[Path]) -> list[str]:
    """The names of files without folder and ending, or whatever tells them apart."""
    for shorten in (lambda path: path.stem, lambda path: path.name, str):
        names = [shorten(path) for path in files]
        if len(set(names)) == len(names):
            return names
    raise CorpusError(f"got a file twice among {', '.join(map(str, files))}, expected different files to compare")


def _warn_of_long(texts: list[str]) -> None:
    from nlparam.corpus.corpus import Corpus

    # Blank and repeated texts are spoken of by the comparison, group by group.
    messages = corpus_warnings(Corpus.from_texts(texts))
    print_warnings(message for message in messages if "characters" in message)


def _hypotheses(file: Path | None) -> list[str] | None:
    """The predicates of the user's file, or `None` if there is none."""
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise CorpusError(f"cannot read the predicates {file}: {error.strerror or error}") from error
    predicates = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not predicates:
        raise CorpusError(f"{file} holds no predicates, expected one per line")
    return predicates
