"""What a server's refusal means: worth another try, the end of this request, or the end of the run."""

import contextlib
import email.utils
import json
import re
import time

from nlparam.errors import LanguageModelError
from nlparam.lm.base import RequestError, TransientError, reads_no_images

_TRANSIENT = frozenset({408, 409, 425, 429})  # and everything from 500
_OVERLOADED = frozenset({429, 503, 529})  # 529 is Anthropic's
AWAY = frozenset({502, 503, 504})  # a proxy without its server, or a server that still loads its model
# vLLM; llama-server, new and old; OpenAI and others.
_TOO_LONG = re.compile(
    r"maximum context length|context_length|exceed_context_size|available context size|max_model_len"
    r"|too large to process|request_too_large|(?:prompt|input) is too long|maximum model length",
    re.IGNORECASE,
)
# vLLM; llama-server, new and old; OpenAI; servers whose messages are strings (llama-cpp-python and others).
_NO_IMAGES = re.compile(
    r"not a multimodal model|at most 0 image|image input is not supported|not compiled for multimodal"
    r"|unsupported content part type|image_url is only supported by|does not support image|no vision support"
    r"|content.{0,80}input should be a valid string|can only concatenate str",
    re.IGNORECASE | re.DOTALL,
)


# OpenAI (429), OpenRouter (402), Anthropic (400): whoever tries again gets the same answer.
_UNPAID = re.compile(
    r"insufficient_quota|exceeded your current quota|insufficient (?:credits|balance)|credit balance is too low",
    re.IGNORECASE,
)
# A model, or whoever serves it, that gives no log-probabilities (OpenAI says so with 403, OpenRouter with 404).
_FIELD_REFUSED = re.compile(r"logprobs|no endpoints found that (?:can handle|support)", re.IGNORECASE)


class OverloadError(TransientError):
    """The server has more to do than it can (429, 503, or no answer in time): ask again later, and less at once."""


class NoLogprobsError(LanguageModelError):
    """An answer came without the log-probabilities that were asked for."""


class ThinksAloudError(LanguageModelError):
    """The first token of an answer is that of a thought."""


class NoRoomError(RequestError):
    """The tokens of an answer ran out before there was any text."""


class RefusalError(RequestError):
    """A request was refused as malformed (400, 422); `said` is the server's message, which may name the field."""

    def __init__(self, message: str, said: str):
        super().__init__(message)
        self.said = said


def status_error(
    status: int,
    body: bytes,
    retry_after: str | None,
    *,
    where: str,
    how_to_start: str,
    variable: str,
    secret: str | None = None,
) -> Exception:
    """The exception for an answer that is not 200.

    `variable` is what the key is set with; a server that repeats the `secret` itself is not quoted with it.
    """
    said = message_of(body)
    said = said.replace(secret, "***") if secret else said
    if _TOO_LONG.search(said):
        return RequestError(
            f"a prompt is longer than {where} can read ({status}: {said}): show the model fewer words of a text "
            "(n_words), or give the server a longer context (`vllm serve --max-model-len N`, `llama-server -c N`)"
        )
    if _NO_IMAGES.search(said):  # some servers answer 500 then: trying again would be no use
        return reads_no_images(where, f"{status}: {said}")
    if status == 402 or _UNPAID.search(said):
        return LanguageModelError(
            f"{where} wants to be paid first ({status}: {said}): add credit to the account, then run the same command "
            "again: what was answered is kept"
        )
    if status in (403, 404) and _FIELD_REFUSED.search(said):
        return RefusalError(f"{where} refused a request ({status}): {said}", said)
    if status in _TRANSIENT or status >= 500:
        kind = OverloadError if status in _OVERLOADED else TransientError
        return kind(f"{where} answered {status}: {said}", retry_after=seconds(retry_after))
    if status in (401, 403):
        return LanguageModelError(f"{where} refused the API key ({status}): set {variable} to a valid one")
    if status in (404, 405):
        return LanguageModelError(
            f"{where} answered {status} ({said}): the address usually ends in /v1; {how_to_start}"
        )
    refused = f"{where} refused a request ({status}): {said}"
    return RefusalError(refused, said) if status in (400, 422) else RequestError(refused)


def message_of(body: bytes) -> str:
    """What the server said, whatever the form: `{"error": {"message"}}`, `{"error": ""}`, `{"detail"}` or plain."""
    text = body[:4000].decode(errors="replace")
    try:
        content = json.loads(body)
    except ValueError:
        return text[:300]
    if isinstance(content, dict):
        inner = content.get("error") or content.get("detail") or content.get("message") or content
        text = inner.get("message") if isinstance(inner, dict) and inner.get("message") else inner
    return (text if isinstance(text, str) else json.dumps(text))[:300]


def seconds(retry_after: str | None) -> float | None:
    """The header Retry-After: a number of seconds or a date."""
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, float(retry_after or ""))
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, email.utils.parsedate_to_datetime(retry_after or "").timestamp() - time.time())
    return None
