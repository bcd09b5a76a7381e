"""What `nlparam compare` prints at the end: what was tested, what became of the rest, and what it cost."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlparam.cli.costs import cost_line
from nlparam.cli.output import print_lines, print_table, printable

if TYPE_CHECKING:
    from nlparam.comparing.records import Finding
    from nlparam.comparing.result import Comparison

# More columns do not fit into a terminal.
_MOST_COLUMNS = 4


def show(comparison: "Comparison", out: Path) -> None:
    """Prints a comparison that is saved in `out`: what was tested, what became of the rest, and what it cost."""
    tested = comparison.tested
    names = [group.name for group in comparison.groups]
    columns: dict[str, list[str]] = {
        "": ["*" if finding.claimed else "" for finding in tested],
        "predicate": [printable(finding.predicate) for finding in tested],
        "more in": [printable(finding.more) for finding in tested],
    }
    if len(names) <= _MOST_COLUMNS:
        columns |= {
            printable(name): [f"{finding.shares[number].mean:.0%}" for finding in tested]
            for number, name in enumerate(names)
        }
    columns["adjusted difference" if comparison.covariates else "difference"] = [_interval(f) for f in tested]
    columns["p"] = [f"{finding.p_adjusted:.2g}" for finding in tested]
    if any(finding.ratings is not None for finding in tested):
        columns["rel nov sig"] = [_rated(finding) for finding in tested]
    if any(finding.ranking is not None for finding in tested):
        columns["AUROC"] = ["" if f.ranking is None else f"{f.ranking.auroc:.2f}" for f in tested]
    print_table(tuple(columns), list(zip(*columns.values(), strict=True)), numbers=tuple(range(3, len(columns))))
    n_claims = len(comparison.claims)
    kept_to = "probability of any false claim" if comparison.correction == "holm" else "false discovery rate"
    texts = ", ".join(
        f"{group.n_validated:,} of {group.n_validation:,} texts of {printable(group.name)}"
        + ("" if group.n_clusters is None else f" ({group.n_clusters:,} clusters)")
        for group in comparison.groups
    )
    print_lines(
        "",
        f"claimed: {n_claims} of {len(tested)} tested ({kept_to} {comparison.level:g}); p adjusted for their number, "
        f"intervals of {comparison.confidence:.0%}",
        f"tested:  on {texts}, not looked at before",
        f"target:  {_target(comparison)}",
        f"others:  {_others(comparison)}",
        cost_line(comparison.costs),
    )
    if (out / "report.html").exists():
        print_lines(f"report:  {out / 'report.html'}")


def _target(comparison: "Comparison") -> str:
    """Whose answers the differences are about, and which errors are not in their intervals."""
    n_people = sum(finding.target == "people" for finding in comparison.tested)
    if n_people == len(comparison.tested) > 0:
        return "as your labels see it"
    if n_people:
        return f"as your labels see it for {n_people} of {len(comparison.tested)}, else as the language model sees it"
    weakest = min((f.sensitivity for f in comparison.claims if f.sensitivity is not None), default=None)
    if weakest is None:
        return "as the language model sees it"
    return (
        "as the language model sees it; unequal errors are not in the intervals: if it is wrong for "
        f"{100 * weakest:.0f} more of 100 texts of one group, a claim may be due to that (--labels)"
    )


def _interval(finding: "Finding") -> str:
    effect: Any = finding.estimate
    return f"{effect.effect:+.2f} ({effect.low:+.2f} to {effect.high:+.2f})"


def _rated(finding: "Finding") -> str:
    ratings = finding.ratings
    grades = (None,) * 3 if ratings is None else (ratings.relevance, ratings.novelty, ratings.significance)
    return " ".join("-" if grade is None else f"{grade:.1f}" for grade in grades)


def _others(comparison: "Comparison") -> str:
    rest = Counter(finding.outcome for finding in comparison.findings if not finding.tested)
    return "; ".join(f"{n} {outcome.value}" for outcome, n in rest.items()) or "no further candidate"
