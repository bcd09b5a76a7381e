"""What a fit has cost so far: calls, tokens, judgments and the seconds of each stage."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

from nlparam.runtime.telemetry import span
from nlparam.runtime.words import counted


@dataclasses.dataclass
class Costs:
    """Running totals of one fit, carried through every stage and written to `fit.json`.

    `judgments_asked` were answered by the language model in this run, `judgments_served` by the store. `calls` counts
    requests sent to the language model (for judgments and proposals), `rounds` how often the run had to wait for it:
    once for each batch of requests, which do not wait for one another. Tokens are as the backend reports them. `money`
    is what they cost by the price of the budget, 0 without one. `stages` has the counters of each stage, as far as they
    are not 0, and `seconds` its wall-clock time.
    """

    calls: int = 0
    rounds: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    judgments_asked: int = 0
    judgments_served: int = 0
    proposals_asked: int = 0
    proposals_served: int = 0
    embeddings_computed: int = 0
    embeddings_served: int = 0
    retries: int = 0
    failures: int = 0
    money: float = 0.0
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    stages: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the wall-clock time and the counters of the `with` block to the stage `name`; ends it with an event."""
        start, before = time.perf_counter(), self._counters()
        with span(name) as fields:
            try:
                yield
            finally:
                seconds = time.perf_counter() - start
                used = {key: n for key, n in add_counts(self._counters(), before, -1).items() if n > 0}
                self.seconds = add_counts(self.seconds, {name: seconds})
                self.stages = add_counts(self.stages, {name: used})
                fields |= {"seconds": round(seconds, 6)} | used

    def _counters(self) -> dict[str, int]:
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}

    @property
    def tokens(self) -> int:
        """Of prompts and answers together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def answers(self) -> int:
        """What the language model has answered, well or not."""
        return self.judgments_asked + self.proposals_asked + self.failures

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    def summary(self) -> str:
        """One short line for a progress display."""
        served = self.judgments_served + self.proposals_served
        return f"{counted(self.calls, 'call')}, {counted(self.tokens, 'token')}, {served} served from the store"

    def __add__(self, other: "Costs") -> "Costs":
        """The costs of both, stage by stage."""
        return Costs.from_dict(add_counts(dataclasses.asdict(self), dataclasses.asdict(other)))

    def as_dict(self) -> dict:
        return dataclasses.asdict(self) | {"total_seconds": self.total_seconds}

    @classmethod
    def from_dict(cls, values: dict) -> "Costs":
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in names})


def add_counts(total: dict[str, Any], part: dict[str, Any], sign: int = 1) -> dict[str, Any]:
    """Adds numbers name by name, also those in nested dictionaries."""
    merged = dict(total)
    for name, value in part.items():
        nested = isinstance(value, dict)
        merged[name] = add_counts(merged.get(name, {}), value, sign) if nested else merged.get(name, 0) + sign * value
    return merged
