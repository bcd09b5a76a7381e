"""What one server is sent: the fields it takes, everything useful at first, then what it took."""

import asyncio
import dataclasses
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nlparam.errors import LanguageModelError
from nlparam.lm.base import Image, Request, single_tokens, spellings
from nlparam.lm.server import messages_api
from nlparam.lm.server.errors import NoLogprobsError, NoRoomError, RefusalError, ThinksAloudError

TOP_LOGPROBS = 20  # the most that OpenAI and vLLM give by default
_SMALLER = (10, 5, 2)  # what is asked where 20 is refused without saying how many there may be
_NO_THINKING = {"enable_thinking": False}  # vLLM and llama-server; others may refuse the field
_TEXT_ANSWER = 16  # tokens for yes or no in text; a model may open with a word or two
_THOUGHTS = 4096  # tokens for a model that thinks whatever it is asked
_EFFORTS = ("none", "minimal", "low")  # of thinking, the least first
_LIMITS = ("max_completion_tokens", "max_tokens")
# OpenAI, OpenRouter, Gemini and their like, of a model without log-probabilities.
_NO_LOGPROBS = re.compile(r"not (?:allowed|supported|enabled|available)|not support|unsupported|no endpoints", re.I)
_NO_ROOM = re.compile(r"output limit was reached|higher max_(?:completion_)?tokens", re.IGNORECASE)


