"""How commands show what something costs, or will cost."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nlparam.cli.output import print_json, print_lines, print_table, printable
from nlparam.cli.run_options import AnalysisOptions
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from nlparam.fitting.estimate import Estimate
    from nlparam.numerics.heads.cascade import Certificate
    from nlparam.runtime.costs import Costs


def cost_line(costs: "Costs") -> str:
    """What a run has cost, in a line."""
    from nlparam.results.page.text import duration

    money = f", {costs.money:,.4g} in cost" if costs.money else ""
    return (
        f"cost:    {duration(costs.total_seconds)}, {counted(costs.judgments_asked, 'judgment')} asked and "
        f"{costs.judgments_served:,} served from the store, {counted(costs.calls, 'call')}, "
        f"{counted(costs.tokens, 'token')}{money}"
    )


def show_estimate(estimate: "Estimate", options: AnalysisOptions) -> None:
    """Prints an estimate, and which limits of the budget it goes over."""
    from nlparam.results.page.text import duration

    expected = {
        "calls": (estimate.calls, options.max_calls),
        "tokens": (estimate.prompt_tokens + estimate.completion_tokens, options.max_tokens),
        "seconds": (estimate.seconds, options.max_seconds),
        "cost": (estimate.cost, options.max_cost),
    }
    over = {
        name: limit
        for name, (value, limit) in expected.items()
        if limit is not None and value is not None and value > limit
    }
    if options.json:
        print_json(dataclasses.asdict(estimate) | {"calls": estimate.calls, "over": over})
        return
    rows = [
        ("judgments", f"{estimate.judgments:,} ({estimate.least:,} to {estimate.most:,})"),
        ("proposals", f"{estimate.proposals:,}"),
        ("prompt tokens", f"{estimate.prompt_tokens:,}"),
        ("completion tokens", f"{estimate.completion_tokens:,}"),
        ("time", duration(estimate.seconds)),
    ]
    if estimate.cost is not None:
        rows.append(("cost", f"{estimate.cost:,.4g}"))
    print_table(("expected", ""), rows, numbers=(1,))
    print_lines(
        "",
        f"judgments: {estimate.bound}",
        f"measured on {counted(estimate.n_tried, 'call')}, whose answers are stored; "
        "what the store knows beforehand costs less",
        *(f"over the budget: {name} are limited to {limit:,}" for name, limit in over.items()),
    )


def certificate_lines(certificate: "Certificate", predicates: Sequence[str]) -> list[str]:
    """What the audit of a cascade proved: pooled, of its worst predicates, and at which cost."""
    target = certificate.target
    lines = [
        f"cascade: with probability {1 - target.failure_probability:.0%}, recall at least {certificate.recall:.1%} and "
        f"precision at least {certificate.precision:.1%} "
        f"{'of every predicate' if target.each else 'over all predicates'}, against the language model asked for "
        "everything",
    ]
    if len(predicates) > 1:
        worst = [
            f"{name} {bounds[k]:.1%} ({printable(predicates[k])})"
            for name, bounds, k in (
                ("recall", certificate.predicate_recall, certificate.worst_recall),
                ("precision", certificate.predicate_precision, certificate.worst_precision),
            )
        ]
        alone = "" if certificate.together else ", each by itself"
        lines.append(f"         the least bounds of single predicates{alone}: {', '.join(worst)}")
    asked = f"{certificate.n_asked:,} of {certificate.n_pairs:,} judgments asked ({certificate.saved:.0%} saved)"
    return [*lines, f"         {asked}"]
