"""What clients send to the proxy, read as far as it can be screened."""

from typing import Any

from aiohttp import web

from nlparam.guard.streams import strings_in

MOST_BODY = 4 * 2**20  # bytes
# Roles of the user's side, and of the assistant's. Messages of the application itself (system, developer) are trusted.
_INPUT_ROLES, _OUTPUT_ROLES, _TRUSTED_ROLES = {"user", "tool", "function"}, {"assistant"}, {"system", "developer"}


class BadRequestError(Exception):
    """The request cannot be screened; the message goes to the client, with this status."""

    def __init__(self, message: str, status: int = 400, kind: str = "invalid_request_error"):
        super().__init__(message)
        self.status, self.kind = status, kind


async def read_request(request: web.Request) -> dict[str, Any]:
    """The body, with a list of messages. Raises `BadRequestError`."""
    try:
        body = await request.json()
    except web.HTTPRequestEntityTooLarge:
        raise BadRequestError(f"the request has more than {MOST_BODY // 2**20} MiB", 413) from None
    # The last two: it is compressed and damaged; there is no such charset.
    except (ValueError, RecursionError, web.RequestPayloadError, LookupError):
        raise BadRequestError("the request is not JSON") from None
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise BadRequestError("expected 'messages', a list of messages with role and content")
    return body


def texts_of(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What is screened of a conversation, with the role of each text. Raises `BadRequestError` for what cannot be."""
    texts = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or role not in _INPUT_ROLES | _OUTPUT_ROLES | _TRUSTED_ROLES:
            raise BadRequestError(f"got a message of the role {role!r:.40}, which the guard does not know")
        if role in _TRUSTED_ROLES:
            continue
        for part in content if isinstance(content, list) else []:
            if not isinstance(part, dict) or part.get("type") not in ("text", "refusal"):
                raise BadRequestError("the guard reads text only, and a message has a part of another type")
        try:
            said = strings_in({name: value for name, value in message.items() if name not in ("role", "tool_call_id")})
        except RecursionError:
            raise BadRequestError("a message is nested too deeply to be screened") from None
        texts.append(("output" if role in _OUTPUT_ROLES else "input", "\n".join(said)))
    return texts
