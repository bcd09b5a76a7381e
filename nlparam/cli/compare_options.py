"""The options of `nlparam compare`."""

import dataclasses
import enum
from pathlib import Path
from typing import Annotated

import typer

from nlparam.cli import images as of_images
from nlparam.cli import options as shared
from nlparam.cli.run_options import AnalysisOptions

_GROUPS, _TEST = "Groups", "Testing"


class Correction(enum.StrEnum):
    """What the claims keep to."""

    bh = "bh"
    by = "by"
    holm = "holm"


class Repeats(enum.StrEnum):
    """How often a text counts that occurs several times in a group."""

    once = "once"
    every = "count"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareCommand(AnalysisOptions):
    """What `nlparam compare` takes beside its files."""

    group_field: Annotated[
        str | None,
        typer.Option(
            help="The field of the group of each text, where all texts are in one file.",
            metavar="NAME",
            rich_help_panel=_GROUPS,
            show_default=False,
        ),
    ] = None
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="What a group is called, once for each file, in their order; by default as its file.",
            metavar="NAME",
            rich_help_panel=_GROUPS,
            show_default=False,
        ),
    ] = None
    text_field: shared.TextField = None
    adjust: Annotated[
        list[str] | None,
        typer.Option(
            help="A field to adjust for, of numbers or categories; may be given several times.",
            metavar="FIELD",
            rich_help_panel=_TEST,
            show_default=False,
        ),
    ] = None
    repeats: Annotated[
        Repeats,
        typer.Option(
            help="Count a text that occurs several times in a group once, or as often as it occurs.",
            rich_help_panel=_TEST,
        ),
    ] = Repeats.once
    level: Annotated[
        float,
        typer.Option(
            help="The share of false claims among all (bh, by), or the probability of any (holm).",
            metavar="SHARE",
            rich_help_panel=_TEST,
        ),
    ] = 0.05
    correction: Annotated[
        Correction,
        typer.Option(
            help="Benjamini-Hochberg, Benjamini-Yekutieli (under any dependence), or Holm.", rich_help_panel=_TEST
        ),
    ] = Correction.bh
    confidence: Annotated[
        float, typer.Option(help="The level of the intervals.", metavar="SHARE", rich_help_panel=_TEST)
    ] = 0.95
    n_tested: Annotated[
        int | None,
        typer.Option(
            help="How many predicates are tested at most.",
            metavar="N",
            min=1,
            rich_help_panel=_TEST,
            show_default=False,
        ),
    ] = None
    n_validated: Annotated[
        int | None,
        typer.Option(
            help="On how many texts of each group they are tested.",
            metavar="N",
            min=2,
            rich_help_panel=_TEST,
            show_default=False,
        ),
    ] = None
    n_screened: Annotated[
        int | None,
        typer.Option(
            help="On how many other texts of each group candidates compete before, at most.",
            metavar="N",
            min=1,
            rich_help_panel=_TEST,
            show_default=False,
        ),
    ] = None
    research: Annotated[
        float | None,
        typer.Option(
            help="The share of the texts that is for proposing and competing.",
            metavar="SHARE",
            rich_help_panel=_TEST,
            show_default=False,
        ),
    ] = None
    goal: shared.Goal = None
    goal_example: shared.GoalExamples = None
    proposer: shared.ProposerName = None
    predicates: shared.Predicates = None
    ranker: Annotated[
        str | None,
        typer.Option(
            help="A sentence-transformers model (of CLIP type for images) whose scores choose what is judged.",
            metavar="NAME",
            rich_help_panel="Models",
            show_default=False,
        ),
    ] = None
    form: shared.PromptForm = shared.Form.single
    ratings: Annotated[
        bool,
        typer.Option(
            "--ratings/--no-ratings",
            help="Whether the language model rates relevance, novelty and significance.",
            rich_help_panel="Judging",
        ),
    ] = True
    captions: of_images.CaptionTables = None
    judged: of_images.JudgedOption = of_images.Judged.auto
    max_side: of_images.MaxSide = 512
    detail: of_images.DetailOption = of_images.Detail.auto
    out: Annotated[
        Path,
        typer.Option(
            help="The folder for the comparison and its report.", rich_help_panel="Output", show_default=False
        ),
    ]
