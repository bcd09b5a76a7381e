"""What `nlparam compare` does with folders of images."""

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from nlparam.comparing.result import Comparison

_IMAGES = "Images"


class Judged(enum.StrEnum):
    """What is judged of an image."""

    auto = "auto"
    images = "images"
    captions = "captions"


class Detail(enum.StrEnum):
    """How closely a server is to look at an image."""

    auto = "auto"
    low = "low"
    high = "high"


CaptionTables = Annotated[
    list[Path] | None,
    typer.Option(
        "--captions",
        help="A file of captions (fields file_name and caption); once for each folder, in their order. By default what "
        "lies beside the images.",
        metavar="FILE",
        rich_help_panel=_IMAGES,
        show_default=False,
    ),
]
JudgedOption = Annotated[
    Judged,
    typer.Option(
        "--judge",
        help="Judge the images or their captions; by default the images if the language model sees them.",
        rich_help_panel=_IMAGES,
    ),
]
MaxSide = Annotated[
    int,
    typer.Option(
        help="The most pixels of the longer side of what the language model is shown.",
        metavar="PIXELS",
        min=32,
        rich_help_panel=_IMAGES,
    ),
]
DetailOption = Annotated[
    Detail,
    typer.Option("--detail", help="How closely a server is to look, where it heeds that.", rich_help_panel=_IMAGES),
]


def are_images(paths: Sequence[Path]) -> bool:
    """Whether these are folders of images: one at least is, so that a mix gets the error that says so."""
    from nlparam.comparing.images import holds_images

    return any(holds_images(path) for path in paths)


def compare_folders(
    paths: Sequence[Path],
    *,
    names: Sequence[str] | None = None,
    goal: str | None = None,
    captions: Sequence[Path] | None = None,
    judged: Judged = Judged.auto,
    max_side: int = 512,
    detail: Detail = Detail.auto,
    **settings: Any,
) -> "Comparison":
    """`nlparam.compare_images` with the options of the command line; `settings` are passed on."""
    from nlparam.comparing.images.driver import DEFAULT_IMAGE_GOAL, compare_images, named_folders

    if captions and len(captions) != len(paths):
        raise typer.BadParameter(
            f"got {len(captions)} files for {len(paths)} folders, expected one for each, in their order",
            param_hint="'--captions'",
        )
    folders: Mapping[str, Path] = dict(zip(names, paths, strict=True)) if names else named_folders(paths)
    return compare_images(
        folders,
        goal=goal or DEFAULT_IMAGE_GOAL,
        captions=dict(zip(folders, captions, strict=True)) if captions else None,
        judged=judged.value,
        max_side=max_side,
        detail=detail.value,
        **settings,
    )
