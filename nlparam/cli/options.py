"""How an option is declared, and the options that several commands share, written once.

`nlparam.cli.run_options` has groups of them.
"""

from typing import Any, Literal, get_args

import typer
import typer.models

TEXTS, SEARCH = "Texts", "Search"
# Panels of the help, in its order, with the names of their options; options without one come before.
PANELS = {
    "Groups": "group_field name",
    TEXTS: "texts dataset text_field by_message drop_missing encoding time_field time_format time_unit label_field "
    "cluster_field held_out column",
    "Testing": "adjust look repeats level correction confidence n_tested n_validated n_screened research",
    SEARCH: "goal goal_example proposer predicates locked excluded candidates representation max_judgments n_stated "
    "n_judged least_texts rounds seeds seed",
    "Models": "lm embedder ranker timeout store",
    "Judging": "executable cascade target_recall target_precision failure_probability each_predicate form ratings "
    "calibration labels inference inference_texts",
    "Images": "captions max_side detail",
    "Budget": "max_calls max_tokens max_seconds max_cost prices dry_run",
    "Cluster": "batch_size workers cpus gpus ray_address",
    "Output": "events keep_text out overwrite json",
}
# What stands for a value in the help: by the name of the option, else by its type.
_BY_NAME = {
    "SHARE": "level confidence research held_out target_recall target_precision failure_probability max_refusals "
    "half_width",
    "SECONDS": "timeout max_seconds",
}
_BY_TYPE = {int: "N", float: "X"}


