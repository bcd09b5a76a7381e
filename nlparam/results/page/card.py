"""What a notebook and a terminal show of a result: a small table, whatever the texts contain."""

import dataclasses
from typing import Any

from nlparam.results.page.text import excerpt, visible

MAX_ROWS = 40
# What a terminal shows: characters in all, of a heading and of a sentence, and rows.
MAX_TEXT, _MAX_LINE, _MAX_SENTENCE, _MAX_CELL, _MAX_SHOWN = 2000, 200, 60, 24, 12


def card_row(number: str, sentence: str, *cells: str, bar: float | None = None, indent: int = 0) -> dict[str, Any]:
    return {"number": number, "sentence": excerpt(sentence, 200), "cells": cells, "bar": bar, "indent": indent}


@dataclasses.dataclass(frozen=True)
class Card:
    """A table of a result with a line above and one below it. `rows` are those of `card_row`."""

    title: str
    goal: str
    headings: list[str]
    rows: list[dict[str, Any]]
    note: str
    named: str = "Predicate"

    def html(self) -> str:
        """For a notebook, without scripts."""
        from nlparam.results.page.render import environment

        return (
            environment()
            .get_template("card.html.j2")
            .render(
                title=excerpt(self.title, 300),
                goal=excerpt(self.goal, 300),
                named=self.named,
                headings=self.headings,
                rows=self.rows[:MAX_ROWS],
                omitted=max(0, len(self.rows) - MAX_ROWS),
                bars=any(row["bar"] is not None for row in self.rows),
                note=self.note,
            )
        )

    def text(self) -> str:
        """For a terminal: at most `MAX_TEXT` characters, and no control character."""
        table = [["", self.named, *self.headings]]
        for row in self.rows[:_MAX_SHOWN]:
            table.append([row["number"], "  " * row["indent"] + row["sentence"], *row["cells"]])
        table = [[_cell(cell, _MAX_SENTENCE if at == 1 else _MAX_CELL) for at, cell in enumerate(row)] for row in table]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) if at == 1 else cell.rjust(width) for at, (cell, width) in enumerate(sized))
            for sized in (list(zip(row, widths, strict=True)) for row in table)
        ]
        above = [_line(self.title), *([_line(self.goal)] if self.goal else [])]
        below = [_line(self.note)]
        # With many or wide columns fewer rows fit.
        room = MAX_TEXT - sum(len(line) + 1 for line in (*above, *below)) - len("and 1,000,000 more") - 1
        fitting = max(min(room // (len(lines[0]) + 1), len(lines)), 0)
        n_more = len(self.rows) - max(fitting - 1, 0)
        more = [f"and {n_more:,} more"] if n_more else []
        return "\n".join(line.rstrip() for line in (*above, *lines[:fitting], *more, *below))


def _cell(text: str, length: int) -> str:
    indent = len(text) - len(text.lstrip(" "))
    return " " * indent + excerpt(" ".join(visible(text).split()), length)


def _line(text: str) -> str:
    return excerpt(" ".join(visible(text).split()), _MAX_LINE)
