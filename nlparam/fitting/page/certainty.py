"""The section of a fit that says what may be said of it, and how sure that is."""

from typing import TYPE_CHECKING

from nlparam.fitting.page.quantities import view_inferred
from nlparam.results.page.blocks import Block, Counts, Row, Section, Words
from nlparam.results.page.quantity_blocks import quantity_blocks

if TYPE_CHECKING:
    from nlparam.fitting.inferred import Inference
    from nlparam.fitting.records import FitLike


def certainty_section(fit: "FitLike", inference: "Inference | None") -> Section | None:
    """Shares, coefficients and curves with intervals, scores on texts held out, and whether it could be chance."""
    if inference is None:
        return None
    blocks: list[Block] = [Words(f"{inference.basis}.")]
    if rows := _score_rows(inference):
        blocks.append(Counts(rows))
    for view in view_inferred(fit, inference):
        blocks += quantity_blocks(view, f"inferred-{view.name}")
    blocks += [Words(note, muted=True) for note in inference.notes]
    return Section("certainty", "What may be said of it", blocks, "Certainty")


def _score_rows(inference: "Inference") -> list[Row]:
    rows = []
    for score in inference.scores:
        interval = f"{score.value:.1%} [{score.low:.1%}, {score.high:.1%}]"
        rows += [Row(f"{score.name[:1].upper()}{score.name[1:]} on {inference.scored_on}", interval)]
        rows += [Row("The same without any predicate", f"{score.baseline:.1%}")]
    if inference.chance is not None:
        rows.append(Row("As good by chance (p-value)", f"{inference.chance:.3g}"))
    return rows