@dataclasses.dataclass
class Dialect:
    """The fields to send to one server.

    `accepted`, `refused` and `unreadable` learn from what came back. The last two are called on a copy: a request that
    is refused whatever its fields says nothing about them.

    **Attributes:**

    - `messages_api`: whether it is spoken to in Anthropic's form; all others take OpenAI's.
    - `limit`: the field for the most tokens; `temperature`, `seed`: whether it takes these; `effort`: how much it is
      told to think, `None` for nothing; `for_labels`: more fields for a label read.
    - `template_kwargs`, `top_logprobs`, `exact` (whether `logprob_token_ids` is honoured; `None` if not known yet),
      `token_ids`, `tokenizes`: how labels are read from log-probabilities.
    - `in_text`: labels are read from the words of an answer, because it gives no log-probabilities.
    - `may_think`: whether a model that thinks gets room for its thoughts; `thinks`: whether it does.
    """

    messages_api: bool = False
    limit: str = "max_completion_tokens"
    temperature: bool = True
    seed: bool = True
    effort: str | None = None
    for_labels: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    template_kwargs: bool = True
    top_logprobs: int = TOP_LOGPROBS
    exact: bool | None = None
    token_ids: dict[tuple[str, ...], tuple[int, ...]] = dataclasses.field(default_factory=dict)
    tokenizes: bool = True
    in_text: bool = False
    may_think: bool = False
    thinks: bool = False
    _tails: dict[tuple[str, ...], bytes] = dataclasses.field(default_factory=dict)
    _known: bool = False
    _limit_changed: bool = False

    def knows(self, request: Request) -> bool:
        """Whether a request like this one has been accepted as it is."""
        read = _read(request)
        return self._known if read is None else read in self._tails

    def reads_exactly(self, request: Request) -> bool:
        """Whether the tokens of this request's labels are asked for by number."""
        return bool(self.exact) and request.labels is not None and bool(self.token_ids.get(request.labels))

    def fresh(self, *, exact: bool | None) -> "Dialect":
        """The same knowledge but for `exact`, with every request still to be tried."""
        return dataclasses.replace(self, exact=exact, token_ids=dict(self.token_ids), _tails={}, _known=False)

    def copy(self) -> "Dialect":
        return dataclasses.replace(self, token_ids=dict(self.token_ids), _tails=dict(self._tails))

    def body(self, model: str, request: Request) -> bytes:
        """The request as JSON. What is the same in all reads of some labels is written once; images are read then."""
        if self.messages_api:
            head = messages_api.written(request.messages)
        else:
            turns = [{"role": one.role, "content": messages_api.content(one, _image)} for one in request.messages]
            head = {"messages": turns}
        read = _read(request)
        tail = None if read is None else self._tails.get(read)
        if tail is None:
            tail = _tail({"model": model, **self._fields(request)})
        return json.dumps(head).encode()[:-1] + tail

    async def write(self, model: str, request: Request) -> bytes:
        """The same off the event loop if there are images: to decode and scale them takes long."""
        return await asyncio.to_thread(self.body, model, request) if request.has_images else self.body(model, request)

    def accepted(self, model: str, request: Request, top: Sequence[tuple[str, float]] = ()) -> None:
        """Such a request was answered, a label read with these tokens."""
        self._known, read = True, _read(request)
        if read is None:
            return
        ids = self.token_ids.get(read)
        if self.exact is None and ids:
            # Honoured, the field replaces the likeliest tokens by the chosen ones, and the sampled one comes with them.
            folded = {label.strip().casefold() for label in read}
            chosen = sum(token.strip().casefold() in folded for token, _ in top)
            told_apart = self.top_logprobs > len(ids) + 1 or len(top) > self.top_logprobs
            self.exact = told_apart and len(ids) <= chosen and len(top) <= len(ids) + 1
        self._tails[read] = _tail({"model": model, **self._fields(request)})

    def refused(self, said: str) -> bool:
        """Gives up what the server refused; whether there is something to try again without."""
        if self._refused_by_name(said):
            return True
        exact = self.exact is None and any(self.token_ids.values())
        named_exact = exact and "logprob_token_ids" in said
        named_template = self.template_kwargs and ("chat_template_kwargs" in said or "enable_thinking" in said)
        names_logprobs = "logprobs" in said.lower() or (self.for_labels and "endpoints" in said)
        if not (named_exact or named_template) and names_logprobs and not self.in_text:
            self.top_logprobs = self._fewer(said)
            self.in_text = self.top_logprobs == 0
            return True
        # A server that does not say what it minds is asked again without anything that OpenAI does not know.
        unsaid = not (named_exact or named_template)
        again = named_exact or named_template or (unsaid and (exact or self.template_kwargs))
        if named_exact or unsaid:
            self.exact = False
        if named_template or unsaid:
            self.template_kwargs = False
        return again

    def unreadable(self, error: LanguageModelError) -> bool:
        """Learns from an answer that could not be read; whether there is another way to ask."""
        if isinstance(error, NoLogprobsError) and not self.in_text:
            self.in_text = True
            return True
        thinks = isinstance(error, ThinksAloudError | NoRoomError) and self.may_think and not self.thinks
        return thinks and self._let_it_think()

    def _let_it_think(self) -> bool:
        """Room for thoughts, as few as can be; the first token of a thought says nothing."""
        self.thinks = self.in_text = True
        self.effort = self.effort or _EFFORTS[0]
        self._tails, self._known = {}, False
        return True

    def _refused_by_name(self, said: str) -> bool:
        """Gives up, or changes, a field that the server names."""
        if self.may_think and not self.thinks and _NO_ROOM.search(said):
            return self._let_it_think()
        if self.effort is not None and "effort" in said:
            allowed = re.findall(r"'(\w+)'", said.partition("values are")[2])
            self.effort = next((effort for effort in _EFFORTS if effort in allowed and effort != self.effort), None)
            return True
        for name in ("temperature", "seed"):
            if getattr(self, name) and re.search(rf"\b{name}\b", said):
                setattr(self, name, False)
                return True
        if self.limit in said and not (self._limit_changed or self.messages_api):
            self._limit_changed = True
            self.limit = next(name for name in _LIMITS if name != self.limit)
            return True
        return False

    def _fewer(self, said: str) -> int:
        """How many tokens to ask for instead; 0 for a server that gives no log-probabilities at all."""
        allowed = [int(number) for number in re.findall(r"\d+", said) if 1 < int(number) < self.top_logprobs]
        if not allowed and _NO_LOGPROBS.search(said):
            return 0
        smaller = [number for number in _SMALLER if number < self.top_logprobs]
        return max(allowed) if allowed else (smaller[0] if smaller else 0)

    def _fields(self, request: Request) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        read = _read(request)
        if read is not None and not self.in_text:
            fields |= {self.limit: 1, "logprobs": True, **self.for_labels}
            ids = self.token_ids.get(read)
            if ids and self.exact is not False:
                fields["logprob_token_ids"] = list(ids)
            if not (ids and self.exact):
                fields["top_logprobs"] = self.top_logprobs
        else:
            most = request.max_tokens if read is None else _TEXT_ANSWER
            fields[self.limit] = most + (_THOUGHTS if self.thinks else 0)
            if self.seed and read is None:
                fields["seed"] = request.seed
        if self.temperature:
            fields["temperature"] = request.temperature if read is None else 0
        if self.template_kwargs:
            fields["chat_template_kwargs"] = _NO_THINKING
        if self.effort is not None:
            fields["reasoning_effort"] = self.effort
        return fields


def _read(request: Request) -> tuple[str, ...] | None:
    """The labels whose probabilities are read, none of them where a state is; `None` where text is generated."""
    return () if request.state else request.labels


def _image(image: Image, data: str) -> dict[str, Any]:
    detail = {} if image.detail == "auto" else {"detail": image.detail}
    return {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{data}"} | detail}


def _tail(fields: dict[str, Any]) -> bytes:
    return b", " + json.dumps(fields).encode()[1:]


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


async def label_tokens(
    labels: Sequence[str], tokenize: Callable[[str], Awaitable[list[int] | None]]
) -> dict[str, dict[str, int]] | None:
    """The `single_tokens` of labels; `None` if the server cannot tell."""
    tokens: dict[str, list[int]] = {}
    for form in dict.fromkeys(form for label in labels for form in spellings(label)):
        if (ids := await tokenize(form)) is None:
            return None
        tokens[form] = ids
    return single_tokens(labels, tokens.__getitem__)


def numbers(found: dict[str, dict[str, int]] | None) -> tuple[int, ...]:
    """The numbers that `label_tokens` found; none if a label has no token of its own and cannot be read by number."""
    if not found or not all(found.values()):
        return ()
    return tuple(dict.fromkeys(number for label in found.values() for number in label.values()))
