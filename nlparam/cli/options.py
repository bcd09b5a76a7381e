"""How an option is declared, and the options that several commands share, written once.

`nlparam.cli.run_options` has groups of them.
"""

from typing import Any, Literal

import typer

# Panels of the help, in its order; options without one come before.
GROUPS, TEXTS, TESTING, SEARCH, MODELS = "Groups", "Texts", "Testing", "Search", "Models"
JUDGING, IMAGES, BUDGET, CLUSTER, OUTPUT = "Judging", "Images", "Budget", "Cluster", "Output"
PANELS = (GROUPS, TEXTS, TESTING, SEARCH, MODELS, JUDGING, IMAGES, BUDGET, CLUSTER, OUTPUT)


def option(default: Any, help: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    """The default of a parameter that is an option; `...` if it is required.

    **Arguments:** `names`, by default that of the parameter (a flag needs one, or it gets a --no-NAME); `panel`, where
    it stands in the help; `more`, as `typer.Option` takes it.
    """
    return typer.Option(default, *names, help=help, rich_help_panel=panel, **more)


def argument(help: str, default: Any = ...) -> Any:
    """The default of a parameter that is given by its place; `None` if it can be left out."""
    return typer.Argument(default, help=help)


def refuse(wrong: bool, name: str, message: str) -> None:
    """Raises a usage error about the option `name` if something is `wrong`."""
    if wrong:
        raise typer.BadParameter(message, param_hint=f"'{name}'")


def not_blank(words: str | None) -> str | None:
    """Raises a usage error about an option that is given without a word; for its `callback`."""
    if words is not None and not words.strip():
        raise typer.BadParameter("got nothing, expected a few words")
    return words


Proposer = Literal["contrast", "state", "both"]
Form = Literal["single", "contrastive"]
Represented = Literal["auto", "goal", "embedding"]
TimeUnit = Literal["day", "week", "month", "year"]

_FILES = "A .jsonl, .json, .csv, .tsv, .parquet or .txt file (one text per line), or a folder of .txt files."

TEXTS_OPTION = option(None, _FILES, panel=TEXTS)
TEXTS_ARGUMENT = argument(_FILES, None)
DATASET = option(None, "A corpus by name: bbc, guardian, sotu.", metavar="NAME", panel=TEXTS)
TEXT_FIELD = option(
    None,
    "The field that holds the text; by default `text`, else the only one that holds prose.",
    metavar="NAME",
    panel=TEXTS,
)
TIME_FIELD = option(
    None,
    "The field of the time of each text, dates or numbers: the report then shows the shares of the nodes over time.",
    metavar="NAME",
    panel=TEXTS,
)

CLUSTER_FIELD = option(
    None,
    "The field that says which texts belong together (the author, the thread): intervals allow for their likeness.",
    metavar="NAME",
    panel=TEXTS,
)
LABELS = option(
    None,
    "Labels of people (fields text, predicate, label and perhaps who), of texts drawn at random: figures are then "
    "corrected to what people would say.",
    metavar="FILE",
    panel=JUDGING,
)

GOAL = option(
    None,
    "What the predicates are to be about, in plain words; by default `what the text is about`.",
    callback=not_blank,
    panel=SEARCH,
)
GOAL_EXAMPLE = option(
    None,
    "An answer that a text could have to the goal (`poem`); give several, each with the option before it.",
    panel=SEARCH,
)
PROPOSER = option(
    None, "`contrast` for strong language models, `state` for small ones, or `both`; the model decides.", panel=SEARCH
)
PREDICATES = option(
    None, "A file of candidate predicates of your own, one per line; nothing is then proposed.", panel=SEARCH
)
REPRESENTATION = option(
    "auto",
    "Relax the embeddings of the texts, or where their statements under the goal would lie (120 short calls); by "
    "default the latter if there is a --goal.",
    panel=SEARCH,
)
SEED = option(0, "Seeds everything that is random.", min=0, max=2**32 - 1, metavar="N", panel=SEARCH)

LM = option(
    "embedded",
    "`embedded`, `embedded:NAME` (see `nlparam lm list`), a .gguf file, a server (http://HOST:PORT/v1#MODEL; several "
    "with commas between), or `vllm:MODEL`.",
    metavar="LM",
    envvar="NLPARAM_LM",
    panel=MODELS,
)
EMBEDDER = option(
    None, "A folder or a hub name of a sentence-transformers model; by default MiniLM.", metavar="NAME", panel=MODELS
)
TIMEOUT = option(
    60.0,
    "Seconds that one call of a server may take; a model in this process has all the time it needs.",
    metavar="SECONDS",
    min=0.1,
    panel=MODELS,
)
STORE = option(
    None, "The file that keeps judgments, proposals and embeddings; by default one in the user's cache.", panel=MODELS
)

FORM = option(
    "single", "Ask about one predicate at a time, or with the others listed beside it.", "--form", panel=JUDGING
)
CALIBRATION = option(
    None,
    "Labelled pairs (fields text, predicate, label) by which judgments are corrected.",
    metavar="FILE",
    panel=JUDGING,
)

OUT = option(..., "The folder for the fit and its report.", panel=OUTPUT)
OVERWRITE = option(False, "Replace what is there already.", "--overwrite", panel=OUTPUT)
JSON = option(False, "Print JSON on standard output, and nothing else there.", "--json", panel=OUTPUT)
