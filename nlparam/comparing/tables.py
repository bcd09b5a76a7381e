"""A comparison as tables, by column: its texts with what was judged of them, its findings, their examples."""

from typing import Any

from nlparam.comparing.records import ComparisonLike
from nlparam.numerics.core.denotations import HOLDS


def unit_columns(comparison: ComparisonLike) -> dict[str, list[Any]]:
    """One row per observation: `text`, `group`, `split` ("research" or "validation"), then `P(...)` for every predicate
    that was judged; not a number where the language model was not asked."""
    units = comparison.units
    columns: dict[str, list[Any]] = {
        "text": [comparison.corpus.distinct[text] for text in units.text.tolist()],
        "group": [comparison.groups[group].name for group in units.group.tolist()],
        "split": ["research" if research else "validation" for research in units.research.tolist()],
    }
    return columns | {
        f"P({finding.predicate})": comparison.judgments[units.text, at].tolist()
        for at, finding in enumerate(comparison.findings)
        if finding.n_screened or finding.tested
    }


def finding_columns(comparison: ComparisonLike) -> dict[str, list[Any]]:
    """One row per candidate: what became of it, its effect with the interval, and its share in each group. Effects are
    differences of shares, in favour of the group `more`."""
    findings = comparison.findings
    columns: dict[str, list[Any]] = {
        "predicate": [finding.predicate for finding in findings],
        "outcome": [finding.outcome.name for finding in findings],
        "more": [finding.more for finding in findings],
    }
    estimates = [finding.estimate for finding in findings]
    columns |= {
        name: [None if one is None else getattr(one, name) for one in estimates] for name in ("effect", "low", "high")
    }
    columns["p_adjusted"] = [finding.p_adjusted for finding in findings]
    for at, group in enumerate(comparison.groups):
        shares = [finding.shares[at].mean if finding.shares else None for finding in findings]
        columns[f"share ({group.name})"] = shares
    return columns | {"reason": [finding.reason for finding in findings]}


def finding_examples(comparison: ComparisonLike, k: int) -> dict[str, list[Any]]:
    """Texts of each group for and against each tested predicate, at most `k` of a side, the surest first: `predicate`,
    `side`, `group`, `text`, `probability`. A comparison keeps a few texts of each group."""
    found = []
    for finding in comparison.tested:
        for group in comparison.groups:
            texts = [one for one in finding.examples if one.group == group.name]
            holding = sorted((one for one in texts if one.probability >= HOLDS), key=lambda one: -one.probability)
            against = sorted((one for one in texts if one.probability < HOLDS), key=lambda one: one.probability)
            sides = (("for", holding), ("against", against))
            found += [(finding.predicate, side, one) for side, ordered in sides for one in ordered[:k]]
    return {
        "predicate": [predicate for predicate, _, _ in found],
        "side": [side for _, side, _ in found],
        "group": [one.group for _, _, one in found],
        "text": [one.text for _, _, one in found],
        "probability": [one.probability for _, _, one in found],
    }
