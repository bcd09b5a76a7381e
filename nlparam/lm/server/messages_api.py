"""Anthropic's Messages API: what is different in it, as a form to write requests in and to read answers from."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

from nlparam.lm.base import Image, Message

VERSION = "2023-06-01"


def headers(key: str | None) -> dict[str, str]:
    """The headers of a request; `key` is sent in one of its own."""
    return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})


def written(messages: Sequence[Message]) -> dict[str, Any]:
    """The messages of a request. What the system says stands apart from them."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    turns = [{"role": one.role, "content": content(one, _image)} for one in messages if one.role != "system"]
    return ({"system": system} if system else {}) | {"messages": turns}


def as_chat(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer in the form of OpenAI's chat API. Raises as a wrong look-up does for anything else."""
    text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
    usage = answer.get("usage") or {}
    cached = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return {
        "model": answer.get("model"),
        "choices": [{"message": {"content": text}, "finish_reason": answer.get("stop_reason")}],
        "usage": {
            "prompt_tokens": sum(int(usage.get(name) or 0) for name in cached),
            "completion_tokens": usage.get("output_tokens"),
        },
    }


def content(message: Message, part: Callable[[Image, str], dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Parts where there are images, of which `part` makes each from its base64; else a string: all servers take one."""
    if not message.images:
        return message.content
    parts = [part(image, base64.b64encode(image.read()).decode()) for image in message.images]
    return [*parts, {"type": "text", "text": message.content}]


def _image(image: Image, data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": data}}
