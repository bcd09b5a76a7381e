"""Finds out what a server can do, for people (`nlparam doctor`); a judgment needs less, and learns it on the way."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from nlparam.language.lm.base import Message, Request, label_logprobs
from nlparam.language.lm.server import probe
from nlparam.language.lm.server.errors import message_of
from nlparam.language.lm.server.probe import Capabilities, Dialect

_QUESTION = Message("user", "Is two plus two equal to four? Answer yes or no.")
_WORD = "nlparam"  # no model says this by itself

Ask = Callable[[bytes], Awaitable[tuple[int, bytes]]]
Tokenize = Callable[[str], Awaitable[list[int] | None]]


async def survey(
    model: str, labels: tuple[str, ...], context: int | None, ask: Ask, tokenize: Tokenize
) -> Capabilities:
    """Tries out one thing after another.

    **Arguments:** `ask` sends a completion and returns the status, 200, 400 or 422, and the body; `tokenize` returns
    the numbers of a text's tokens, `None` where the server cannot.
    """
    calls = 0

    async def counted(body: bytes) -> tuple[int, bytes]:
        nonlocal calls
        calls += 1
        return await ask(body)

    found = await probe.single_tokens(labels, tokenize)
    request = Request((_QUESTION,), labels=labels)
    ids = [number for label in found.values() for number in label.values()] if found and all(found.values()) else []
    dialect = Dialect(token_ids={labels: tuple(ids)})
    choice = await _read(model, request, dialect, counted)
    exact = bool(dialect.exact)
    if exact:  # the likeliest tokens were not listed, so they are asked for once more
        dialect = dialect.fresh(exact=False)
        choice = await _read(model, request, dialect, counted)
    read = probe.top_tokens(choice)
    first, top = read if read is not None else ("", [])
    mass = probe.mass(label_logprobs(labels, top))
    message = choice.get("message") or {}
    return Capabilities(
        model=model,
        label_tokens=None if found is None else {label: tuple(tokens) for label, tokens in found.items()},
        logprob_token_ids=exact,
        top_logprobs=min(dialect.top_logprobs, len(top)),
        structured_outputs=await _obeys(model, probe.choice_fields(_WORD), counted),
        response_format=await _obeys(model, probe.schema_fields(_WORD), counted),
        chat_template_kwargs=dialect.template_kwargs,
        thinks=probe.is_thought(first) or (probe.reasons(message) and mass < 0.01),
        label_probability=min(1.0, mass),
        context=context,
        calls=calls,
    )


async def _read(model: str, request: Request, dialect: Dialect, ask: Ask) -> dict:
    """The choice that a label read returns; empty if the server refuses it whatever the fields."""
    while True:
        status, body = await ask(dialect.body(model, request))
        if status == 200:
            choice = _choice(body)
            read = probe.top_tokens(choice)
            dialect.accepted(model, request, read[1] if read is not None else ())
            return choice
        if not dialect.refused(message_of(body)):
            return {}


async def _obeys(model: str, fields: dict[str, Any], ask: Ask) -> bool:
    """Whether the fields made the server say the word. Many servers ignore fields they do not know."""
    asked = {"model": model, "messages": [{"role": _QUESTION.role, "content": _QUESTION.content}], "temperature": 0}
    status, body = await ask(json.dumps(asked | fields).encode())
    said = (_choice(body).get("message") or {}).get("content") if status == 200 else None
    return isinstance(said, str) and _WORD in said


def _choice(body: bytes) -> dict:
    try:
        choice = json.loads(body)["choices"][0]
    except (ValueError, LookupError, TypeError):
        return {}
    return choice if isinstance(choice, dict) else {}