def option(default: Any, help: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    """The default of a parameter that is an option; `...` if it is required.

    **Arguments:** `names`, by default that of the parameter (a flag of a command without `spread_options` needs one, or
    it gets a --no-NAME); `panel`, where it stands in the help, by default as `PANELS` has it; `more`, as `typer.Option`
    takes it.
    """
    return typer.Option(default, *names, help=help, rich_help_panel=panel, **more)


def complete(name: str, annotation: Any, default: Any) -> None:
    """Gives the declaration of an option its panel, what stands for its value in the help, and the name of a flag that
    is off, if it says none of these."""
    if not isinstance(default, typer.models.OptionInfo):
        return
    if default.default is False and not default.param_decls:
        default.param_decls = (f"--{name.replace('_', '-')}",)
    by_type = (_BY_TYPE[kind] for kind in (annotation, *get_args(annotation)) if kind in _BY_TYPE)
    metavar = "NAME" if name.endswith("_field") else _listing(_BY_NAME, name) or next(by_type, None)
    default.rich_help_panel = default.rich_help_panel or _listing(PANELS, name)
    default.metavar = default.metavar or metavar


def _listing(table: dict[str, str], name: str) -> str | None:
    return next((key for key, names in table.items() if name in names.split()), None)


def argument(help: str, default: Any = ..., **more: Any) -> Any:
    """The default of a parameter that is given by its place; `None` if it can be left out."""
    return typer.Argument(default, help=help, **more)


def refuse(wrong: bool, name: str, message: str) -> None:
    """Raises a usage error about the option `name` if something is `wrong`."""
    if wrong:
        raise typer.BadParameter(message, param_hint=f"'{name}'")


def number_or(given: str, name: str, expected: str, *words: str) -> int | str:
    """A number, or one of the words, as the option `name` takes them; else a usage error says what was `expected`."""
    if given in words:
        return given
    refuse(not given.strip().removeprefix("-").isdecimal(), name, f"got {given!r}, expected {expected}")
    return int(given)


def listed(names: str | None) -> list[str]:
    """The names in an option that takes several, with commas between."""
    return [name.strip() for name in (names or "").split(",") if name.strip()]


def not_blank(words: str | None) -> str | None:
    """Raises a usage error about an option that is given without a word; for its `callback`."""
    if words is not None and not words.strip():
        raise typer.BadParameter("got nothing, expected a few words")
    return words


Proposer = Literal["contrast", "state", "both"]
Form = Literal["single", "contrastive"]
Represented = Literal["auto", "goal", "embedding"]
TimeUnit = Literal["day", "week", "month", "year"]

FILE = argument(
    "Texts: .jsonl, .json, .csv, .tsv, .parquet, .xlsx or .txt (one per line), a log of Inspect (.eval), or a folder "
    "of .txt files.",
    None,
    metavar="FILE",
)
TEXTS_OPTION = option(None, "The same as FILE.", metavar="FILE")
DATASET = option(None, "A corpus by name: bbc, guardian, sotu.", metavar="NAME")
TEXT_FIELD = option(
    None, "The field that holds the text; by default `text`, else the only prose, else that with clearly most words."
)
BY_MESSAGE = option(False, "Of conversations, take each message as a text; by default each conversation is one.")
DROP_MISSING = option(False, "Leave rows out whose text, label, time or other field asked for is missing or blank.")
ENCODING = option(None, "That of the file, if it is not Unicode or Windows-1252.", metavar="NAME")
TIME_FIELD = option(
    None,
    "The field of the time of each text, dates or numbers: the report then shows the shares of the nodes over time.",
)
TIME_FORMAT = option(
    None,
    "The form of times if it is not recognised: '%d/%m/%Y', `seconds` or `milliseconds` since 1970, or `excel`.",
    metavar="FORM",
)
CLUSTER_FIELD = option(
    None,
    "The field that says which texts belong together (the author, the thread): intervals allow for their likeness.",
)
LABELS = option(
    None,
    "Labels of people (fields text, predicate, label and perhaps who), of texts drawn at random: figures are then "
    "corrected to what people would say.",
    metavar="FILE",
)

GOAL = option(
    None,
    "What the predicates are to be about, in plain words; by default `what the text is about`.",
    callback=not_blank,
)
GOAL_EXAMPLE = option(
    None, "An answer that a text could have to the goal (`poem`); give several, each with the option before it."
)
PROPOSER = option(None, "`contrast` for strong language models, `state` for small ones, or `both`; the model decides.")
_GIVEN = "FILE|WORDS"
PREDICATES = option(
    None,
    "A file of candidate predicates of your own, one per line, or as YAML with definitions; nothing is then proposed.",
)
LOCKED = option(
    None, "A predicate that is in the fit whatever else is, or a file of such; repeat it for several.", metavar=_GIVEN
)
EXCLUDED = option(
    None, "A predicate that is not in it, and nothing that says the same, or a file of such.", metavar=_GIVEN
)
CANDIDATES = option(None, "A predicate that competes with the proposals, or a file of such.", metavar=_GIVEN)
REPRESENTATION = option(
    "auto",
    "Relax the embeddings of the texts, or where their statements under the goal would lie (120 short calls); by "
    "default the latter if there is a --goal.",
)
SEED = option(0, "Seeds everything that is random.", min=0, max=2**32 - 1)

LM = option(
    "embedded",
    "`embedded`, `embedded:NAME` (see `nlparam lm list`), a .gguf file, `openai:MODEL`, `anthropic:MODEL`, "
    "`openrouter:MODEL`, `ollama:MODEL`, a server (http://HOST:PORT/v1#MODEL; several with commas between), or "
    "`vllm:MODEL` in this process.",
    metavar="LM",
    envvar="NLPARAM_LM",
)
EMBEDDER = option(None, "A folder or a hub name of a sentence-transformers model; by default MiniLM.", metavar="NAME")
TIMEOUT = option(
    60.0, "Seconds that one call of a server may take; a model in this process has all the time it needs.", min=0.1
)
STORE = option(None, "The file that keeps judgments, proposals and embeddings; by default one in the user's cache.")

FORM = option("single", "Ask about one predicate at a time, or with the others listed beside it.")
CALIBRATION = option(
    None, "Labelled pairs (fields text, predicate, label) by which judgments are corrected.", metavar="FILE"
)

OUT = option(..., "The folder for the fit and its report.")
OVERWRITE = option(False, "Replace what is there already.", "--overwrite")
JSON = option(False, "Print JSON on standard output, and nothing else there.", "--json")
