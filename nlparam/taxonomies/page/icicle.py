"""The picture of a taxonomy: an icicle, levels from left to right, the height of a node in proportion to its texts.

Drawn here and not by Vega: its labels are wrapped, each node is a link, and a page without other charts needs no
program to draw it.
"""

import dataclasses
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from nlparam.results.page.text import excerpt
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from nlparam.taxonomies.records import TreeLike

WIDTH = 1000
ROOT_WIDTH = 26
ROW_HEIGHT = 30
MIN_HEIGHT, MAX_HEIGHT = 300, 1400
LINE_HEIGHT = 15
# The mean width of a letter at 12 pixels in the fonts that are likely, on the wide side.
LETTER_WIDTH = 6.7
N_COLOURS = 8
# Soft grounds for dark letters, for a picture that stands alone: a row per branch.
COLOURS = ("#cfe3ea", "#fbe0c3", "#d5e8cf", "#f3d3da", "#ddd6ee", "#eee6bd", "#cde8e2", "#e6dccf")


class Block(NamedTuple):
    """One node: where it lies, the lines of its label, the number of its branch (0 for residuals), and its title."""

    identity: str
    x: float
    y: float
    width: float
    height: float
    lines: list[str]
    branch: int
    depth: int
    title: str


@dataclasses.dataclass(frozen=True)
class Icicle:
    """All blocks of a picture of this width and height; `scaled` if some siblings share texts."""

    width: int
    height: int
    blocks: list[Block]
    scaled: bool


def icicle(taxonomy: "TreeLike") -> Icicle:
    """Lays out a taxonomy.

    The children of a node fill its height in proportion to their texts; where they share some, they are scaled to fit.
    """
    depth = max(1, taxonomy.depth)
    level = (WIDTH - ROOT_WIDTH) / depth
    n_leaves = sum(1 for node in taxonomy.nodes.values() if not node.children and len(node))
    height = min(MAX_HEIGHT, max(MIN_HEIGHT, ROW_HEIGHT * n_leaves))
    root = taxonomy.root
    title = f"{root.name}, {counted(len(root), 'text')}"
    blocks = [Block("tree", 0.0, 0.0, float(ROOT_WIDTH), float(height), [], 0, 0, title)]
    scaled = False

    def place(parent: str, y: float, space: float, branch: int) -> None:
        nonlocal scaled
        children = [child for child in taxonomy.children(parent, residual=True) if len(child)]
        total = sum(map(len, children))
        scaled = scaled or total > len(taxonomy.nodes[parent])
        for number, child in enumerate(children):
            extent = space * len(child) / total
            colour = 0 if child.residual else branch or (number % N_COLOURS + 1)
            share = f"{taxonomy.share(child.id):.1%}"
            named = f"{'' if child.residual else child.id + ' '}{excerpt(child.name, 300)}"
            x, top, width, height = (
                round(one, 2) for one in (ROOT_WIDTH + (child.depth - 1) * level, y, level, extent)
            )
            lines = _lines(child.name, share, level - 16, extent)
            title = f"{named}, {counted(len(child), 'text')}, {share}"
            blocks.append(Block(f"node-{child.id}", x, top, width, height, lines, colour, child.depth, title))
            place(child.id, y, extent, colour)
            y += extent

    place(root.id, 0.0, float(height), 0)
    return Icicle(WIDTH, height, blocks, scaled)


def draw_icicle(picture: Icicle, *, alone: bool) -> str:
    """The picture as SVG: `alone` with colours of its own, or as a part of a page, with links to its nodes."""
    from markupsafe import Markup

    from nlparam.results.page.render import environment

    # What was escaped in one template is not to be escaped again in another.
    template = environment().get_template("icicle.svg.j2")
    return Markup(template.render(picture=picture, alone=alone, colours=COLOURS))


def _lines(name: str, share: str, width: float, height: float) -> list[str]:
    """The label, wrapped and cut to what fits, with the share at its end where that has room."""
    n_lines = int((height - 4) // LINE_HEIGHT)
    n_letters = max(4, int(width / LETTER_WIDTH))
    if n_lines < 1:
        return []
    cut = f" … {share}"
    cut = cut if len(cut) <= n_letters else " …"
    return textwrap.wrap(f"{excerpt(name, 300)} {share}", n_letters, max_lines=n_lines, placeholder=cut)
