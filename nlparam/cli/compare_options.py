"""The options of `nlparam compare`."""

import dataclasses
from pathlib import Path
from typing import Literal

from nlparam.cli import options as shared
from nlparam.cli.options import IMAGES, option
from nlparam.cli.run_options import AnalysisOptions, ReadingOptions

# The options that say something of images only, and what they are where they are not given.
OF_IMAGES = {"captions": None, "judged": "auto", "max_side": 512, "detail": "auto"}


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
        OF_IMAGES["captions"],
        "A file of captions (fields file_name and caption); once for each folder, in their order. By default what lies "
        "beside the images.",
        metavar="FILE",
    )
    judged: Literal["auto", "images", "captions"] = option(
        OF_IMAGES["judged"],
        "Judge the images or their captions; by default the images if the language model sees them.",
        "--judge",
        panel=IMAGES,
    )
    max_side: int = option(
        OF_IMAGES["max_side"],
        "The most pixels of the longer side of what the language model is shown.",
        metavar="PIXELS",
        min=32,
    )
    detail: Literal["auto", "low", "high"] = option(
        OF_IMAGES["detail"], "How closely a server is to look, where it heeds that."
    )
    out: Path = option(..., "The folder for the comparison and its report.")
