"""The sections of a fit about its judging: agreement of head and language model, the audit, and the calibration."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlparam.fitting.page.predicates import AGREEMENT, Predicate
from nlparam.numerics.core.denotations import decided
from nlparam.results.page.blocks import Block, Cell, Chart, Heading, Pairs, Row, Section, Words
from nlparam.results.page.examples import MIN_GAP
from nlparam.results.page.quantities import stated
from nlparam.results.page.rows import MAX_SENTENCE
from nlparam.results.page.sections import number
from nlparam.results.page.tables import Declared, table_of
from nlparam.results.page.text import excerpt
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    import altair

    from nlparam.corpus.corpus import Corpus
    from nlparam.fitting.records import FitLike

MAX_POINTS = 1500
# Up to this many predicates get a panel of their own; more share one.
MAX_PANELS = 12
PANEL = 150
MAX_DISAGREEMENTS = 60
PER_PREDICATE = 5
MAX_WORDS = 240
MAX_NAME = 120


class Judged(NamedTuple):
    """One judged text: what the language model answered and what the fit denotes."""

    predicate: int
    text: int
    answered: float
    denoted: float


def _said_yes(predicate: Predicate) -> float | None:
    answers = np.asarray(predicate.answered)
    return float(decided(answers).mean()) if len(answers) else None


def agreement_section(fit: "FitLike", predicates: list[Predicate], answers: Sequence[dict[int, float]]) -> Section:
    """How far the head and the language model say the same, and where they do not."""
    columns: list[Declared] = [
        ("Predicate", "head", "head"),
        ("Judgments left out in turn", *AGREEMENT[0][1:]),
        *AGREEMENT[1:],
        ("Answered yes", "number:.1%", _said_yes),
        ("Holds for", "number:.1%", "share"),
    ]
    judged = judged_texts(fit, answers)
    drawn = judged[:: max(1, -(-len(judged) // MAX_POINTS))]
    shown = f" ({len(drawn):,} of {len(judged):,} shown)" if len(drawn) < len(judged) else ""
    blocks: list[Block] = [
        Words(
            "Agreement is the share of equal yes/no answers of the head and the language model on judgments left out "
            "of training, after each predicate's bias is removed. By chance, two that say yes as often would agree so "
            "far; Cohen's kappa is the share of the rest in which they do. F1 is that of the head's \"yes\"."
        ),
        table_of("agreement", "Agreement of the head with the language model", predicates, columns),
        Chart(
            "agreement",
            "Language model’s answers and denotations of judged texts",
            f"Each dot is a judged text{shown}: the language model's answer across, the denotation up. In the lower "
            "left and upper right quarters both say the same. A cloud that lies to one side of the vertical line "
            "shows a bias of the language model, which the head corrects. The head was trained on these texts, so "
            "judge its agreement by the table.",
            _agreement_chart(drawn),
        ),
    ]
    if judged:
        blocks += disagreements(fit.corpus, [excerpt(sentence, MAX_NAME) for sentence in fit.predicates], judged)
    else:
        blocks.append(Words("The language model judged none of these predicates.", muted=True))
    return Section("agreement", "Agreement with the language model", blocks, "Agreement")


def judged_texts(fit: "FitLike", answers: Sequence[dict[int, float]]) -> list[Judged]:
    """The judged texts of each predicate in turn."""
    return [
        Judged(index, text, answered, float(fit.denotations[text, index]))
        for index, known in enumerate(answers)
        for text, answered in sorted(known.items())
    ]


def disagreements(corpus: "Corpus", names: list[str], judged: list[Judged]) -> Iterator[Block]:
    """How often denotation and language model say the opposite of each predicate, and the texts with widest gaps."""
    known = [one for one in judged if math.isfinite(one.answered)]
    counts = np.zeros((len(names), 2, 2), dtype=int)
    for one in known:
        counts[one.predicate, int(one.denoted >= 0.5), int(one.answered >= 0.5)] += 1
    kinds = {
        "Both yes": (1, 1),
        "Both no": (0, 0),
        "Only the language model says yes": (0, 1),
        "Only the denotation says yes": (1, 0),
    }
    yield Heading("Where the two disagree", "disagreements")
    yield table_of(
        "crossed",
        "Judged texts by what the denotation and the language model say of them",
        range(len(names)),
        [
            ("Predicate", "head", lambda index: Cell(f"{index + 1} {names[index]}")),
            *((name, "number", lambda index, kind=kind: int(counts[index][kind])) for name, kind in kinds.items()),
        ],
    )
    widest = _widest(corpus, known)
    if not widest:
        yield Words(f"They say opposite things of no text by more than {MIN_GAP:.2f}.", muted=True)
        return
    named = [Cell(f"{number} {name}", link=f"#predicate-{number}") for number, name in enumerate(names, start=1)]
    yield table_of(
        "disagreements",
        f"The widest disagreements, at most {PER_PREDICATE} of a predicate",
        widest,
        [
            ("Text no.", "number", "text"),
            ("Text", "text", lambda one: Cell(excerpt(corpus.texts[one.text][: 8 * MAX_WORDS], MAX_WORDS))),
            ("Predicate", "head", lambda one: named[one.predicate]),
            ("Denotation", "number", "denoted"),
            ("Language model", "number", "answered"),
        ],
    )


def _widest(corpus: "Corpus", judged: list[Judged]) -> list[Judged]:
    """The widest disagreements, a few of each predicate; equal texts have equal figures: one of them is enough."""
    opposed = [one for one in judged if (one.denoted >= 0.5) != (one.answered >= 0.5)]
    opposed = [one for one in opposed if abs(one.denoted - one.answered) > MIN_GAP]
    opposed.sort(key=lambda one: -abs(one.denoted - one.answered))
    chosen: list[set[int]] = [set() for _ in range(1 + max((one.predicate for one in judged), default=0))]
    widest = []
    for one in opposed:
        seen, row = chosen[one.predicate], int(corpus.row[one.text])
        if row not in seen and len(seen) < PER_PREDICATE:
            seen.add(row)
            widest.append(one)
    return widest[:MAX_DISAGREEMENTS]


def _agreement_chart(judged: list[Judged]) -> "altair.TopLevelMixin | None":
    """The language model's answers against the denotations, a panel per predicate; `None` without judgments."""
    import altair as alt

    judged = [one for one in judged if math.isfinite(one.answered) and math.isfinite(one.denoted)]
    if not judged:
        return None
    rows = [
        {
            "p": f"Predicate {one.predicate + 1}",
            "text": one.text,
            "x": round(one.answered, 3),
            "y": round(one.denoted, 3),
        }
        for one in judged
    ]
    unit, axis = alt.Scale(domain=[0, 1]), alt.Axis(values=[0, 0.5, 1], format=".1f")
    dots = (
        alt.Chart()
        .mark_circle(size=26, opacity=0.55)
        .encode(
            x=alt.X("x:Q", scale=unit, axis=axis, title="Language model"),
            y=alt.Y("y:Q", scale=unit, axis=axis, title="Denotation"),
            tooltip=[
                alt.Tooltip("p:N", title="Of"),
                alt.Tooltip("text:Q", title="Text", format="d"),
                alt.Tooltip("x:Q", title="Language model", format=".2f"),
                alt.Tooltip("y:Q", title="Denotation", format=".2f"),
            ],
        )
    )
    # Crossing lines at one half: the two quadrants on the rising diagonal hold the texts on which both agree.
    halves = [alt.Chart().mark_rule(strokeDash=[3, 3]).encode(**{axis: alt.datum(0.5)}) for axis in ("x", "y")]
    order = list(dict.fromkeys(row["p"] for row in rows))
    single = not 1 < len(order) <= MAX_PANELS
    size = 300 if single else PANEL
    layers = alt.layer(*halves, dots, data=alt.InlineData(values=rows)).properties(width=size, height=size)
    if single:
        return layers
    return layers.facet(facet=alt.Facet("p:N", sort=order, title=None), columns=min(5, len(order)))


