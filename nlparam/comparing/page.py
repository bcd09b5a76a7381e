"""The report of a comparison: effects with intervals, what was given up and why, the texts, and the splits."""

import dataclasses
import datetime
from typing import Any, NamedTuple

import numpy as np

from nlparam.comparing.records import ComparisonLike, Estimate, Finding
from nlparam.corpus.corpus import Corpus
from nlparam.results.page.browser import Browser, Groups, browse_texts
from nlparam.results.page.card import card, card_row
from nlparam.results.page.examples import MAX_BYTES, MAX_EXCERPT, MAX_WHOLE, excerpt
from nlparam.results.page.page import AbstractPage
from nlparam.results.page.quantities import QuantityView
from nlparam.results.page.rows import MAX_SENTENCE, NAMED_SETTINGS, Row, cost_rows, stage_rows, value_rows, value_text
from nlparam.results.page.text import DASH

PER_GROUP = 6
MAX_QUOTED = 60
MAX_ROWS = 300
_CORRECTIONS = {
    "bh": "Benjamini-Hochberg (false discovery rate)",
    "by": "Benjamini-Yekutieli (false discovery rate)",
    "holm": "Holm (family-wise error rate)",
}


class Quoted(NamedTuple):
    """One text of a group with the judged probability; `whole` is a longer quotation if `text` is not all.

    `picture` is a data URL of the image that the text stands for, if it does.
    """

    text: str
    whole: str | None
    n_characters: int
    left_out: int
    probability: float
    picture: str | None = None


class GroupTexts(NamedTuple):
    """The texts of one group that speak for a predicate, and those that speak against it, surest first."""

    group: str
    examples_for: list[Quoted]
    examples_against: list[Quoted]


@dataclasses.dataclass(frozen=True)
class FindingView:
    """One candidate as the report shows it: figures as text, and as numbers to sort by."""

    number: int
    sentence: str
    claimed: bool
    more: str
    outcome: str
    reason: str
    effect: str
    effect_value: float | None
    crude: str
    crude_value: float | None
    screening: str
    screening_value: float | None
    n_screened: int
    p_value: float | None
    p_adjusted: float | None
    shares: list[tuple[str, str]]
    ratings: list[float | None]
    auroc: float | None
    ranking_p: float | None
    groups: list[GroupTexts]


@dataclasses.dataclass(frozen=True)
class ComparisonView:
    """Everything that the report of a comparison shows."""

    title: str
    model: str
    summary: str
    facts: list[Row]
    warnings: list[str]
    group_names: list[str]
    sizes: list[Any]
    claims: list[FindingView]
    tested: list[FindingView]
    others: list[FindingView]
    omitted: int
    outcomes: list[tuple[str, int]]
    direction: str
    confidence: float
    covariates: list[str]
    has_ratings: bool
    has_ranking: bool
    costs: list[Row]
    stages: list[tuple[str, float]]
    settings: list[Row]
    versions: list[Row]


@dataclasses.dataclass(frozen=True)
class ComparisonPage(AbstractPage):
    """The report of a comparison."""

    comparison: ComparisonLike

    def html(self) -> str:
        from nlparam.results.page.render import render

        page, texts = describe_comparison(self.comparison), browse_judgments(self.comparison)
        sections = [("findings", "Findings"), ("examples", "Examples")]
        sections += [("texts", "All texts")] if texts else []
        sections += [("given-up", "Given up"), ("splits", "Splits"), ("cost", "Cost"), ("settings", "Settings")]
        return render(
            "comparison.html.j2",
            charts={"effects": effects_chart(self.comparison)},
            page=page,
            sections=sections,
            texts=texts,
        )

    def figures(self) -> dict[str, dict[str, Any] | str]:
        chart = effects_chart(self.comparison)
        return {} if chart is None else {"effects": chart}

    def card(self) -> str:
        return comparison_card(self.comparison)


