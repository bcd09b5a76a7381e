"""What a run may spend, and what it has spent so far."""

import contextlib
import dataclasses
import importlib.resources
import math
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nlparam.errors import BudgetError
from nlparam.runtime.costs import Costs


@dataclasses.dataclass(frozen=True)
class Price:
    """What a language model costs, in the currency of your choice.

    **Arguments:** `prompt` and `completion`, per million tokens; `hour`, per hour that the run takes (a rented GPU).
    """

    prompt: float = 0.0
    completion: float = 0.0
    hour: float = 0.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise BudgetError(f"got the price {field.name} = {value!r}, expected a number of at least 0")

    def of(self, prompt_tokens: float, completion_tokens: float, seconds: float) -> float:
        """The cost of so many tokens and seconds."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6 + seconds / 3600 * self.hour


def load_price(model: str, path: str | Path | None = None) -> Price:
    """The price of a language model from a table in TOML.

    ```toml
    [models."my-model"]     # the name that the server lists, or a pattern: "qwen*"; the first that fits counts
    prompt = 0.10           # per million tokens
    completion = 0.40
    hour = 0.0              # per hour of the run
    ```

    **Arguments:** `model`, the identity of a language model (`"server:NAME@..."`, `"gguf:..."`); `path` of a table, by
    default the one that the package carries, which knows that models on one's own machine have no price per token.

    Raises `BudgetError` if the table cannot be read or has no price for the model.
    """
    source = Path(path) if path is not None else importlib.resources.files("nlparam.runtime") / "prices.toml"
    try:
        table = tomllib.loads(source.read_text(encoding="utf-8"))
        entries = dict(table["models"])
        prices = {name: Price(**entry) for name, entry in entries.items()}
    except OSError as error:
        raise BudgetError(f"cannot read the prices {source}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise BudgetError(
            f'{source} is no table of prices ({error}): expected sections [models."NAME"] with prompt, completion and '
            "hour"
        ) from error
    for pattern, price in prices.items():
        if _fits(pattern, model):
            return price
    raise BudgetError(
        f'{source} has no price for {model!r}: add a section [models."NAME"] to a table of your own and give it with '
        "--prices, or leave out the limit on the cost"
    )


def _fits(pattern: str, model: str) -> bool:
    kind, _, name = model.partition(":")
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    candidates = (model, name, name.partition("@")[0], kind)
    return any(re.fullmatch(expression, candidate, re.IGNORECASE) for candidate in candidates)


# The limits of a budget, in the order in which they are checked, and the words for one that is reached.
_SPENT = {
    "max_calls": "{:,} of {:,} calls",
    "max_seconds": "{:,.0f} of {:g} seconds",
    "max_tokens": "{:,} of {:,} tokens",
    "max_cost": "{:.4g} of {:g} in cost",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits on what a run may spend on its language model; `None` is no limit.

    **Arguments:**

    - `max_calls`: requests sent, retries included.
    - `max_tokens`: tokens of prompts and answers together, as the backend counts them.
    - `max_seconds`: wall-clock time after which no call is started any more.
    - `max_cost`: in the currency of `price`.
    - `price`: what tokens and hours cost; needed for `max_cost`.

    A run that meets a limit ends with the best fit so far (`RESULTS.budget_spent`). Calls under way are waited for, so
    tokens, time and cost can go over a limit by what these use; calls cannot.
    """

    max_calls: int | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    max_cost: float | None = None
    price: Price | None = None

    def __post_init__(self):
        for name in _SPENT:
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise BudgetError(f"got {name}={value}, expected a number above 0 or None")
        if self.max_cost is not None and self.price is None:
            raise BudgetError(f"got max_cost={self.max_cost} without a price, expected price=Price(...)")


class Meter:
    """Compares what a run has used with its budget, from the moment it is made.

    `under_way` is the number of calls that were started and are not finished; the engine counts it. `expected` is how
    many judgments the run will need, where that is known.
    """

    def __init__(self, costs: Costs, budget: Budget | None = None):
        self.costs = costs
        self.budget = Budget() if budget is None else budget
        limits = {name: getattr(self.budget, name) for name in _SPENT}
        self._limits = {name: limit for name, limit in limits.items() if limit is not None}
        self.under_way = 0
        self.expected: int | None = None
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def seconds_ahead(self, seconds_each: float) -> float:
        """How long the judgments take that are still expected, at so many seconds each; 0 if that is not known."""
        costs = self.costs
        return max((self.expected or 0) - costs.judgments_asked - costs.judgments_served, 0) * seconds_each

    @property
    def cost(self) -> float:
        """What was spent so far, by the price of the budget; 0 without one."""
        return self._used()["max_cost"]

    @property
    def spent(self) -> str | None:
        """Which limit allows no further call, in words; `None` while there is room. What is spent stays spent."""
        used = self._used()
        over = (name for name, limit in self._limits.items() if used[name] >= limit)
        return next((_SPENT[name].format(used[name], self._limits[name]) for name in over), None)

    @contextlib.contextmanager
    def at_most(self, share: float) -> Iterator[None]:
        """In the `with` block so much of every limit is all there is: the rest is for what comes after it."""
        limits = self._limits
        self._limits = {name: limit * share for name, limit in limits.items()}
        try:
            yield
        finally:
            self._limits = limits

    @property
    def left(self) -> Budget:
        """What is left of the budget, for a run that counts anew. Raises `BudgetError` if nothing is."""
        if (spent := self.spent) is not None:
            raise BudgetError(f"the budget is spent ({spent}): allow more")
        used = self._used()
        rest: dict[str, Any] = {name: limit - used[name] for name, limit in self._limits.items()}
        return dataclasses.replace(self.budget, **rest)

    @property
    def must_wait(self) -> bool:
        """Whether calls under way may use up the tokens or the cost that are left.

        They are taken to use as many tokens as those before them on average. What they use is known when they end.
        """
        if self.under_way == 0:
            return False
        expected = self._used(1 + self.under_way / max(self.costs.calls - self.under_way, 1))
        return any(expected[name] >= self._limits.get(name, math.inf) for name in ("max_tokens", "max_cost"))

    def _used(self, times: float = 1) -> dict[str, float]:
        """What was used of all that a budget may limit, with so many times the tokens."""
        costs, price, seconds = self.costs, self.budget.price, self.seconds
        tokens = times * costs.prompt_tokens, times * costs.completion_tokens
        cost = 0.0 if price is None else price.of(*tokens, seconds)
        return {"max_calls": costs.calls, "max_seconds": seconds, "max_tokens": sum(tokens), "max_cost": cost}
