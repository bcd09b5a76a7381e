"""Streams as the proxy of a guard holds them: nothing passes before it was looked at, and events are read whole."""

import asyncio
import contextlib
import json
import threading
import time
from typing import Any

import numpy as np
import pytest

from nlparam.guard.scoring import Scorer, ScreenError
from nlparam.guard.streams import HeldStream, UpstreamError, events_of, strings_in
from nlparam.guard.windows import GrowingText, windows_of
from tests.helpers.guard_parts import between, sentence

_RNG = np.random.default_rng(11)
BENIGN = " ".join(sentence("benign", _RNG, 60) for _ in range(2))
SECRET = sentence("dosage", _RNG, 60)


def _chunk(text: str, index: int = 0, reason: str | None = None) -> str:
    return json.dumps({"id": "a", "choices": [{"index": index, "delta": {"content": text}, "finish_reason": reason}]})


def test_a_held_stream_is_bounded_and_keeps_the_order():
    held = HeldStream()
    sent, passed = [], []
    for number in range(2000):
        # Text of one choice, then nothing but empty chunks: they wait for a look, but not for ever.
        chunk = _chunk("word" if number == 0 else "", index=number % 3)
        sent.append(chunk)
        for index, look in held.add(chunk):
            held.clear(index, look)
        passed += held.ready()
        assert len(held._held) <= 257
    for index, look in held.rest():
        held.clear(index, look)
    assert passed + held.ready() == sent
    assert not held.finished


def test_no_chunk_goes_before_all_its_text_was_looked_at():
    held = HeldStream()
    looks = held.add(_chunk("one two three four five six seven eight nine "))
    ((index, look),) = looks
    assert held.ready() == []
    held.clear(index, look)
    assert held.ready() == []  # the look has seen eight words, the chunk has nine
    ((index, last),) = held.add(_chunk("", reason="stop"))
    assert last.window.endswith("nine")
    held.clear(index, last)
    assert len(held.ready()) == 2
    assert held.finished


def test_every_text_of_a_chunk_is_screened():
    delta = {
        "role": "assistant", "content": "a", "reasoning_content": "b", "refusal": None,
        "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "c", "arguments": "d"}}],
    }  # fmt: skip
    assert strings_in(delta) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "data", ["[1]", "{", '{"choices": 3}', '{"choices": ["x"]}', '{"error": "gone"}', '{"choices": [{"index": "x"}]}']
)
def test_an_event_that_is_no_chunk_is_an_error_of_the_upstream(data):
    with pytest.raises(UpstreamError):
        HeldStream().add(data)


def test_events_are_read_however_they_are_parted():
    raw = b': hi\n\nevent: x\ndata: {"a":\ndata: 1}\r\n\r\ndata: last'

    async def read(size: int) -> list[str | None]:
        async def parts():
            for start in range(0, len(raw), size):
                yield raw[start : start + size]

        return [data async for data in events_of(parts())]

    for size in (1, 2, 5, 100):
        assert asyncio.run(read(size)) == [None, '{"a":\n1}']

    async def flood() -> None:
        async def parts():
            while True:
                yield b"data: " + b"x" * 2**16

        async for _ in events_of(parts()):
            pass

    with pytest.raises(UpstreamError, match="more than 1 MiB"):
        asyncio.run(flood())


@pytest.mark.slow
def test_the_scorer_batches_and_remembers():
    sizes = []
    screen = between().screen

    class Counting:
        def window_scores(self, windows, role):
            sizes.append(len(windows))
            time.sleep(0.01)
            return screen.window_scores(windows, role)

        def verdict(self, scores):
            return screen.verdict(scores)

    async def test() -> None:
        scorer: Any = Scorer(Counting())  # pyright: ignore[reportArgumentType] - as much of a screen as is used
        await scorer.start()
        n_windows = 1 + 50 * len(windows_of(f"{SECRET} 7"))  # the first loads the embedder
        verdicts = await asyncio.gather(*(scorer.message(f"{SECRET} {number}", "input") for number in range(50)))
        assert all(verdict.refused for verdict in verdicts)
        assert sum(sizes) == n_windows
        assert len(sizes) < 15
        again = await scorer.message(f"{SECRET} 7", "input")
        assert again == verdicts[7]
        assert sum(sizes) == n_windows
        assert await scorer.message("  ", "input") is None
        await scorer.close()

    asyncio.run(test())


class _Screened:
    """As much of a screen as the scorer uses; it keeps the batches, and fails for what holds the word "bad"."""

    def __init__(self):
        self.batches: list[list[str]] = []

    def window_scores(self, windows, role):
        del role
        self.batches.append(windows)
        if any("bad" in window.split() for window in windows):
            raise TypeError("no text")
        return np.zeros((len(windows), 1))

    def verdict(self, scores):
        return float(scores[0])


def _scored(texts: list[str]) -> tuple[list, list[list[str]]]:
    """What comes of messages that are sent at once, and the batches after the first, which loads the embedder."""

    async def run() -> list:
        scorer = Scorer(screen)  # pyright: ignore[reportArgumentType] - as much of a screen as is used
        await scorer.start()
        said = await asyncio.gather(*(scorer.message(text, "input") for text in texts), return_exceptions=True)
        await scorer.close()
        return said

    screen = _Screened()
    return asyncio.run(run()), screen.batches[1:]


def test_what_cannot_be_scored_fails_alone():
    said, batches = _scored(["one", "a bad one", "another"])
    assert len(batches[0]) == 3
    assert said[::2] == [0.0, 0.0]
    assert isinstance(said[1], ScreenError)
    assert isinstance(said[1].__cause__, TypeError)


def test_a_long_text_does_not_hold_up_a_short_one():
    long = " ".join(f"w{number}" for number in range(20_000))
    said, batches = _scored([long, "a short one"])
    assert said == [0.0, 0.0]
    assert len(batches) > 10
    assert batches[1] == ["a short one"]
    assert [window for batch in batches for window in batch if batch is not batches[1]] == windows_of(long)


def test_what_is_scored_of_a_long_text_keeps_no_other_away(monkeypatch):
    monkeypatch.setattr("nlparam.guard.scoring._MOST_WAITING", 100)
    long, goes_on = " ".join(f"w{number}" for number in range(2_000)), threading.Event()
    assert 64 < len(windows_of(long)) <= 100

    class Slow(_Screened):
        def window_scores(self, windows, role):
            scores = super().window_scores(windows, role)
            if len(self.batches) == 3:  # the last part of the long text
                goes_on.wait(30)
            return scores

    async def run() -> list:
        scorer = Scorer(screen)  # pyright: ignore[reportArgumentType] - as much of a screen as is used
        await scorer.start()
        first = asyncio.create_task(scorer.message(long, "input"))
        while len(screen.batches) < 3:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(scorer.message("word " * 500, "input"))
        await asyncio.sleep(0)
        goes_on.set()
        said = await asyncio.gather(first, second, return_exceptions=True)
        await scorer.close()
        return list(said)

    screen = Slow()
    assert asyncio.run(run()) == [0.0, 0.0]


def test_a_stream_of_pieces_is_as_long_as_its_text():
    growing = GrowingText()
    with contextlib.suppress(StopIteration):
        growing.feed(BENIGN)
    last = growing.look()
    assert last is not None
    assert last.n_characters == len(BENIGN)
