"""Lines of two columns: costs, settings and versions, as every page shows them."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from nlparam.results.page.examples import excerpt

if TYPE_CHECKING:
    from nlparam.runtime.costs import Costs


MAX_SENTENCE = 300


MAX_VALUE = 1000


NAMED_SETTINGS = {"lm": "Language model", "embedder": "Embedder"}


class Row(NamedTuple):
    """One line of a two-column table."""

    label: str
    value: str


def cost_rows(costs: "Costs") -> list[Row]:
    """What something cost, as lines of a table."""
    return [
        Row("Calls of the language model", f"{costs.calls:,}"),
        Row("Prompt tokens", f"{costs.prompt_tokens:,}"),
        Row("Completion tokens", f"{costs.completion_tokens:,}"),
        Row("Judgments answered by the language model", f"{costs.judgments_asked:,}"),
        Row("Judgments served from the store", f"{costs.judgments_served:,}"),
        Row("Proposals asked", f"{costs.proposals_asked:,}"),
        Row("Proposals served from the store", f"{costs.proposals_served:,}"),
        Row("Embeddings computed", f"{costs.embeddings_computed:,}"),
        Row("Embeddings served from the cache", f"{costs.embeddings_served:,}"),
        Row("Calls tried again", f"{costs.retries:,}"),
        Row("Calls that failed", f"{costs.failures:,}"),
        *([Row("Cost", f"{costs.money:,.4g}")] if costs.money else []),
    ]


def stage_rows(costs: "Costs") -> list[tuple[str, float]]:
    """The stages of a run and the seconds that each took."""
    return [(str(name), float(seconds)) for name, seconds in costs.seconds.items()]


def value_rows(values: Mapping[str, Any]) -> list[Row]:
    """Settings or versions as lines of a table."""
    return [Row(str(name), value_text(value)) for name, value in values.items()]


def value_text(value: Any) -> str:
    """A setting of any type as text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return excerpt(text, MAX_VALUE)
