"""The sections of a fit about how it was found: what comes back from other seeds, and the steps of the search."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nlparam.results.page.blocks import Block, Cell, Chart, Column, Line, Pairs, Row, Section, Table, Words
from nlparam.results.page.rows import MAX_SENTENCE
from nlparam.results.page.sections import number, whole
from nlparam.results.page.tables import table_of
from nlparam.results.page.text import duration, excerpt, loss_figure, visible

if TYPE_CHECKING:
    import altair

    from nlparam.fitting.records import TraceEntry
    from nlparam.fitting.recurrence import Recurrence, Stability

MAX_WORDINGS = 5
MAX_FOUND = 100


def stability_section(stability: "Stability | None") -> Section | None:
    """How often each predicate comes back when the fit is made to other texts; `None` for a single fit."""
    if stability is None or not stability.seeds:
        return None
    n_seeds = len(stability.seeds)
    omitted = len(stability.recurrences) - MAX_FOUND
    losses = zip(stability.seeds, stability.losses, strict=False)
    return Section(
        "stability",
        "Stability over halves of the texts" if stability.chance else "Stability over seeds",
        [
            Words(
                f"The fit was made from {n_seeds} seeds, each to half of the texts. "
                if stability.chance
                else f"The fit was made from {n_seeds} seeds. "
            ),
            Words(
                "Predicates are compared by their denotations over all texts, not by their wording: "
                f"{stability.sentence}. 1 would mean that both found the same."
            ),
            table_of(
                "stability",
                "Predicates that the seeds found. Correlation is that of the denotations between the seeds that found "
                "one." + (f" {omitted:,} rarer ones are left out." if omitted > 0 else ""),
                stability.recurrences[:MAX_FOUND],
                [
                    ("Predicate", "head", lambda one: Cell(excerpt(one.predicate, MAX_SENTENCE))),
                    ("Seeds", "number", lambda one: Cell(f"{_n_found(one)} of {n_seeds}", _n_found(one))),
                    ("", "bar", lambda one: Cell("", _n_found(one) / n_seeds)),
                    ("Correlation", "number", "correlation"),
                    ("Prevalence", "number:.1%", "prevalence"),
                    ("In the consensus", "", "in_consensus"),
                    ("Also worded", "", _other_wordings),
                ],
            ),
            Pairs("Loss from each seed", [Row(f"Seed {seed}", loss_figure(loss)) for seed, loss in losses], True),
        ],
        "Stability",
    )


def _n_found(found: "Recurrence") -> int:
    return len(set(found.seeds))


def _other_wordings(found: "Recurrence") -> Cell:
    others = [words for words in dict.fromkeys(found.wordings) if words.strip() != found.predicate.strip()]
    return Cell("; ".join(excerpt(words, 120) for words in others[:MAX_WORDINGS]))


def trace_section(trace: "Sequence[TraceEntry]") -> Section:
    """The loss after each step of the search, and the predicates that it changed."""
    rows, before = [], ()
    for place, entry in enumerate(trace, start=1):
        added = [Line(excerpt(p, MAX_SENTENCE), "added") for p in entry.predicates if p not in before]
        dropped = [p for p in before if p not in entry.predicates] if entry.predicates else []
        rows.append(
            [
                whole(place),
                Cell(excerpt(entry.step, 100)),
                number(entry.loss, ".6g"),
                whole(entry.n_candidates),
                whole(entry.judgments),
                Cell(duration(entry.seconds), entry.seconds),
                Cell("none", lines=[*added, *(Line(excerpt(p, MAX_SENTENCE), "dropped") for p in dropped)]),
            ]
        )
        before = entry.predicates or before
    columns = [
        Column("No.", "number"),
        Column("Step", "head"),
        *(Column(name, "number") for name in ("Loss", "Candidates", "Judgments", "Time")),
        Column("Predicates changed"),
    ]
    blocks: list[Block] = [
        Chart(
            "trace",
            "Loss over the steps of the search",
            "The loss after each step of the search. A relaxation is not bound to sentences, so its loss is usually "
            "lower than what predicates can reach.",
            _trace_chart(trace),
        ),
        Table("trace", "Steps of the search", columns, rows) if rows else Words("This fit kept no trace.", muted=True),
    ]
    return Section("trace", "Trace of the loss", blocks, "Trace")


def _trace_chart(trace: "Sequence[TraceEntry]") -> "altair.TopLevelMixin | None":
    """`None` if there are fewer than two losses to join."""
    import altair as alt

    rows = [
        {
            "step": f"{place}. {visible(excerpt(entry.step, 100))}",
            "loss": float(entry.loss),
            "candidates": entry.n_candidates,
        }
        for place, entry in enumerate(trace, start=1)
        if math.isfinite(entry.loss)
    ]
    if len(rows) < 2:
        return None
    return (
        alt.Chart(alt.InlineData(values=rows), width="container", height=240)
        .mark_line(point=alt.OverlayMarkDef(filled=True, size=60), strokeWidth=2)
        .encode(
            x=alt.X("step:N", sort=None, title=None, axis=alt.Axis(labelAngle=0 if len(rows) <= 6 else -35)),
            y=alt.Y("loss:Q", title="Loss", scale=alt.Scale(zero=False, nice=True)),
            tooltip=[
                alt.Tooltip("step:N", title="Step"),
                alt.Tooltip("loss:Q", title="Loss", format=".6~g"),
                alt.Tooltip("candidates:Q", title="Candidates"),
            ],
        )
    )
