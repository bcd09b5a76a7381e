"""Finds out what a server can do, for people (`nlparam doctor`); a judgment needs less, and learns it on the way."""

import dataclasses
import hashlib
import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from nlparam.errors import LanguageModelError
from nlparam.lm.base import Image, Message, Request, label_logprobs
from nlparam.lm.server import answers, messages_api
from nlparam.lm.server.dialect import Dialect, first_answer, label_tokens, numbers
from nlparam.lm.server.errors import RefusalError

_QUESTION = Message("user", "Is two plus two equal to four? Answer yes or no.")
_COLOURS = {"red": b"\xff\x00\x00", "blue": b"\x00\x00\xff"}
_WORD = "nlparam"  # no model says this by itself
# Fields that leave a vLLM server no other answer than the word, and a server no other than `{"answer": WORD}`.
_CHOICE = {"structured_outputs": {"choice": [_WORD]}, "max_completion_tokens": 16}
_ANSWER = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": [_WORD]}},
    "required": ["answer"],
    "additionalProperties": False,
}
_SCHEMA = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": _ANSWER, "strict": True}},
    "max_completion_tokens": 32,
}

Ask = Callable[[bytes], Awaitable[bytes]]
Tokenize = Callable[[str], Awaitable[list[int] | None]]


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


async def survey(
    model: str, labels: tuple[str, ...], context: int | None, dialect: Dialect, ask: Ask, tokenize: Tokenize
) -> Capabilities:
    """Tries out one thing after another.

    **Arguments:** `dialect`, what is sent at first; `ask` sends a completion and returns the answer, or raises;
    `tokenize` returns the numbers of the tokens of a text, `None` where the server cannot.
    """
    calls = 0

    async def counted(body: bytes) -> bytes:
        nonlocal calls
        calls += 1
        return await ask(body)

    found = await label_tokens(labels, tokenize) if dialect.tokenizes else None
    request = Request((_QUESTION,), labels=labels)
    dialect = dialect.copy()
    dialect.token_ids = {labels: numbers(found)}
    choice, read = await _read(model, request, dialect, counted)
    exact = bool(dialect.exact)
    if exact:  # the likeliest tokens were not listed, so they are asked for once more
        dialect = dialect.fresh(exact=False)
        choice, read = await _read(model, request, dialect, counted)
    if read is None and choice and not dialect.in_text and not answers.reasons(choice.get("message") or {}):
        dialect = dialect.fresh(exact=False)
        dialect.in_text = True
        choice, read = await _read(model, request, dialect, counted)
    first, top = read or ("", [])
    logprobs = answers.label_in_text(labels, _text(choice)) if dialect.in_text else label_logprobs(labels, top)
    openai = not dialect.messages_api  # whose fields these are
    message = choice.get("message") or {}
    return Capabilities(
        model=model,
        label_tokens=None if found is None else {label: tuple(tokens) for label, tokens in found.items()},
        logprob_token_ids=exact,
        top_logprobs=min(dialect.top_logprobs, len(top)),
        structured_outputs=openai and await _obeys(model, _CHOICE, counted),
        response_format=openai and await _obeys(model, _SCHEMA, counted),
        chat_template_kwargs=dialect.template_kwargs,
        thinks=answers.is_thought(first, message, logprobs),
        in_text=dialect.in_text,
        label_probability=min(1.0, answers.mass(logprobs)),
        images=await _sees(model, dialect, counted),
        context=context,
        calls=calls,
    )


async def _read(
    model: str, request: Request, dialect: Dialect, ask: Ask
) -> tuple[dict, tuple[str, answers.Tokens] | None]:
    """The choice that a label read returns, empty if the server refuses it whatever the fields; and its tokens."""
    try:
        choice = _choice(await first_answer(model, request, dialect, ask), dialect)
    except RefusalError:
        return {}, None
    read = None if dialect.in_text else answers.top_tokens(choice)
    dialect.accepted(model, request, read[1] if read is not None else ())
    return choice, read


async def _obeys(model: str, fields: dict[str, Any], ask: Ask) -> bool:
    """Whether the fields made the server say the word. Many servers ignore fields they do not know."""
    asked = {"model": model, "messages": [{"role": _QUESTION.role, "content": _QUESTION.content}], "temperature": 0}
    try:
        return _WORD in _text(_choice(await ask(json.dumps(asked | fields).encode())))
    except RefusalError:
        return False


async def _sees(model: str, dialect: Dialect, ask: Ask) -> bool:
    """Whether the model names the colours of two images. Some servers take images and pass over them in silence."""
    for colour, pixel in _COLOURS.items():
        data = _plain_png(pixel)
        image = Image(hashlib.sha256(data).hexdigest(), lambda data=data: data, "image/png")
        question = Message("user", f"Is this image {' or '.join(_COLOURS)}? Answer with one word.", (image,))
        try:
            body = await ask(dialect.body(model, Request((question,), max_tokens=8)))
            said = _text(_choice(body, dialect)).casefold()
        except LanguageModelError:
            return False
        if [name for name in _COLOURS if name in said] != [colour]:
            return False
    return True


def _plain_png(pixel: bytes, side: int = 64) -> bytes:
    """A square of one colour; smaller ones are refused by some vision-language models."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\x00" + pixel * side) * side)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _choice(body: bytes, dialect: Dialect | None = None) -> dict:
    try:
        answer = json.loads(body)
        answer = messages_api.as_chat(answer) if dialect is not None and dialect.messages_api else answer
        choice = answer["choices"][0]
    except (ValueError, LookupError, TypeError):
        return {}
    return choice if isinstance(choice, dict) else {}


def _text(choice: dict) -> str:
    said = (choice.get("message") or {}).get("content")
    return said if isinstance(said, str) else ""