def describe_comparison(comparison: ComparisonLike) -> ComparisonView:
    """Chooses what the report of a comparison shows. The order of its findings is kept."""
    names = [excerpt(group.name, 100) for group in comparison.groups]
    quoted = {id(finding) for finding in comparison.tested[:MAX_QUOTED]}
    max_bytes = min(MAX_WHOLE, MAX_BYTES // max(1, 2 * PER_GROUP * len(names) * len(quoted)))
    views = [
        _finding(comparison, number, finding, max_bytes if id(finding) in quoted else None)
        for number, finding in enumerate(comparison.findings[:MAX_ROWS], start=1)
    ]
    tested = [view for view, finding in zip(views, comparison.findings, strict=False) if finding.tested]
    goal = comparison.goal.strip()
    n_claims = len(comparison.claims)
    return ComparisonView(
        title=excerpt(goal, MAX_SENTENCE) if goal else " and ".join(names),
        model="Comparison",
        summary=(
            f"This page shows what tells {_listed(names)} apart: {len(comparison.findings):,} predicates were proposed "
            f"from one part of the texts, {len(comparison.tested):,} were tested on another part, and "
            f"{n_claims:,} {'is' if n_claims == 1 else 'are'} claimed to hold more often in one of the groups."
        ),
        facts=_facts(comparison),
        warnings=[excerpt(warning, 1000) for warning in comparison.warnings],
        group_names=names,
        sizes=list(comparison.groups),
        claims=[view for view in tested if view.claimed],
        tested=tested,
        others=[view for view, finding in zip(views, comparison.findings, strict=False) if not finding.tested],
        omitted=len(comparison.findings) - len(views),
        outcomes=_outcomes(comparison),
        direction=_direction(comparison),
        confidence=comparison.confidence,
        covariates=[excerpt(name, 100) for name in comparison.covariates],
        has_ratings=any(finding.ratings for finding in comparison.findings),
        has_ranking=any(finding.ranking for finding in comparison.findings),
        costs=cost_rows(comparison.costs),
        stages=stage_rows(comparison.costs),
        settings=value_rows(comparison.settings),
        versions=value_rows(comparison.versions),
    )


def effects_view(comparison: ComparisonLike) -> QuantityView | None:
    """The effects of all tested predicates with their intervals, to be drawn; `None` if nothing was tested.

    Of two groups the effects point to the right for the second group and to the left for the first.
    """
    found = [(finding, finding.estimate) for finding in comparison.tested]
    signed = [(finding, _sign(comparison, finding), estimate) for finding, estimate in found if estimate is not None]
    if not signed:
        return None
    signed.sort(key=lambda entry: -entry[1] * entry[2].effect)
    numbers = {id(finding): number for number, finding in enumerate(comparison.findings, start=1)}
    # In percentage points, as the tables have them.
    values = np.asarray([100 * sign * estimate.effect for _, sign, estimate in signed])
    ends = np.asarray([(100 * sign * estimate.low, 100 * sign * estimate.high) for _, sign, estimate in signed])
    two = len(comparison.groups) == 2
    return QuantityView(
        name="effects",
        label="Difference of the shares, percentage points",
        kind="dots",
        panels=[""],
        items=[
            f"{numbers[id(finding)]}. {excerpt(finding.predicate, 80)}"
            + ("" if two or finding.more is None else f" ({excerpt(finding.more, 30)})")
            for finding, _, _ in signed
        ],
        values=values[None, :],
        lower=ends.min(axis=1)[None, :],
        upper=ends.max(axis=1)[None, :],
        neutral=0.0,
        direction=_direction(comparison),
        item_dim="predicate",
    )


def effects_chart(comparison: ComparisonLike) -> dict[str, Any] | None:
    """The effects as a chart for the page, `None` if nothing was tested."""
    from nlparam.results.page.charts import specification
    from nlparam.results.page.plots import quantity_chart

    effects = effects_view(comparison)
    chart = None if effects is None else quantity_chart(effects)
    return None if chart is None else specification(chart)


def browse_judgments(comparison: ComparisonLike) -> Browser | None:
    """The judged texts of a comparison with their groups, for the table in the page."""
    corpus, units = comparison.corpus, comparison.units
    findings = [at for at, finding in enumerate(comparison.findings[:MAX_ROWS]) if finding.n_screened or finding.tested]
    if not findings or not len(units):
        return None
    # One line for each observation: a text that occurs in two groups has two.
    texts = [corpus.distinct[text] for text in units.text.tolist()]
    judged = np.asarray(comparison.judgments, dtype=float)[:, findings][units.text]
    return browse_texts(
        Corpus.from_texts(texts),
        [f"{at + 1}. {comparison.findings[at].predicate}" for at in findings],
        judged,
        [],
        groups=Groups([group.name for group in comparison.groups], np.asarray(units.group)),
        distinct=False,
    )


def _finding(comparison: ComparisonLike, number: int, finding: Finding, max_bytes: int | None) -> FindingView:
    estimate, crude, screening = finding.estimate, finding.crude, finding.screening
    ratings = finding.ratings
    return FindingView(
        number=number,
        sentence=excerpt(finding.predicate, MAX_SENTENCE),
        claimed=finding.claimed,
        more=excerpt(finding.more, 100) if finding.more else DASH,
        outcome=finding.outcome.name.replace("_", " "),
        reason=excerpt(finding.reason, 500),
        effect=interval_text(estimate),
        effect_value=None if estimate is None else estimate.effect,
        crude=interval_text(crude),
        crude_value=None if crude is None else crude.effect,
        screening=interval_text(screening),
        screening_value=None if screening is None or np.isnan(screening.effect) else screening.effect,
        n_screened=finding.n_screened,
        p_value=None if estimate is None else estimate.p_value,
        p_adjusted=finding.p_adjusted,
        shares=[
            (excerpt(share.group, 100), f"{share.mean:.1%} [{share.low:.1%}, {share.high:.1%}] of {share.n_judged:,}")
            for share in finding.shares
        ],
        ratings=[] if ratings is None else [ratings.relevance, ratings.novelty, ratings.significance],
        auroc=None if finding.ranking is None else finding.ranking.auroc,
        ranking_p=None if finding.ranking is None else finding.ranking.p_value,
        groups=[] if max_bytes is None else _texts(comparison, finding, max_bytes),
    )


def _texts(comparison: ComparisonLike, finding: Finding, max_bytes: int) -> list[GroupTexts]:
    quoted = []
    for group in comparison.groups:
        texts = [
            (
                example.probability,
                _quote(example.text, example.probability, max_bytes)._replace(
                    picture=_picture(comparison, example.text)
                ),
            )
            for example in finding.examples
            if example.group == group.name
        ]
        texts.sort(key=lambda pair: -pair[0])
        holding = [text for probability, text in texts if probability >= 0.5]
        failing = [text for probability, text in reversed(texts) if probability < 0.5]
        quoted.append(GroupTexts(excerpt(group.name, 100), holding[:PER_GROUP], failing[:PER_GROUP]))
    return quoted


def _quote(text: str, probability: float, max_bytes: int) -> Quoted:
    text = text.strip()
    short = excerpt(text[: 8 * MAX_EXCERPT], MAX_EXCERPT)
    whole = text[:max_bytes].encode("utf-8", errors="replace")[:max_bytes].decode("utf-8", errors="ignore")
    longer = len(text) > MAX_EXCERPT and len(whole) > len(short)
    return Quoted(short, whole if longer else None, len(text), len(text) - len(whole) if longer else 0, probability)


def _picture(comparison: ComparisonLike, text: str) -> str | None:
    picture = comparison.pictures.get(text, "")
    return picture if picture.startswith("data:image/jpeg;base64,") else None


def interval_text(estimate: Estimate | None) -> str:
    """An effect with its interval, in percentage points."""
    if estimate is None or np.isnan(estimate.effect):
        return DASH
    return f"{100 * estimate.effect:+.1f} [{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"


def _sign(comparison: ComparisonLike, finding: Finding) -> float:
    return -1.0 if len(comparison.groups) == 2 and finding.more == comparison.groups[0].name else 1.0


def _direction(comparison: ComparisonLike) -> str:
    if len(comparison.groups) == 2:
        first, second = (excerpt(group.name, 80) for group in comparison.groups)
        return f"To the right a predicate holds more often in “{second}”, to the left in “{first}”."
    return "To the right a predicate holds more often in the group that it names than in the others, to the left less."


def _outcomes(comparison: ComparisonLike) -> list[tuple[str, int]]:
    counted: dict[str, int] = {}
    for finding in comparison.findings:
        counted[finding.outcome.value] = counted.get(finding.outcome.value, 0) + 1
    return list(counted.items())


def _facts(comparison: ComparisonLike) -> list[Row]:
    settings = comparison.settings
    date = settings.get("date") or datetime.date.today().isoformat()
    correction = _CORRECTIONS.get(comparison.correction, comparison.correction)
    return [
        *[Row(excerpt(group.name, 60), f"{group.n_texts:,} texts") for group in comparison.groups[:8]],
        Row("Predicates claimed", f"{len(comparison.claims):,} of {len(comparison.findings):,} considered"),
        Row("Errors kept to", f"{comparison.level:g}, {correction}"),
        Row("Intervals", f"{comparison.confidence:.0%}, each by itself"),
        *([Row("Adjusted for", ", ".join(map(str, comparison.covariates)))] if comparison.covariates else []),
        *[Row(label, value_text(settings[key])) for key, label in NAMED_SETTINGS.items() if settings.get(key)],
        Row("Date", excerpt(str(date), 40)),
    ]


def _listed(names: list[str]) -> str:
    named = [f"“{name}”" for name in names]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def comparison_card(comparison: ComparisonLike) -> str:
    """The tested predicates of a comparison with their effects, as HTML."""
    from nlparam.comparing.page import interval_text

    tested = sorted(comparison.tested, key=lambda finding: not finding.claimed)
    rows = [
        card_row(
            str(number),
            finding.predicate,
            finding.more or "–",
            interval_text(finding.estimate),
            "–" if finding.p_adjusted is None else f"{finding.p_adjusted:.2g}",
            "yes" if finding.claimed else "no",
        )
        for number, finding in enumerate(tested, start=1)
    ]
    return card(
        "Comparison of " + ", ".join(f"{group.name} ({group.n_texts:,})" for group in comparison.groups),
        comparison.goal,
        ["Proposed for", "Effect, points", "Adjusted p", "Claimed"],
        rows,
        f"{len(comparison.claims):,} of {len(comparison.findings):,} candidates are claimed to differ, errors kept to "
        f"{comparison.level:g}.",
    )
