"""What a notebook shows of a result: a small table without scripts, whatever the texts contain."""

from typing import Any

MAX_ROWS = 40


def card_row(number: str, sentence: str, *cells: str, bar: float | None = None, indent: int = 0) -> dict[str, Any]:
    from nlparam.results.page.text import excerpt

    return {"number": number, "sentence": excerpt(sentence, 200), "cells": cells, "bar": bar, "indent": indent}


def card(
    title: str, goal: str, headings: list[str], rows: list[dict[str, Any]], note: str, named: str = "Predicate"
) -> str:
    from nlparam.results.page.render import environment
    from nlparam.results.page.text import excerpt

    return (
        environment()
        .get_template("card.html.j2")
        .render(
            title=excerpt(title, 300),
            goal=excerpt(goal, 300),
            named=named,
            headings=headings,
            rows=rows[:MAX_ROWS],
            omitted=max(0, len(rows) - MAX_ROWS),
            bars=any(row["bar"] is not None for row in rows),
            note=note,
        )
    )
