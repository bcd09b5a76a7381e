"""`nlparam compare`: what holds more often in one group of texts, or of images, than in the others."""

import dataclasses
from pathlib import Path
from typing import Any, Literal, NamedTuple

import nlparam
from nlparam.cli import options as shared
from nlparam.cli.costs import cost_line, show_estimate
from nlparam.cli.options import argument, option, refuse
from nlparam.cli.output import print_json, print_lines, print_result, print_warnings, starting
from nlparam.cli.reading import corpus_warnings, names_of, read_defined_predicates, usage_errors
from nlparam.cli.run_options import AnalysisOptions, ReadingOptions, spread_options
from nlparam.errors import CorpusError

# More values than these are no groups.
_MOST_GROUPS = 26
# The options that say something of images only, and what they are where they are not given.
_OF_IMAGES = {"captions": None, "judged": "auto", "max_side": 512, "detail": "auto"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareCommand(ReadingOptions, AnalysisOptions):
    """What `nlparam compare` takes beside its files."""

    group_field: str | None = option(None, "The field of the group of each text, where all texts are in one file.")
    name: list[str] | None = option(
        None, "What a group is called, once for each file, in their order; by default as its file.", metavar="NAME"
    )
    adjust: list[str] | None = option(
        None,
        "A field to adjust for, of numbers or categories; may be given several times. The length of the texts is known "
        "as 'length', unless there is a field of that name.",
        metavar="FIELD",
    )
    cluster_field: str | None = shared.CLUSTER_FIELD
    labels: Path | None = shared.LABELS
    look: int | None = option(
        None,
        "If you look again whenever there are more texts: how often you have looked, this time included. Each look "
        "gets a part of --level.",
        min=1,
    )
    repeats: Literal["once", "count"] = option(
        "once", "Count a text that occurs several times in a group once, or as often as it occurs (as a cluster)."
    )
    level: float = option(0.05, "The share of false claims among all (bh, by), or the probability of any (holm).")
    correction: Literal["bh", "by", "holm"] = option(
        "bh", "Benjamini-Hochberg, Benjamini-Yekutieli (under any dependence), or Holm."
    )
    confidence: float = option(0.95, "The level of the intervals.")
    n_tested: int | None = option(None, "How many predicates are tested at most.", min=1)
    n_validated: int | None = option(None, "On how many texts of each group they are tested.", min=2)
    n_screened: int | None = option(
        None, "On how many other texts of each group candidates compete before, at most.", min=1
    )
    research: float | None = option(None, "The share of the texts that is for proposing and competing.")
    goal: str | None = shared.GOAL
    goal_example: list[str] | None = shared.GOAL_EXAMPLE
    proposer: shared.Proposer | None = shared.PROPOSER
    predicates: Path | None = shared.PREDICATES
    ranker: str | None = option(
        None,
        "A sentence-transformers model (of CLIP type for images) whose scores choose what is judged.",
        metavar="NAME",
    )
    form: shared.Form = shared.FORM
    ratings: bool = option(True, "Whether the language model rates relevance, novelty and significance.")
    captions: list[Path] | None = option(
        _OF_IMAGES["captions"],
        "A file of captions (fields file_name and caption); once for each folder, in their order. By default what lies "
        "beside the images.",
        metavar="FILE",
    )
    judged: Literal["auto", "images", "captions"] = option(
        _OF_IMAGES["judged"],
        "Judge the images or their captions; by default the images if the language model sees them.",
        "--judge",
        panel="Images",
    )
    max_side: int = option(
        _OF_IMAGES["max_side"],
        "The most pixels of the longer side of what the language model is shown.",
        metavar="PIXELS",
        min=32,
    )
    detail: Literal["auto", "low", "high"] = option(
        _OF_IMAGES["detail"], "How closely a server is to look, where it heeds that."
    )
    out: Path = option(..., "The folder for the comparison and its report.")


@spread_options
def compare(
    options: CompareCommand,
    files: list[Path] = argument(
        "A file or folder of texts for each group, or a folder of images; or one file with --group-field."
    ),
) -> None:
    """Find predicates that hold more often in one group of texts (or images) than in the others, and test them.

    Differences are found in one part of the texts and tested on the rest. The folder gets comparison.json, the texts
    and judgments, and a report. The same command again asks nothing twice.
    """
    from nlparam.comparing.images import holds_images

    _check(files, options)
    # One folder of images is enough: a mix gets the error that says so.
    pictures = options.group_field is None and any(map(holds_images, files))
    for name, default in _OF_IMAGES.items():
        given = not pictures and (getattr(options, name) or default) != default
        flag = "--judge" if name == "judged" else f"--{name.replace('_', '-')}"
        refuse(given, flag, "got no folder of images, to which it belongs")
    with starting() as progress:
        from nlparam.comparing.options import CompareOptions, check_numbers
        from nlparam.runtime.telemetry import write_events

    changes = options.changes(
        n_kept="n_tested", research="research", n_validated="n_validated", n_screened="n_screened"
    )
    with usage_errors():
        CompareOptions(**changes)  # says what is wrong before anything is computed
        check_numbers(options.confidence, options.level, options.correction)
        settings = options.settings()
    settings |= options.given(
        "proposer", "form", "ratings", "repeats", "confidence", "level", "correction", "labels", "look"
    )
    settings |= {
        **read_defined_predicates(options.predicates)._asdict(),
        "options": changes,
        "progress": progress,
    }
    run = _compare_images if pictures else _compare_texts
    with write_events(options.events):
        comparison = run(files, options, settings)
    if comparison is None:
        return
    if options.json:
        print_json(comparison.read(options.out))
    else:
        print_result(comparison, "findings", "splits", json=False, out=options.out)
        print_lines(cost_line(comparison.costs))


def _compare_images(files: list[Path], options: CompareCommand, settings: dict[str, Any]) -> "nlparam.Comparison":
    from nlparam.comparing.images.driver import DEFAULT_IMAGE_GOAL, compare_images, named_folders

    with_examples, captions = bool(options.goal_example), options.captions or ()
    refuse(with_examples, "--goal-example", "captions of images are described under the goal alone")
    refuse(bool(options.adjust), "--adjust", "images have no fields to adjust for")
    refuse(options.cluster_field is not None, "--cluster-field", "images have no fields")
    refuse(options.dry_run, "--dry-run", "images cannot be estimated: captions cost what images do")
    message = f"got {len(captions)} files for {len(files)} folders, expected one for each, in their order"
    refuse(len(captions) not in (0, len(files)), "--captions", message)
    folders = dict(zip(options.name, files, strict=True)) if options.name else named_folders(files)
    return compare_images(
        folders,
        goal=options.goal or DEFAULT_IMAGE_GOAL,
        captions=dict(zip(folders, captions, strict=True)) if captions else None,
        **options.given("judged", "max_side", "detail", "ranker", "out", "overwrite"),
        **settings,
    )


def _compare_texts(files: list[Path], options: CompareCommand, settings: dict[str, Any]) -> "nlparam.Comparison | None":
    read = _read(files, options)
    groups = read.groups
    from nlparam.comparing.estimation import estimate_comparison
    from nlparam.fitting.setup import DEFAULT_GOAL
    from nlparam.language.embed import SentenceTransformerEmbedder
    from nlparam.language.goals import with_examples
    from nlparam.language.ranker import EmbeddingRanker

    ranker = None if options.ranker is None else EmbeddingRanker(SentenceTransformerEmbedder(options.ranker))
    goal = with_examples(options.goal or DEFAULT_GOAL, options.goal_example or ())
    if options.labels is None and options.overwrite:
        settings |= _labels_of_folder(options.out, [text for texts in groups.values() for text in texts])
    settings |= {"goal": goal, "adjust": read.adjust, "clusters": read.clusters, "ranker": ranker, "notes": read.notes}
    if options.dry_run:
        show_estimate(estimate_comparison(groups, **settings), options)
        return None
    return nlparam.compare(groups, out=options.out, overwrite=options.overwrite, **settings)


def _labels_of_folder(folder: Path | None, texts: list[str]) -> dict[str, Any]:
    """What people say of these texts in the folder that is made anew; nothing if there is nothing."""
    from nlparam.corpus.marks import LABELS_FILE, has_rows

    if folder is None or not has_rows(path := folder / LABELS_FILE):
        return {}
    labels = nlparam.Labelled.read(path, texts, marked=False)
    labels = labels.of_result(texts, labels.predicates)
    return {"labels": labels} if labels else {}


def _check(files: list[Path], options: CompareCommand) -> None:
    n_files, names = len(files), options.name or ()
    if options.group_field is None:
        refuse(n_files < 2, "FILES", "got one file, expected another one or --group-field")
        message = f"got {len(names)} names for {n_files} files, expected one for each"
        refuse(len(names) not in (0, n_files), "--name", message)
        refuse(len(set(names)) != len(names), "--name", "got a name twice, expected different ones")
        refuse(not all(name.strip() for name in names), "--name", "got nothing, expected a name")
    else:
        message = f"got {n_files} files, expected one in which the field says the group"
        refuse(n_files != 1, "--group-field", message)
        refuse(bool(names), "--name", "groups of a field are called as the field says")
    needless = options.predicates is not None and options.proposer is not None
    refuse(needless, "--proposer", "got --predicates too, with which nothing is proposed")


class _Read(NamedTuple):
    """The texts of each group, the values of each covariate, what texts belong to, and what fields are warned of."""

    groups: dict[str, list[str]]
    adjust: dict[str, dict[str, list] | None]
    clusters: dict[str, list] | None
    notes: list[str]


def _read(files: list[Path], options: CompareCommand) -> _Read:
    from nlparam.comparing.clusters import cluster_warnings, sounds_like_clusters
    from nlparam.corpus.readers import field_names, read_texts
    from nlparam.numerics.statistics.covariates import LENGTH

    by, cluster = options.group_field, options.together(options.cluster_field)
    named = [field_names(file) for file in files]
    fields = dict.fromkeys(options.adjust or ())
    given = [field for field in fields if field != LENGTH or all(LENGTH in names for names in named)]
    hinted = [
        field
        for field in named[0]
        if cluster is None and sounds_like_clusters(field) and all(names.count(field) == 1 for names in named)
    ]
    tables = [read_texts(file, fields=(by, cluster, *given, *hinted), **options.reading()) for file in files]
    for table in tables:
        print_warnings(table.warnings)
    # Blank and repeated texts are spoken of by the comparison, group by group.
    print_warnings(corpus_warnings([text for table in tables for text in table.texts], ["long"]))
    if by is not None:
        groups, columns = _by_field(tables[0].texts, tables[0].columns, by)
    else:
        named_tables = dict(zip(options.name or names_of(files), tables, strict=True))
        groups = {name: table.texts for name, table in named_tables.items()}
        columns = {f: {name: table.columns[f] for name, table in named_tables.items()} for f in tables[0].columns}
    # Covariates are warned of by the comparison.
    others = {
        field: [value for values in columns[field].values() for value in values]
        for field in hinted
        if field not in fields and field != by
    }
    adjust = {field: columns[field] if field in given else None for field in fields}
    notes = cluster_warnings(others, adjusted=False)
    return _Read(groups, adjust, None if cluster is None else columns[cluster], notes)


def _by_field(
    texts: list[str], columns: dict[str, list], group_field: str
) -> tuple[dict[str, list[str]], dict[str, dict[str, list]]]:
    rows: dict[str, list[int]] = {}
    for number, value in enumerate(columns[group_field]):
        rows.setdefault("" if value is None else str(value), []).append(number)
    n_without = sum(len(rows.pop(value)) for value in list(rows) if not value.strip())
    if n_without:
        print_warnings([f"{n_without} of {len(texts)} texts left out, without a {group_field!r}"])
    if len(rows) < 2:
        shown = ", ".join(map(repr, rows)) or "none"
        raise CorpusError(f"the field {group_field!r} has the groups {shown}, expected at least two to compare")
    if len(rows) > _MOST_GROUPS:
        raise CorpusError(
            f"the field {group_field!r} has {len(rows):,} different values, expected at most {_MOST_GROUPS} groups: "
            "choose a coarser field"
        )

    def split(values: list) -> dict[str, list]:
        return {name: [values[number] for number in numbers] for name, numbers in rows.items()}

    return split(texts), {field: split(values) for field, values in columns.items()}