def certificate_section(fit: "FitLike") -> Section | None:
    """What the audit of a cascade proved; `None` for a fit without one."""
    certificate = fit.certificate
    if certificate is None:
        return None
    target = certificate.target
    statement = (
        f"With probability {stated(1 - target.failure_probability)} over the draw of the audit, the yes/no denotations "
        f"on this page have a recall of at least {certificate.recall:.1%} and a precision of at least "
        f"{certificate.precision:.1%} against the language model asked about every text (targets "
        f"{stated(target.recall)} and {stated(target.precision)}, "
        f"{'for every predicate' if target.each else 'pooled over the predicates'})."
    )
    recall, precision = certificate.worst_recall, certificate.worst_precision
    worst = (
        f"The least bounds of single predicates: recall {certificate.predicate_recall[recall]:.1%} (predicate "
        f"{recall + 1}), precision {certificate.predicate_precision[precision]:.1%} (predicate {precision + 1})."
    )
    figures = [
        Row("Pairs of text and predicate", f"{certificate.n_pairs:,}"),
        Row("Asked of the language model", f"{certificate.n_asked:,} ({1 - certificate.saved:.1%})"),
        Row("Of these for training the head", f"{certificate.n_training:,}"),
        Row("Drawn at random by the audit", f"{certificate.n_audit:,}"),
        Row("Answered by the head", f"{certificate.n_head:,}"),
        Row("Estimated disagreement where the head answers", f"{certificate.disagreement:.1%}"),
        Row("Answers that were unusable", f"{certificate.n_failed:,}"),
    ]
    bounds = table_of(
        "bounds",
        f"Bounds of single predicates, which {'hold all at once' if certificate.together else 'hold each by itself'}",
        range(len(fit.predicates)),
        [
            ("Predicate", "head", lambda at: Cell(f"{at + 1} {excerpt(fit.predicates[at], MAX_SENTENCE)}")),
            ("Recall at least", "number:.1%", lambda at: certificate.predicate_recall[at]),
            ("Precision at least", "number:.1%", lambda at: certificate.predicate_precision[at]),
        ],
    )
    blocks = [Words(statement), Words(worst), Pairs("The audit in figures", figures, numbers=True), bounds]
    return Section("certificate", "What the audit proved", blocks, "Audit")


