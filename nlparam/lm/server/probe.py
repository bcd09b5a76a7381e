"""What a server can do, learnt from its first answers; and the one way labels are best read from it."""

import dataclasses
import math
import re
from collections.abc import Awaitable, Callable, Sequence

from nlparam.lm.base import Request, spellings
from nlparam.lm.server.dialect import Dialect
from nlparam.lm.server.errors import RefusalError

# How models open their thoughts: Qwen, DeepSeek and many others; Mistral; gpt-oss.
_THOUGHT = re.compile(r"\s*(?:<think|<thought|\[THINK\]|<\|channel\|>|<reasoning)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What a server can do, as `ServerModel.capabilities` has found by trying.

    `label_tokens` are the ways to write each label as one token, `None` where the server cannot tell. `top_logprobs` is
    how many of the likeliest tokens it lists (0: none); with `logprob_token_ids` it gives the exact log-probability of
    chosen tokens; `in_text`: it gives none, and labels are read from the words of an answer. `thinks`: the model thinks
    aloud although asked not to. `label_probability` is how likely a label is the first token of its answer to a plain
    yes-or-no question. `images`: it could name the colours of images. `context` is the longest prompt in tokens, where
    the server says so. `calls` is how many completions it took.
    """

    model: str
    label_tokens: dict[str, tuple[str, ...]] | None
    logprob_token_ids: bool
    top_logprobs: int
    structured_outputs: bool
    response_format: bool
    chat_template_kwargs: bool
    thinks: bool
    in_text: bool
    label_probability: float
    images: bool
    context: int | None
    calls: int

    @property
    def reads_labels(self) -> str:
        """How judgments are read, in words."""
        if self.in_text:
            return "the words of its answer: no log-probabilities, so a judgment is 0 or 1"
        if self.thinks or not (self.top_logprobs or self.logprob_token_ids):
            return "not at all"
        if self.logprob_token_ids:
            return "exact log-probabilities of the label tokens"
        return f"the {self.top_logprobs} likeliest tokens"


async def first_answer(
    model: str, request: Request, dialect: Dialect, ask: Callable[[bytes], Awaitable[bytes]]
) -> bytes:
    """The answer to the first request of its kind; `dialect` learns what the server refuses.

    Raises `RefusalError` if the request is refused whatever its fields.
    """
    while True:
        try:
            return await ask(await dialect.write(model, request))
        except RefusalError as refusal:
            if not dialect.refused(refusal.said):
                raise


def is_thought(token: str) -> bool:
    """Whether an answer that begins with this token is a thought."""
    return _THOUGHT.match(token) is not None


def reasons(message: dict) -> bool:
    """Whether the server took the answer for a thought. Some do so with any first token of a model that may think."""
    return bool(message.get("reasoning") or message.get("reasoning_content"))


def mass(logprobs: Sequence[float]) -> float:
    """The probability that the answer is one of the labels."""
    return sum(math.exp(value) for value in logprobs)


async def single_tokens(
    labels: Sequence[str], tokenize: Callable[[str], Awaitable[list[int] | None]]
) -> dict[str, dict[str, int]] | None:
    """For each label its spellings that are one token, with the token's number; `None` if the server cannot tell."""
    found: dict[str, dict[str, int]] = {}
    for label in labels:
        found[label] = {}
        for spelling in spellings(label):
            ids = await tokenize(spelling)
            if ids is None:
                return None
            if len(ids) == 1:
                found[label][spelling] = ids[0]
    return found


def numbers(found: dict[str, dict[str, int]] | None) -> tuple[int, ...]:
    """The numbers that `single_tokens` found; none if a label has no token of its own and cannot be read by number."""
    if not found or not all(found.values()):
        return ()
    return tuple(dict.fromkeys(number for label in found.values() for number in label.values()))


def top_tokens(choice: dict) -> tuple[str, list[tuple[str, float]]] | None:
    """The token a choice begins with and the tokens listed for its place; `None` without log-probabilities."""
    content = (choice.get("logprobs") or {}).get("content")
    first = content[0] if content else None
    if not first or not first["top_logprobs"]:
        return None
    top = []
    for entry in first["top_logprobs"]:
        # Null is what some servers make of minus infinity; the token that was said is possible.
        impossible = entry["logprob"] is None and entry["token"] != first["token"]
        top.append((str(entry["token"]), -math.inf if impossible else float(entry["logprob"])))
    return str(first["token"]), top
