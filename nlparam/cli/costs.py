"""How commands show what something costs, or will cost."""

import dataclasses
from typing import TYPE_CHECKING

from nlparam.cli.output import print_json, print_lines, print_table
from nlparam.cli.run_options import AnalysisOptions

if TYPE_CHECKING:
    from nlparam.fitting.estimate import Estimate
    from nlparam.numerics.heads.cascade import Certificate
    from nlparam.runtime.costs import Costs


def cost_line(costs: "Costs") -> str:
    """What a run has cost, in a line."""
    from nlparam.results.page.text import duration

    money = f", {costs.money:,.4g} in cost" if costs.money else ""
    return (
        f"cost:    {duration(costs.total_seconds)}, {costs.judgments_asked:,} judgments asked and "
        f"{costs.judgments_served:,} served from the store, {costs.calls:,} calls, {costs.tokens:,} tokens{money}"
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
        ("judgments", f"{estimate.judgments:,}"),
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
        f"measured on {estimate.n_tried} calls, whose answers are stored; what the store knows beforehand costs less",
        *(f"over the budget: {name} are limited to {limit:,}" for name, limit in over.items()),
    )


def certificate_lines(certificate: "Certificate") -> list[str]:
    """What the audit of a cascade proved, in two lines."""
    target = certificate.target
    return [
        f"cascade: with probability {1 - target.failure_probability:.0%}, recall at least {certificate.recall:.1%} and "
        f"precision at least {certificate.precision:.1%} against the language model asked for everything",
        f"         {certificate.n_asked:,} of {certificate.n_pairs:,} judgments asked ({certificate.saved:.0%} saved)",
    ]
