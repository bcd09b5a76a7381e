"""A streamed answer, held back until the screen has seen its text; no network in here but reading events."""

import collections
import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, NamedTuple

from nlparam.guard.windows import GrowingText, Look

MOST_EVENT_BYTES = 2**20
_MOST_CHOICES = 128
_MOST_HELD = 256  # chunks; more than fit between two looks unless some of them carry no text
# What a chunk says about itself, which is no text of the model.
_NO_TEXT = frozenset({"role", "id", "type", "index"})


class UpstreamError(Exception):
    """The upstream died, or sent something that is no stream of chat completion chunks."""


async def events_of(content: AsyncIterable[bytes]) -> AsyncIterator[str | None]:
    """The data of server-sent events; `None` for a comment, which keeps a connection alive.

    Raises `UpstreamError` for an event of more than a MiB.
    """
    buffer, data = b"", []
    size = 0
    async for part in content:
        buffer += part
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
                size += len(line)
            elif line.startswith(b":"):
                yield None
            elif not line and data:
                yield b"\n".join(data).decode("utf-8", errors="replace")
                data, size = [], 0
        if size + len(buffer) > MOST_EVENT_BYTES:
            raise UpstreamError("an event of the stream has more than 1 MiB")
    if data:  # some servers leave out the last empty line
        yield b"\n".join(data).decode("utf-8", errors="replace")


def strings_in(value: Any) -> list[str]:
    """All text in a part of a chunk or message, in order: content, refusal, reasoning, arguments of tools."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for name, item in value.items() if name not in _NO_TEXT for text in strings_in(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings_in(item)]
    return []


class _Held(NamedTuple):
    """A chunk: its data, the ends of all texts once it is there, and the choices that it ends."""

    data: str
    ends: dict[int, int]
    ended: list[int]


class HeldStream:
    """The chunks of one answer in their order, each held until all text up to its end was looked at.

    What is held is the text since the last look, at most 12 pieces of a choice, in at most 256 chunks: then there is a
    look out of turn.
    """

    def __init__(self):
        self.first: dict[str, Any] = {}  # the fields of the first chunk, to make a last one by
        self._texts: dict[int, GrowingText] = {}
        self._cleared: dict[int, int] = {}
        self._finished: set[int] = set()  # choices that the upstream has ended
        self._told: set[int] = set()  # those whose end was passed on
        self._held: collections.deque[_Held] = collections.deque()

    @property
    def finished(self) -> bool:
        """Whether the upstream has ended every choice."""
        return bool(self._texts) and len(self._finished) == len(self._texts)

    @property
    def unfinished(self) -> list[int]:
        """The choices whose end was not passed on; the first if there are none at all."""
        return sorted(self._texts.keys() - self._told) if self._texts else [0]

    def add(self, data: str) -> list[tuple[int, Look]]:
        """Holds a chunk, and returns the looks that are due, each with its choice. Raises `UpstreamError`."""
        chunk = _parse(data)
        if not self.first:
            self.first = {name: chunk.get(name) for name in ("id", "created", "model", "system_fingerprint")}
        looks: list[tuple[int, Look]] = []
        ended = []
        for choice in chunk["choices"]:
            index = choice.get("index", 0)
            if not isinstance(index, int) or not (index in self._texts or len(self._texts) < _MOST_CHOICES):
                raise UpstreamError(f"a chunk of the stream has the choice {index!r:.40}")
            text = self._texts.setdefault(index, GrowingText())
            for part in strings_in(choice.get("delta")) + strings_in(choice.get("text")):
                looks += [(index, look) for look in text.feed(part)]
            if choice.get("finish_reason") is not None:
                ended.append(index)
                looks += self._rest([index])
        self._finished.update(ended)
        self._held.append(_Held(data, {index: text.n_fed for index, text in self._texts.items()}, ended))
        return looks if len(self._held) <= _MOST_HELD else looks + self.rest()

    def rest(self) -> list[tuple[int, Look]]:
        """Looks at all text that was not looked at."""
        return self._rest(list(self._texts))

    def clear(self, index: int, look: Look) -> None:
        """What a look has seen may go."""
        self._cleared[index] = max(self._cleared.get(index, 0), look.n_characters)

    def ready(self) -> list[str]:
        """The chunks that may go; they are held no longer."""
        ready = []
        while self._held and all(end <= self._cleared.get(index, 0) for index, end in self._held[0].ends.items()):
            chunk = self._held.popleft()
            self._told.update(chunk.ended)
            ready.append(chunk.data)
        return ready

    def _rest(self, indices: list[int]) -> list[tuple[int, Look]]:
        looks = [(index, self._texts[index].look()) for index in indices]
        return [(index, look) for index, look in looks if look is not None]


def final_chunk(first: dict[str, Any], indices: list[int]) -> str:
    """The data of a last chunk for these choices, which says why they end."""
    choices = [{"index": i, "delta": {}, "logprobs": None, "finish_reason": "content_filter"} for i in indices]
    return json.dumps(first | {"object": "chat.completion.chunk", "choices": choices})


def _parse(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UpstreamError(f"an event of the stream is not JSON: {data[:80]!r}") from error
    if isinstance(chunk, dict) and "error" in chunk and not chunk.get("choices"):
        raise UpstreamError(f"the upstream reports an error: {json.dumps(chunk['error'])[:300]}")
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise UpstreamError(f"an event of the stream is no chunk of a chat completion: {data[:80]!r}")
    return chunk
