"""Options that several commands share, written once; `nlparam.cli.run_options` has groups of them."""

import enum
from pathlib import Path
from typing import Annotated

import typer

_TEXTS, _MODEL, _SEARCH, _JUDGING, _BUDGET, _OUTPUT = "Texts", "Models", "Search", "Judging", "Budget", "Output"


class Proposer(enum.StrEnum):
    """How predicates are proposed."""

    contrast = "contrast"
    state = "state"
    both = "both"


class Form(enum.StrEnum):
    """How the language model is asked whether predicates hold."""

    single = "single"
    contrastive = "contrastive"


class Represented(enum.StrEnum):
    """What the relaxation sees of a text."""

    auto = "auto"
    goal = "goal"
    embedding = "embedding"


class Way(enum.StrEnum):
    """How new texts are denoted."""

    head = "head"
    cascade = "cascade"
    exact = "exact"


class TimeUnit(enum.StrEnum):
    """What dates are grouped by."""

    day = "day"
    week = "week"
    month = "month"
    year = "year"


class PosteriorMethod(enum.StrEnum):
    """How the posterior of the weights is sampled."""

    nuts = "nuts"
    svi = "svi"


Texts = Annotated[
    Path | None,
    typer.Option(
        help="A .jsonl, .json, .csv, .tsv, .parquet or .txt file (one text per line), or a folder of .txt files.",
        rich_help_panel=_TEXTS,
        show_default=False,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        help="A corpus by name: bbc, guardian, sotu.", metavar="NAME", rich_help_panel=_TEXTS, show_default=False
    ),
]
TextField = Annotated[
    str | None,
    typer.Option(
        help="The field that holds the text; by default `text`, else the only one that holds prose.",
        metavar="NAME",
        rich_help_panel=_TEXTS,
        show_default=False,
    ),
]
TimeField = Annotated[
    str | None,
    typer.Option(
        help="The field of the time of each text, dates or numbers: the report then shows the shares of the nodes over "
        "time.",
        metavar="NAME",
        rich_help_panel=_TEXTS,
        show_default=False,
    ),
]
LabelField = Annotated[
    str,
    typer.Option(help="The field of the label of each text.", metavar="NAME", rich_help_panel=_TEXTS),
]
K = Annotated[int, typer.Option("--k", help="The number of predicates.", metavar="K", min=1, show_default=False)]
Ridge = Annotated[float, typer.Option(help="The price of large weights; it keeps them finite.", metavar="X", min=0.0)]
Intercept = Annotated[
    bool, typer.Option("--intercept/--no-intercept", help="Whether there is a base value without any predicate.")
]
Posterior = Annotated[
    PosteriorMethod | None,
    typer.Option(
        help="Sample the weights too, exactly (nuts) or fast (svi), and show credible intervals.", show_default=False
    ),
]
GoalExamples = Annotated[
    list[str] | None,
    typer.Option(
        "--goal-example",
        help="An answer that a text could have to the goal (`poem`); give several, each with the option before it.",
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
Goal = Annotated[
    str | None,
    typer.Option(
        help="What the predicates are to be about, in plain words; by default `what the text is about`.",
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
LanguageModel = Annotated[
    str,
    typer.Option(
        "--lm",
        help="`embedded`, `embedded:NAME` (see `nlparam lm list`), a .gguf file, a server (http://HOST:PORT/v1#MODEL; "
        "several with commas between), or `vllm:MODEL`.",
        metavar="LM",
        envvar="NLPARAM_LM",
        rich_help_panel=_MODEL,
    ),
]
Embedder = Annotated[
    str | None,
    typer.Option(
        help="A folder or a hub name of a sentence-transformers model; by default MiniLM.",
        metavar="NAME",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        help="Seconds that one call of a server may take; a model in this process has all the time it needs.",
        metavar="SECONDS",
        min=0.1,
        rich_help_panel=_MODEL,
    ),
]
Store = Annotated[
    Path | None,
    typer.Option(
        help="The file that keeps judgments, proposals and embeddings; by default one in the user's cache.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
ProposerName = Annotated[
    Proposer | None,
    typer.Option(
        "--proposer",
        help="`contrast` for strong language models, `state` for small ones, or `both`; the model decides.",
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
Predicates = Annotated[
    Path | None,
    typer.Option(
        help="A file of candidate predicates of your own, one per line; nothing is then proposed.",
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
Representation = Annotated[
    Represented,
    typer.Option(
        help="Relax the embeddings of the texts, or where their statements under the goal would lie (120 short calls); "
        "by default the latter if there is a --goal.",
        rich_help_panel=_SEARCH,
    ),
]
UseCascade = Annotated[
    bool,
    typer.Option(
        "--cascade",
        help="Denote all texts with a bound on the error: the head where it is sure, the language model elsewhere.",
        rich_help_panel=_JUDGING,
    ),
]
TargetRecall = Annotated[
    float,
    typer.Option(
        help="Of the texts for which the language model would say yes, the share that the cascade must find.",
        metavar="SHARE",
        rich_help_panel=_JUDGING,
    ),
]
TargetPrecision = Annotated[
    float,
    typer.Option(
        help="Of the texts that the cascade finds, the share for which the language model would say yes.",
        metavar="SHARE",
        rich_help_panel=_JUDGING,
    ),
]
FailureProbability = Annotated[
    float,
    typer.Option(help="How often the audit may be wrong about it.", metavar="SHARE", rich_help_panel=_JUDGING),
]
PromptForm = Annotated[
    Form,
    typer.Option(
        "--form",
        help="Ask about one predicate at a time, or with the others listed beside it.",
        rich_help_panel=_JUDGING,
    ),
]
CalibrationFile = Annotated[
    Path | None,
    typer.Option(
        help="Labelled pairs (fields text, predicate, label) by which judgments are corrected.",
        metavar="FILE",
        rich_help_panel=_JUDGING,
        show_default=False,
    ),
]
MaxCalls = Annotated[
    int | None,
    typer.Option(help="The most calls.", metavar="N", min=1, rich_help_panel=_BUDGET, show_default=False),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        help="The most tokens, of prompts and answers.", metavar="N", min=1, rich_help_panel=_BUDGET, show_default=False
    ),
]
MaxSeconds = Annotated[
    float | None,
    typer.Option(
        help="Seconds after which no call is started.",
        metavar="SECONDS",
        min=0.001,
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        help="The most that may be spent, by the prices.",
        metavar="X",
        min=0.0,
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
Prices = Annotated[
    Path | None,
    typer.Option(
        help="A table of prices in TOML: [models.NAME] with prompt, completion (per million tokens) and hour.",
        metavar="FILE",
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Only estimate what the fit will cost, from some twenty calls (which it will not repeat).",
        rich_help_panel=_BUDGET,
    ),
]
Events = Annotated[
    Path | None,
    typer.Option(
        help="A file that gets a line of JSON for each stage and event.",
        metavar="FILE",
        rich_help_panel=_OUTPUT,
        show_default=False,
    ),
]
UseExecutable = Annotated[
    bool,
    typer.Option(
        "--executable",
        help="Compute predicates where a small function, a word or a pattern says as much as the language model would.",
        rich_help_panel=_JUDGING,
    ),
]
MaxJudgments = Annotated[
    int | None,
    typer.Option(
        help="The most judgments that may be used.", metavar="N", min=2, rich_help_panel=_SEARCH, show_default=False
    ),
]
NJudged = Annotated[
    str | None,
    typer.Option(
        help="On how many texts the chosen predicates are judged; a learned head denotes the others.",
        metavar="N|all",
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
Rounds = Annotated[
    int | None,
    typer.Option(
        help="Rounds of refinement after the first selection.",
        metavar="N",
        min=0,
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
Seed = Annotated[
    int,
    typer.Option(help="Seeds everything that is random.", min=0, max=2**32 - 1, metavar="N", rich_help_panel=_SEARCH),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        help="Fit from this many seeds, say how often each predicate comes back, and fit once more to those that do.",
        min=2,
        metavar="N",
        rich_help_panel=_SEARCH,
        show_default=False,
    ),
]
Out = Annotated[
    Path, typer.Option(help="The folder for the fit and its report.", rich_help_panel=_OUTPUT, show_default=False)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.", rich_help_panel=_OUTPUT)]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print JSON on standard output, and nothing else there.", rich_help_panel=_OUTPUT),
]
Folder = Annotated[Path, typer.Argument(help="The --out folder of a fit.", show_default=False)]
