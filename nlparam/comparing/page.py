"""The page of a comparison: effects with intervals, texts of each group, what was given up and why, and the splits."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from nlparam.comparing.browsing import MAX_ROWS, PER_GROUP, browse_judgments, quotes_of, searched_judgments
from nlparam.comparing.people import without_labels
from nlparam.comparing.records import ComparisonLike, Effect, Finding
from nlparam.denotation.agreement import agreement_with_people
from nlparam.denotation.following import following_rows
from nlparam.denotation.labelling import PredicateAgreement
from nlparam.results.page.blocks import Block, Cell, Folded, Item, Pairs, Row, Section, Table, Words
from nlparam.results.page.card import Card, card_row
from nlparam.results.page.examples import MAX_BYTES, MAX_WHOLE
from nlparam.results.page.rows import MAX_SENTENCE, date_row, named_settings, title_of
from nlparam.results.page.searched import Searched, desk_section
from nlparam.results.page.sections import (
    AbstractPage,
    Interval,
    SectionPage,
    interval_chart,
    of_result,
    p_value,
)
from nlparam.results.page.tables import Declared, table_of
from nlparam.results.page.text import DASH, excerpt
from nlparam.runtime.words import counted, part_of

MAX_QUOTED = 60
# With more groups the table of findings is too wide for the shares of all.
_MOST_SHARES = 4
_CORRECTIONS = {
    "bh": "Benjamini-Hochberg (false discovery rate)",
    "by": "Benjamini-Yekutieli (false discovery rate)",
    "holm": "Holm (family-wise error rate)",
}
TARGETS = {"judge": "as the language model sees it", "people": "as your labels see it"}
# Findings with their numbers, from 1.
Numbered = Sequence[tuple[int, Finding]]


@dataclasses.dataclass(frozen=True)
class ComparisonPage(AbstractPage):
    """The report of a comparison; `agreement` is how people and judge agree."""

    comparison: ComparisonLike
    agreement: Sequence[PredicateAgreement] = ()

    def described(self) -> SectionPage:
        """Chooses what the report shows. The order of the findings is kept."""
        comparison = self.comparison
        findings = list(enumerate(comparison.findings[:MAX_ROWS], start=1))
        tested = [(number, finding) for number, finding in findings if finding.tested]
        texts = browse_judgments(comparison)
        names = [f"“{excerpt(group.name, 100)}”" for group in comparison.groups]
        return SectionPage(
            title=title_of({"goal": comparison.goal}, " and ".join(name[1:-1] for name in names)),
            model="Comparison",
            summary=_summary(comparison, names),
            facts=_facts(comparison),
            warnings=[excerpt(warning, 1000) for warning in comparison.warnings],
            sections=[
                Section("findings", "Findings", _findings(comparison, tested)),
                Section("examples", "Texts of each group", _examples(comparison, tested), "Examples"),
                *([Section("texts", "All texts", [texts])] if texts else []),
                *([people] if (people := agreement_with_people(self.agreement)) else []),
                Section("given-up", "What was given up, and why", _given_up(comparison, findings), "Given up"),
                Section("splits", "Splits and their sizes", _splits(comparison), "Splits"),
                *filter(None, [desk_section(self.searched(), comparison.settings)]),
            ],
            **of_result(comparison),
        )

    def searched(self) -> Searched:
        return searched_judgments(self.comparison)

    def card(self) -> Card:
        """The tested predicates with their effects, claimed ones first."""
        comparison = self.comparison
        rows = [
            card_row(
                str(place),
                finding.predicate,
                finding.more or DASH,
                _points(finding.estimate).cell("+.1f").text,
                DASH if finding.p_adjusted is None else f"{finding.p_adjusted:.2g}",
                "yes" if finding.claimed else "no",
            )
            for place, finding in enumerate(sorted(comparison.tested, key=lambda one: not one.claimed), start=1)
        ]
        return Card(
            "Comparison of " + ", ".join(f"{group.name} ({group.n_texts:,})" for group in comparison.groups),
            comparison.goal,
            ["Proposed for", "Effect, points", "Adjusted p", "Claimed"],
            rows,
            f"{part_of(len(comparison.claims), len(comparison.findings), 'candidate', 'is', 'are')} claimed to differ, "
            f"errors kept to {comparison.level:g}.",
        )


def _summary(comparison: ComparisonLike, names: list[str]) -> str:
    """In sentences: how many differences are claimed, and the largest of each group."""
    groups = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    claims, n_tested = comparison.claims, len(comparison.tested)
    n_found = len(comparison.findings)
    considered = (
        f"{counted(n_found, 'predicate', 'was', 'were')} considered, {n_tested:,} tested on texts of their own."
    )
    if not claims:
        return f"No difference between {groups} is claimed: chance may explain what was found. {considered}"
    found = f"{counted(len(claims), 'difference', 'is', 'are')} claimed between {groups}. {considered}"
    for group in comparison.groups:
        of = [one for one in claims if one.more == group.name and one.estimate is not None]
        if of:
            most = max(of, key=lambda one: _points(one.estimate).value)
            by = _points(most.estimate).cell(".1f").text
            found += f" The largest for “{excerpt(group.name, 100)}”: “{excerpt(most.predicate, 120)}”, by {by} points."
    return found


def _facts(comparison: ComparisonLike) -> list[Row]:
    left_over = ", ".join(f"{name} {left:.1%}" for name, left in comparison.unadjusted.items())
    correction = _CORRECTIONS.get(comparison.correction, comparison.correction)
    return [
        *[Row(excerpt(group.name, 60), counted(group.n_texts, "text")) for group in comparison.groups[:8]],
        Row("Predicates claimed", f"{len(comparison.claims):,} of {len(comparison.findings):,} considered"),
        Row("Errors kept to", f"{comparison.level:g}, {correction}"),
        Row("Intervals", f"{comparison.confidence:.0%}, each by itself"),
        *([Row("Adjusted for", ", ".join(map(str, comparison.covariates)))] if comparison.covariates else []),
        *([Row("Left of the covariates", left_over)] if left_over else []),
        Row("Target", _target(targets_of(comparison.tested))),
        *named_settings(comparison.settings),
        *following_rows(comparison.following),
        date_row(comparison.settings),
    ]


def _target(targets: Sequence[str]) -> str:
    caveat = "; unequal errors are not in the intervals (--labels)" if "judge" in targets else ""
    return " and ".join(TARGETS[target] for target in targets) + caveat


def _findings(comparison: ComparisonLike, tested: Numbered) -> list[Block]:
    covariates = ", ".join(excerpt(name, 100) for name in comparison.covariates)
    words: list[Block] = [
        Words(
            "An effect is a difference of shares in percentage points: by how much more often a predicate holds in a "
            f"group than in the others{', adjusted for ' + covariates if covariates else ''}. Effects are measured on "
            "texts that no predicate was proposed from. Intervals are at "
            f"{comparison.confidence:.0%} for each predicate by itself; p-values are adjusted for the number of "
            "predicates tested. A predicate is proposed for the group in which it held more often on the research "
            "split; below 0, the test says otherwise. " + _whose(comparison),
            muted=True,
        )
    ]
    if not tested:
        return [Words("Nothing was tested.", muted=True), *words]
    return [*_effects(comparison, tested), _tested_table(comparison, tested), *words]


def _whose(comparison: ComparisonLike) -> str:
    """Whose answers the effects are about, and which errors are not in their intervals."""
    targets, words = targets_of(comparison.tested), []
    if "people" in targets:
        n_labels = [sum(s.n_labels for s in f.shares) for f in comparison.tested if f.target == "people"]
        words.append(
            "Effects are as your labels see it where there are labels of people (for each predicate "
            f"{min(n_labels):,} and more): its errors in each group are corrected (PPI++), and in the intervals."
        )
    if "judge" in targets:
        words.append(without_labels(len(comparison.groups), comparison.confidence))
    if any(finding.sensitivity is not None for finding in comparison.claims):
        words.append(
            "“Explained by errors” says for how many more texts of one group than of the others the judge must be "
            "wrong, in percentage points, for a claim to be due to that."
        )
    if comparison.claims:
        words.append(
            "What was claimed for being large looks larger than it is: “size if claimed” allows for that, and its "
            "interval for how many claims there are (false coverage rate)."
        )
    if comparison.units.cluster is not None:
        words.append("Texts of one cluster count together: shares, intervals and tests are robust to their likeness.")
    return " ".join(words)


def _effects(comparison: ComparisonLike, tested: Numbered) -> list[Block]:
    """A chart of the effects. Of two groups they point to the right for the second group, to the left for the first."""
    two = len(comparison.groups) == 2
    if two:
        first, second = (excerpt(group.name, 80) for group in comparison.groups)
        direction = f"To the right a predicate holds more often in “{second}”, to the left in “{first}”."
    else:
        direction = (
            "To the right a predicate holds more often in the group that it names than in the others, to the left less."
        )
    effects = []
    for place, finding in tested:
        turned = two and finding.more == comparison.groups[0].name
        named = "" if two or finding.more is None else f" ({excerpt(finding.more, 30)})"
        name = f"{place}. {excerpt(finding.predicate, 80)}{named}"
        effects.append((name, _points(finding.estimate, -100.0 if turned else 100.0)))
    effects.sort(key=lambda effect: -effect[1].value)
    return interval_chart(
        "effects",
        "Effects of the tested predicates with confidence intervals",
        [name for name, _ in effects],
        {"": [effect for _, effect in effects]},
        label="Difference of the shares, percentage points",
        caption=(
            f"{direction} The line through a dot is its confidence interval; the dashed line at 0 means no difference."
        ),
        neutral=0.0,
        of="predicate",
    )


def _tested_table(comparison: ComparisonLike, tested: Numbered) -> Table:
    columns: list[Declared] = [
        ("No.", "number", lambda row: row[0]),
        ("Predicate", "head", lambda row: Cell(excerpt(row[1].predicate, MAX_SENTENCE), link=f"#finding-{row[0]}")),
        ("Claimed", "", lambda row: row[1].claimed),
        ("Proposed for", "", lambda row: row[1].more or DASH),
        ("Effect", "number", lambda row: _points(row[1].estimate).cell("+.1f")),
        ("Adjusted p", "number", lambda row: p_value(row[1].p_adjusted)),
    ]
    for at, group in enumerate(comparison.groups if len(comparison.groups) <= _MOST_SHARES else ()):
        columns.append((excerpt(group.name, 60), "number:.0%", lambda row, at=at: row[1].shares[at].mean))
    if comparison.claims:
        columns.append(("Size if claimed", "number", lambda row: _points(row[1].size).cell("+.1f")))
    if any(finding.sensitivity is not None for finding in comparison.claims):
        columns.append(
            ("Explained by errors", "number:.1f", lambda row: row[1].sensitivity and 100 * row[1].sensitivity)
        )
    if any(finding.target == "people" for finding in comparison.tested):
        columns.append(("Seen by", "", lambda row: TARGETS[row[1].target]))
        columns.append(("As judged", "number", lambda row: _points(row[1].judged).cell("+.1f")))
    if comparison.covariates:
        columns.insert(5, ("Not adjusted", "number", lambda row: _points(row[1].crude).cell("+.1f")))
    rated = any(finding.ratings for finding in comparison.findings)
    for name in ("relevance", "novelty", "significance") if rated else ():
        columns.append((name.capitalize(), "number:.1f", lambda row, name=name: getattr(row[1].ratings, name, None)))
    if any(finding.ranking for finding in comparison.findings):
        columns.append(("AUROC", "number", lambda row: getattr(row[1].ranking, "auroc", None)))
    meaning = (
        "Relevance to the goal, novelty and significance are ratings by the language model: 0 not, 1 somewhat, 2 very."
    )
    caption = "Tested predicates and their effects, in percentage points with confidence intervals"
    return table_of("findings", caption, tested, columns, note=meaning if rated else "")


def _examples(comparison: ComparisonLike, tested: Numbered) -> list[Block]:
    n_quotes = 2 * PER_GROUP * len(comparison.groups) * len(tested[:MAX_QUOTED])
    max_bytes = min(MAX_WHOLE, MAX_BYTES // max(1, n_quotes))
    items = []
    for at, (place, finding) in enumerate(tested):
        sides = quotes_of(comparison, finding, max_bytes) if at < MAX_QUOTED else []
        left_out = Words("No texts are quoted here, to keep this page small.", muted=True)
        shares = [
            f"{excerpt(share.group, 100)}: {Interval(share.mean, share.low, share.high).cell(of=share.n_judged).text}"
            for share in finding.shares
        ]
        effect = _points(finding.estimate).cell("+.1f").text
        items.append(
            Item(
                excerpt(finding.predicate, MAX_SENTENCE),
                f"{finding.outcome.name.replace('_', ' ')}, {effect}",
                sides or [left_out],
                str(place),
                f"finding-{place}",
                [excerpt(finding.reason, 500), *shares],
                finding.predicate,
            )
        )
    more = (
        "The figure of each text is the judged probability that the predicate holds for it. These texts were drawn "
        "from those that the effects rest on."
    )
    listed = Folded(items, noun="predicate") if items else Words("Nothing was tested.", muted=True)
    return [Words(more), listed]


def _given_up(comparison: ComparisonLike, findings: Numbered) -> list[Block]:
    outcomes = Counter(finding.outcome.value for finding in comparison.findings)
    blocks: list[Block] = [Pairs("Candidates by outcome", [Row(name, f"{n:,}") for name, n in outcomes.items()], True)]
    omitted = len(comparison.findings) - len(findings)
    untested = [(place, finding) for place, finding in findings if not finding.tested]
    if not untested:
        more = f" {omitted:,} more are left out to keep this page small." if omitted else ""
        return [*blocks, Words("Every candidate was tested." + more, muted=True)]
    table = table_of(
        "given-up",
        "Predicates that were not tested. Screening is by other texts than a test; the best of many look better there "
        "than they are.",
        untested,
        [
            ("No.", "number", lambda row: row[0]),
            ("Predicate", "head", lambda row: Cell(excerpt(row[1].predicate, MAX_SENTENCE))),
            ("Outcome", "", lambda row: row[1].outcome.name.replace("_", " ")),
            ("Why", "", lambda row: Cell(excerpt(row[1].reason, 500))),
            ("Texts judged", "number", lambda row: row[1].n_screened),
            ("Effect at screening", "number", lambda row: _points(row[1].screening).cell("+.1f")),
        ],
    )
    return [*blocks, dataclasses.replace(table, omitted=omitted)]


def _splits(comparison: ComparisonLike) -> list[Block]:
    clustered = comparison.units.cluster is not None
    table = table_of(
        "splits",
        "Texts of each group and split",
        comparison.groups,
        [
            ("Group", "head", "name"),
            ("Texts", "number", "n_texts"),
            ("Distinct", "number", "n_distinct"),
            ("Research split", "number", "n_research"),
            ("Validation split", "number", "n_validation"),
            ("Of these to be judged", "number", "n_validated"),
            *([("Clusters of these", "number", "n_clusters")] if clustered else []),
        ],
    )
    words = (
        "Predicates are proposed and screened on the research split, and tested on the validation split, which has no "
        f"{'cluster' if clustered else 'text'} in common with it."
    )
    return [Words(words), table]


def targets_of(tested: Sequence[Finding]) -> list[str]:
    """The targets of the effects, "judge" if nothing was tested."""
    return sorted({finding.target for finding in tested}) or ["judge"]


def _points(estimate: Effect | None, scale: float = 100.0) -> Interval:
    """An effect with its interval in percentage points; turned round if `scale` is below 0."""
    return Interval.read({} if estimate is None else estimate._asdict(), "effect", scale)
