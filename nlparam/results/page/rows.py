"""Lines of two columns: costs, settings and versions, as every page shows them."""

import datetime
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nlparam.results.page.blocks import Row as Row
from nlparam.results.page.text import excerpt

if TYPE_CHECKING:
    from nlparam.runtime.costs import Costs

MAX_SENTENCE = 300
MAX_VALUE = 1000
_NAMED_SETTINGS = {"lm": "Language model", "embedder": "Embedder"}
_IN_TEXT = "yes or no in text, without a probability: the language model gave no log-probabilities"


def named_settings(settings: Mapping[str, Any]) -> list[Row]:
    """What was used, as facts at the head of a page."""
    rows = [Row(label, value_text(settings[key])) for key, label in _NAMED_SETTINGS.items() if settings.get(key)]
    return rows + ([Row("Judged by", _IN_TEXT)] if settings.get("answers") == "text" else [])


def date_row(settings: Mapping[str, Any]) -> Row:
    """When a result was made; a result that says so keeps its date in every later report."""
    return Row("Date", excerpt(str(settings.get("date") or datetime.date.today().isoformat()), 40))


def title_of(settings: Mapping[str, Any], otherwise: str) -> str:
    """The goal, where there is one."""
    goal = str(settings.get("goal") or "").strip()
    return excerpt(goal, MAX_SENTENCE) if goal else otherwise


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


def value_rows(values: Mapping[str, Any]) -> list[Row]:
    """Settings or versions as lines of a table."""
    return [Row(str(name), value_text(value)) for name, value in values.items()]


def value_text(value: Any) -> str:
    """A setting of any type as text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return excerpt(text, MAX_VALUE)