def calibration_section(fit: "FitLike") -> Section | None:
    """How the judge was calibrated; `None` for a fit without it."""
    summary = fit.calibration
    if summary is None:
        return None
    slope, offset = summary.calibration.slope, summary.calibration.offset
    failed = f" {counted(summary.n_failed, 'labelled pair')} had no usable answer." if summary.n_failed else ""
    return Section(
        "calibration",
        "Calibration of the judge",
        [
            Words(
                f"Judgments were corrected by {counted(summary.n_labels, 'label')}: their log-odds are multiplied by "
                f"{slope:.2f}, and {offset:.2f} is added. The expected calibration error is "
                f"{number(summary.before.ece, '.1%').text} as answered and {number(summary.after.ece, '.1%').text} "
                f"calibrated, on labels left out in turn.{failed}"
            ),
            Chart(
                "reliability",
                "Reliability curves of the judge",
                "In each bin of probabilities, the share of labels that are true. On the broken diagonal a "
                "probability means what it says; below it the judge says yes too readily.",
                _reliability_chart({"as answered": summary.before, "calibrated": summary.after}),
            ),
        ],
        "Calibration",
    )


def _reliability_chart(curves: dict[str, Any]) -> "altair.TopLevelMixin":
    """The reliability curves before and after calibration, with the diagonal of a perfect judge."""
    import altair as alt

    rows = [
        {"curve": name, "x": round(float(predicted), 4), "y": round(float(observed), 4), "n": int(count)}
        for name, curve in curves.items()
        for predicted, observed, count in zip(curve.predicted, curve.observed, curve.counts, strict=True)
        if count
    ]
    scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(values=[0, 0.5, 1], format=".1f")
    lines = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(point=alt.OverlayMarkDef(filled=True, size=50))
        .encode(
            x=alt.X("x:Q", scale=scale, axis=axis, title="Probability, mean of the bin"),
            y=alt.Y("y:Q", scale=scale, axis=axis, title="Share of true labels"),
            strokeDash=alt.StrokeDash("curve:N", title=None),
            tooltip=[
                alt.Tooltip("curve:N", title="Curve"),
                alt.Tooltip("x:Q", title="Probability", format=".2f"),
                alt.Tooltip("y:Q", title="True", format=".2f"),
                alt.Tooltip("n:Q", title="Labels", format="d"),
            ],
        )
    )
    ends = alt.InlineData(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}])
    diagonal = alt.Chart(ends).mark_line(strokeDash=[3, 3], strokeWidth=1).encode(x="x:Q", y="y:Q")
    return alt.layer(diagonal, lines).properties(width=300, height=300)
