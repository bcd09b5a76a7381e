"""What a fit has cost so far: calls, tokens, judgments and the seconds of each stage."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator


@dataclasses.dataclass
class Costs:
    """Running totals of one fit, carried through every stage and written to `fit.json`.

    `judgments_asked` were answered by the language model in this run, `judgments_served` by the store. `calls` counts
    requests sent to the language model (for judgments and proposals), tokens are as the backend reports them.
    """

    calls: int = 0
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
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the wall-clock time spent in the `with` block to `seconds[name]`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    def summary(self) -> str:
        """One short line for a progress display."""
        tokens = self.prompt_tokens + self.completion_tokens
        served = self.judgments_served + self.proposals_served
        return f"{self.calls} calls, {tokens:,} tokens, {served} served from the store"

    def as_dict(self) -> dict:
        return dataclasses.asdict(self) | {"total_seconds": self.total_seconds}

    @classmethod
    def from_dict(cls, values: dict) -> "Costs":
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in names})
