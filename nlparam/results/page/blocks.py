"""What pages are made of: a page has sections, a section has blocks, and `templates/blocks.html.j2` shows each kind,
with a macro of the name of its class.

A block knows no kind of result. Texts in it are as they were found; the template escapes them.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from nlparam.results.page.quantities import QuantityView

if TYPE_CHECKING:
    import altair

    from nlparam.results.page.browser import Browser


class Row(NamedTuple):
    """One line of a two-column table."""

    label: str
    value: str


class Line(NamedTuple):
    """One line of a list: `mark` is "", "added", "dropped", "chosen" or "passed over"."""

    words: str
    mark: str = ""
    link: str | None = None


class Cell(NamedTuple):
    """What a cell shows: `text`, or a list of `lines`.

    `value` is what it is sorted by if that is not the text; the length of a bar, or the shade in a heat table, from 0
    to 1. `link` is a place, on this page or not; `tag` a short word behind the text, `note` what the mouse shows.
    """

    text: str
    value: float | None = None
    link: str | None = None
    tag: str = ""
    note: str = ""
    lines: Sequence[Line] = ()


class Column(NamedTuple):
    """A column of a table.

    `kind` is "" for words, "number" for figures, "head" for what names the row, "text" for a text somebody wrote,
    "choice" for words that occur often (a table that can be searched can be filtered by them), "bar" for a share that
    is drawn, and "heat" for a figure in a shade.
    """

    name: str
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that can be sorted, and searched with `search`. `omitted` rows are left out to keep the page small;
    `foot` is a last row that sums up."""

    key: str
    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    note: str = ""
    search: bool = False
    omitted: int = 0
    foot: Sequence[Cell] = ()

    @property
    def heat(self) -> bool:
        """Whether its figures are shaded; such a table cannot be sorted."""
        return any(column.kind == "heat" for column in self.columns)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """A table of labels and values."""

    caption: str
    rows: Sequence[Row]
    numbers: bool = False


@dataclasses.dataclass(frozen=True)
class Chart:
    """A quantity or a chart of Altair, drawn; a table beside it has the figures. `None` shows nothing.

    `key` names its file and, on the page, its data.
    """

    key: str
    title: str
    caption: str
    view: "QuantityView | altair.TopLevelMixin | None"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A drawing. `draw(alone=...)` gives SVG, escaped: a part of the page, or a file with colours of its own."""

    key: str
    title: str
    caption: str
    draw: Callable[..., str]


@dataclasses.dataclass(frozen=True)
class Words:
    """A paragraph; a `muted` one is a remark."""

    text: str
    muted: bool = False


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading inside a section, which `identity` links to."""

    text: str
    identity: str = ""


@dataclasses.dataclass(frozen=True)
class Warnings:
    """What a reader must know before believing the figures."""

    lines: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Counts:
    """The figures that are read first, with their names, and a remark behind each if there are `remarks`."""

    rows: Sequence[Row]
    remarks: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Quotation:
    """A text, or an expression in lines of (depth, words), under a heading."""

    heading: str
    text: str = ""
    lines: Sequence[tuple[int, str]] = ()
    code: bool = False


class Excerpt(NamedTuple):
    """The beginning of a text; `whole` is a longer quotation if `text` is not all, without the last `left_out` of its
    `n_characters`.

    `key` names the text where somebody marks it; `exact` is all of it if what the page shows differs and it is short.
    """

    text: str
    whole: str | None
    n_characters: int
    left_out: int
    key: str = ""
    exact: str | None = None


class Tag(NamedTuple):
    """A short remark in a frame: `style` is "", "strong", "head", "model" or "alert"."""

    words: str
    style: str = ""


class Quote(NamedTuple):
    """A quoted text with what is said of it; `picture` is a data URL of the image that it stands for, `number` the
    place of the text in the corpus, from 0, where it is known."""

    excerpt: Excerpt
    tags: Sequence[Tag]
    name: str = ""
    picture: str | None = None
    number: int | None = None


@dataclasses.dataclass(frozen=True)
class Quotes:
    """Quoted texts that say the same of a predicate."""

    heading: str
    quotes: Sequence[Quote]


@dataclasses.dataclass(frozen=True)
class Lines:
    """A list, under a `heading` beside other blocks. `omitted` lines are left out."""

    lines: Sequence[Line]
    heading: str = ""
    omitted: int = 0


class Item(NamedTuple):
    """Something that is opened to be read. `number` is by default its place, `identity` what links to it.

    `predicate` is what the texts quoted in it are marked for.
    """

    title: str
    remark: str
    blocks: "Sequence[Block]"
    number: str | None = None
    identity: str = ""
    notes: Sequence[str] = ()
    predicate: str = ""


@dataclasses.dataclass(frozen=True)
class Folded:
    """Things that are opened to be read, each called a `noun`. `omitted` more are left out."""

    items: Sequence[Item]
    omitted: int = 0
    noun: str = ""
    buttons: bool = True


@dataclasses.dataclass(frozen=True)
class Detail:
    """Figures of something that are opened by whoever wants all of them."""

    title: str
    of: str
    blocks: "Sequence[Block]"


class Branch(NamedTuple):
    """A node of a tree: its `share` is drawn as a bar; a `muted` one stands back."""

    number: str
    name: str
    link: str
    remark: str
    share: float
    muted: bool
    branches: "list[Branch]"


@dataclasses.dataclass(frozen=True)
class Tree:
    """A tree as nested lists."""

    branches: list[Branch]


@dataclasses.dataclass(frozen=True)
class Desk:
    """Where a reader edits, marks and searches: `data` is for the scripts of the desk, which are on the page with it.

    `tree` says whether there is a tree to edit.
    """

    data: dict[str, Any]

    @property
    def tree(self) -> bool:
        return "tree" in self.data


@dataclasses.dataclass(frozen=True)
class Beside:
    """Blocks beside one another, where there is room."""

    blocks: "Sequence[Block]"


@dataclasses.dataclass(frozen=True)
class Link:
    """A way to another file beside the page."""

    words: str
    address: str


Block = Union[
    Table, Pairs, Chart, Picture, Words, Heading, Warnings, Counts, Quotation, Quotes, Lines, Folded, Detail, Tree,
    Beside, Link, Desk, "Browser",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page, which `identity` links to; `name` is a shorter title for the list of sections."""

    identity: str
    title: str
    blocks: Sequence[Any]
    name: str = ""
