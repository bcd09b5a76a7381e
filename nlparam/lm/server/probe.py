"""What a server can do, learnt from its first answers; and the one way labels are best read from it."""

import asyncio
import base64
import dataclasses
import json
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nlparam.lm.base import Message, Request, spellings
from nlparam.lm.server.errors import RefusalError

TOP_LOGPROBS = 20  # the most that OpenAI and vLLM give by default
_SMALLER = (10, 5, 2)  # what is asked where 20 is refused without saying how many there may be
_NO_THINKING = {"enable_thinking": False}  # vLLM and llama-server; others may refuse the field
# How models open their thoughts: Qwen, DeepSeek and many others; Mistral; gpt-oss.
_THOUGHT = re.compile(r"\s*(?:<think|<thought|\[THINK\]|<\|channel\|>|<reasoning)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What a server can do, as `ServerModel.capabilities` has found by trying.

    `label_tokens` are the ways to write each label as one token, `None` where the server cannot tell. `top_logprobs` is
    how many of the likeliest tokens it lists (0: none); with `logprob_token_ids` it gives the exact log-probability of
    chosen tokens. `thinks`: the model thinks aloud although asked not to. `label_probability` is how likely a label is
    the first token of its answer to a plain yes-or-no question. `images`: it could name the colours of images.
    `context` is the longest prompt in tokens, where the server says so. `calls` is how many completions it took.
    """

    model: str
    label_tokens: dict[str, tuple[str, ...]] | None
    logprob_token_ids: bool
    top_logprobs: int
    structured_outputs: bool
    response_format: bool
    chat_template_kwargs: bool
    thinks: bool
    label_probability: float
    images: bool
    context: int | None
    calls: int

    @property
    def reads_labels(self) -> str:
        """How judgments are read, in words."""
        if self.thinks or not (self.top_logprobs or self.logprob_token_ids):
            return "not at all"
        if self.logprob_token_ids:
            return "exact log-probabilities of the label tokens"
        return f"the {self.top_logprobs} likeliest tokens"


@dataclasses.dataclass
class Dialect:
    """The fields to send to one server: everything useful at first, then what it took.

    `accepted` and `refused` learn from what came back. `refused` is called on a copy: a request that is refused
    whatever its fields says nothing about them.
    """

    template_kwargs: bool = True
    top_logprobs: int = TOP_LOGPROBS
    exact: bool | None = None  # whether `logprob_token_ids` is honoured; None: not known yet
    token_ids: dict[tuple[str, ...], tuple[int, ...]] = dataclasses.field(default_factory=dict)
    _tails: dict[tuple[str, ...], bytes] = dataclasses.field(default_factory=dict)
    _known: bool = False

    def knows(self, request: Request) -> bool:
        """Whether a request like this one has been accepted as it is."""
        return self._known if request.labels is None else request.labels in self._tails

    def reads_exactly(self, request: Request) -> bool:
        """Whether the tokens of this request's labels are asked for by number."""
        return bool(self.exact) and request.labels is not None and bool(self.token_ids.get(request.labels))

    def fresh(self, *, exact: bool) -> "Dialect":
        """The same knowledge but for `exact`, with every request still to be tried."""
        return dataclasses.replace(self, exact=exact, _tails={}, _known=False)

    def copy(self) -> "Dialect":
        return dataclasses.replace(self, token_ids=dict(self.token_ids), _tails=dict(self._tails))

    def body(self, model: str, request: Request) -> bytes:
        """The request as JSON. What is the same in all label reads is written once; images are read from the disk."""
        messages = json.dumps([{"role": message.role, "content": _content(message)} for message in request.messages])
        tail = None if request.labels is None else self._tails.get(request.labels)
        if tail is None:
            tail = _tail({"model": model, **self._fields(request)})
        return b'{"messages": ' + messages.encode() + tail

    async def write(self, model: str, request: Request) -> bytes:
        """The same off the event loop if there are images: to decode and scale them takes long."""
        return await asyncio.to_thread(self.body, model, request) if request.has_images else self.body(model, request)

    def accepted(self, model: str, request: Request, top: Sequence[tuple[str, float]] = ()) -> None:
        """Such a request was answered, a label read with these tokens."""
        self._known = True
        if request.labels is None:
            return
        ids = self.token_ids.get(request.labels)
        if self.exact is None and ids:
            # Honoured, the field replaces the likeliest tokens by the chosen ones, and the sampled one comes with them.
            folded = {label.strip().casefold() for label in request.labels}
            chosen = sum(token.strip().casefold() in folded for token, _ in top)
            told_apart = self.top_logprobs > len(ids) + 1 or len(top) > self.top_logprobs
            self.exact = told_apart and len(ids) <= chosen and len(top) <= len(ids) + 1
        self._tails[request.labels] = _tail({"model": model, **self._fields(request)})

    def refused(self, said: str) -> bool:
        """Gives up what the server refused; whether there is something to try again without."""
        exact = self.exact is None and any(self.token_ids.values())
        named_exact = exact and "logprob_token_ids" in said
        named_template = self.template_kwargs and ("chat_template_kwargs" in said or "enable_thinking" in said)
        if not (named_exact or named_template) and "logprobs" in said and self.top_logprobs:
            self.top_logprobs = self._fewer(said)
            return True
        # A server that does not say what it minds is asked again without anything that OpenAI does not know.
        unsaid = not (named_exact or named_template)
        again = named_exact or named_template or (unsaid and (exact or self.template_kwargs))
        if named_exact or unsaid:
            self.exact = False
        if named_template or unsaid:
            self.template_kwargs = False
        return again

    def _fewer(self, said: str) -> int:
        allowed = [int(number) for number in re.findall(r"\d+", said) if 1 < int(number) < self.top_logprobs]
        smaller = [number for number in _SMALLER if number < self.top_logprobs]
        return max(allowed) if allowed else (smaller[0] if smaller else 0)

    def _fields(self, request: Request) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if request.labels is not None:
            fields |= {"max_completion_tokens": 1, "temperature": 0, "logprobs": True}
            ids = self.token_ids.get(request.labels)
            if ids and self.exact is not False:
                fields["logprob_token_ids"] = list(ids)
            if not (ids and self.exact):
                fields["top_logprobs"] = self.top_logprobs
        else:
            fields |= {"max_completion_tokens": request.max_tokens, "temperature": request.temperature}
            fields["seed"] = request.seed
        if self.template_kwargs:
            fields["chat_template_kwargs"] = _NO_THINKING
        return fields


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


def _content(message: Message) -> str | list[dict[str, Any]]:
    """Content parts where there are images; else a string, which every server takes."""
    if not message.images:
        return message.content
    parts: list[dict[str, Any]] = []
    for image in message.images:
        encoded = base64.b64encode(image.read()).decode()
        where: dict[str, str] = {"url": f"data:{image.media_type};base64,{encoded}"}
        if image.detail != "auto":
            where["detail"] = image.detail
        parts.append({"type": "image_url", "image_url": where})
    return [*parts, {"type": "text", "text": message.content}]


def _tail(fields: dict[str, Any]) -> bytes:
    return b", " + json.dumps(fields).encode()[1:]
