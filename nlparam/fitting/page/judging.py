"""What the report shows of the judging itself: the certificate of a cascade, and how the judge was calibrated."""

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from nlparam.results.page.charts import specification
from nlparam.results.page.examples import excerpt
from nlparam.results.page.quantities import stated

if TYPE_CHECKING:
    from nlparam.fitting.records import FitLike


class Bound(NamedTuple):
    """What was proved of one predicate alone."""

    number: int
    sentence: str
    recall: float
    precision: float


@dataclasses.dataclass(frozen=True)
class CertificateView:
    """The certificate of a cascade: its statement in words, its figures, and the bounds of each predicate."""

    sentence: str
    rows: list[tuple[str, str]]
    bounds: list[Bound]


@dataclasses.dataclass(frozen=True)
class CalibrationView:
    """How the judge was calibrated: the expected calibration error before and after, and the points of both curves.

    `points` are (curve, mean probability, share of true labels, number of labels).
    """

    n_labels: int
    n_failed: int
    slope: float
    offset: float
    before: float
    after: float
    points: list[tuple[str, float, float, int]]


def certificate_view(fit: "FitLike") -> CertificateView | None:
    """What the report says of the audit, `None` for a fit without one."""
    certificate = fit.certificate
    if certificate is None:
        return None
    target = certificate.target
    sentence = (
        f"With probability {stated(1 - target.failure_probability)} over the draw of the audit, the yes/no denotations "
        f"on this page have a recall of at least {certificate.recall:.1%} and a precision of at least "
        f"{certificate.precision:.1%} against the language model asked about every text (targets "
        f"{stated(target.recall)} and {stated(target.precision)})."
    )
    rows = [
        ("Pairs of text and predicate", f"{certificate.n_pairs:,}"),
        ("Asked of the language model", f"{certificate.n_asked:,} ({1 - certificate.saved:.1%})"),
        ("Of these for training the head", f"{certificate.n_training:,}"),
        ("Drawn at random by the audit", f"{certificate.n_audit:,}"),
        ("Answered by the head", f"{certificate.n_head:,}"),
        ("Estimated disagreement where the head answers", f"{certificate.disagreement:.1%}"),
        ("Answers that were unusable", f"{certificate.n_failed:,}"),
    ]
    each = zip(fit.predicates, certificate.predicate_recall, certificate.predicate_precision, strict=True)
    bounds = [Bound(number, excerpt(sentence, 300), r, p) for number, (sentence, r, p) in enumerate(each, 1)]
    return CertificateView(sentence, rows, bounds)


def calibration_view(fit: "FitLike") -> CalibrationView | None:
    """What the report says of the calibration, `None` for a fit without one."""
    summary = fit.calibration
    if summary is None:
        return None
    points = [
        (name, float(predicted), float(observed), int(count))
        for name, curve in (("as answered", summary.before), ("calibrated", summary.after))
        for predicted, observed, count in zip(curve.predicted, curve.observed, curve.counts, strict=True)
        if count
    ]
    return CalibrationView(
        n_labels=summary.n_labels,
        n_failed=summary.n_failed,
        slope=summary.calibration.slope,
        offset=summary.calibration.offset,
        before=summary.before.ece,
        after=summary.after.ece,
        points=points,
    )


def reliability_chart(view: CalibrationView | None) -> dict[str, Any] | None:
    """The reliability curves before and after calibration, with the diagonal of a perfect judge."""
    if view is None:
        return None
    import altair as alt

    rows = [
        {"curve": curve, "x": round(predicted, 4), "y": round(observed, 4), "n": count}
        for curve, predicted, observed, count in view.points
    ]
    scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(values=[0, 0.5, 1], format=".1f")
    curves = (
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
    return specification(alt.layer(diagonal, curves).properties(width=300, height=300))
