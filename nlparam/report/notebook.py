"""What a notebook shows of a result: a small table without scripts, whatever the texts contain."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlparam.comparison import Comparison
    from nlparam.hierarchy import Taxonomy
    from nlparam.report.sections import SectionPage
    from nlparam.solution import Fit

MAX_ROWS = 40


def fit_card(fit: "Fit") -> str:
    """The predicates of a fit with their prevalence and the agreement of the head, as HTML."""
    import numpy as np

    denotations, worded = np.asarray(fit.denotations, dtype=float), ~fit.corpus.blank
    sizes = np.asarray(fit.predictions) if fit.model.assigns_texts else None
    agreements = fit.agreement if len(fit.agreement) == len(fit.predicates) else [None] * len(fit.predicates)
    rows = []
    for k, predicate in enumerate(fit.predicates):
        prevalence = float(denotations[worded, k].mean()) if worded.any() else 0.0
        agreement = agreements[k]
        rows.append(
            _row(
                str(k + 1),
                predicate,
                *([] if sizes is None else [_count(int((sizes == k).sum()))]),
                _percent(prevalence),
                _percent(agreement.agreement if agreement else None),
                bar=0.0 if math.isnan(prevalence) else prevalence,
            )
        )
    headings = ["Texts"] if sizes is not None else []
    return _card(
        f"{type(fit.model).__name__} of {len(fit.corpus):,} texts",
        str(fit.settings.get("goal") or ""),
        [*headings, "Prevalence", "Head agrees"],
        rows,
        f"{len(fit.judgments):,} judgments. Ended because {fit.result.value}. "
        "fit.report(path) writes the whole report, fit.plot() draws a result.",
    )


def taxonomy_card(taxonomy: "Taxonomy") -> str:
    """The nodes of a taxonomy, indented, with their sizes, as HTML."""
    nodes = [node for node in taxonomy.nodes.values() if node.parent is not None and (len(node) or not node.residual)]
    rows = [
        _row(
            "" if node.residual else node.id,
            node.name,
            _count(len(node)),
            _percent(taxonomy.share(node.id)),
            bar=taxonomy.share(node.id),
            indent=node.depth - 1,
        )
        for node in nodes
    ]
    measures = taxonomy.measures()
    return _card(
        f"Taxonomy of {len(taxonomy.corpus):,} texts",
        str(taxonomy.settings.get("goal") or ""),
        ["Texts", "Of all"],
        rows,
        f"{measures['coverage']:.0%} of the texts of divided nodes are explained by a child, {measures['overlap']:.0%} "
        f"by several. Ended because {taxonomy.result.value}.",
    )


def comparison_card(comparison: "Comparison") -> str:
    """The tested predicates of a comparison with their effects, as HTML."""
    from nlparam.report.comparison import interval_text

    tested = sorted(comparison.tested, key=lambda finding: not finding.claimed)
    rows = [
        _row(
            str(number),
            finding.predicate,
            finding.more or "–",
            interval_text(finding.estimate),
            "–" if finding.p_adjusted is None else f"{finding.p_adjusted:.2g}",
            "yes" if finding.claimed else "no",
        )
        for number, finding in enumerate(tested, start=1)
    ]
    return _card(
        "Comparison of " + ", ".join(f"{group.name} ({group.n_texts:,})" for group in comparison.groups),
        comparison.goal,
        ["Proposed for", "Effect, points", "Adjusted p", "Claimed"],
        rows,
        f"{len(comparison.claims):,} of {len(comparison.findings):,} candidates are claimed to differ, errors kept to "
        f"{comparison.level:g}.",
    )


def table_card(page: "SectionPage") -> str:
    """The first table of a page in sections, as HTML."""
    table = page.card
    head = next(at for at, column in enumerate(table.columns) if column.kind == "head")
    others = [at for at, column in enumerate(table.columns) if at != head and column.name != "No."]
    rows = [
        _row(str(number), row[head].text, *(row[at].text for at in others))
        for number, row in enumerate(table.rows, start=1)
    ]
    return _card(
        page.title,
        page.summary,
        [table.columns[at].name for at in others],
        rows,
        "report(path) writes the whole report.",
        named=table.columns[head].name,
    )


def _row(number: str, sentence: str, *cells: str, bar: float | None = None, indent: int = 0) -> dict[str, Any]:
    from nlparam.report.examples import excerpt

    return {"number": number, "sentence": excerpt(sentence, 200), "cells": cells, "bar": bar, "indent": indent}


def _card(
    title: str, goal: str, headings: list[str], rows: list[dict[str, Any]], note: str, named: str = "Predicate"
) -> str:
    from nlparam.report.examples import excerpt
    from nlparam.report.render import environment

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


def _count(value: int) -> str:
    return f"{value:,}"


def _percent(value: float | None) -> str:
    from nlparam.report.render import percent

    return percent(value)
