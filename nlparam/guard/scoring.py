"""Scores windows of all clients together, in one thread beside the event loop."""

import asyncio
import collections
import concurrent.futures
from collections.abc import Sequence

import numpy as np

from nlparam.corpus.corpus import text_digest, whole_characters
from nlparam.guard.screen import Screen, Verdict
from nlparam.guard.windows import n_windows, windows_of

_BATCH = 64
_MOST_WAITING = 8192  # windows
_REMEMBERED = 4096  # verdicts on messages: those of a conversation come again with every turn
MOST_WINDOWS = 2048  # of one message


class TooLongError(Exception):
    """A message has more text than is screened."""


class OverloadedError(Exception):
    """More windows wait than are accepted."""


class ScreenError(Exception):
    """The screen failed, so what was to be looked at was not."""


class Scorer:
    """Scores of windows for many clients: what is asked at about the same time is one batch.

    To be used inside one event loop, between `start` and `close`. Memory: at most 8,192 windows of messages wait, and
    those of the streams, each of which waits for its own; 4,096 verdicts are remembered by the digest of their message.
    """

    def __init__(self, screen: Screen):
        self._screen = screen
        self._waiting: collections.deque[tuple[str, list[str], asyncio.Future]] = collections.deque()
        self._n_waiting = 0
        self._woken = asyncio.Event()
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="nlparam-guard")
        self._worker: asyncio.Task | None = None
        self._remembered: collections.OrderedDict[tuple[str, str], Verdict] = collections.OrderedDict()

    async def start(self) -> None:
        """Loads the embedder, so that the first client does not wait for it."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._screen.window_scores, ["a first text"], "input")
        self._worker = asyncio.create_task(self._work(), name="guard scorer")

    async def close(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        for _, _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def message(self, text: str, role: str) -> Verdict | None:
        """The verdict on a whole message; `None` for a blank one.

        Raises `TooLongError`, `OverloadedError` and `ScreenError`.
        """
        key = (role, text_digest(whole_characters(text)))
        if (known := self._remembered.get(key)) is not None:
            self._remembered.move_to_end(key)
            return known
        if n_windows(text) > MOST_WINDOWS * 40:  # cheap, before a flood is cut into pieces
            raise TooLongError
        windows = windows_of(text)
        if len(windows) > MOST_WINDOWS:
            raise TooLongError
        if not windows:
            return None
        if self._n_waiting + len(windows) > _MOST_WAITING:
            raise OverloadedError
        verdict = self._screen.verdict((await self.windows(windows, role)).max(axis=0))
        self._remembered[key] = verdict
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return verdict

    async def windows(self, windows: Sequence[str], role: str) -> np.ndarray:
        """`(n_windows, n_rules)` scores. Raises `ScreenError`."""
        scores = []
        n_left = len(windows)
        self._n_waiting += n_left
        try:
            for start in range(0, len(windows), _BATCH):
                # One part after another: between them, short texts get their turn.
                part = list(windows[start : start + _BATCH])
                future = asyncio.get_running_loop().create_future()
                self._waiting.append((role, part, future))
                self._woken.set()
                scores.append(await future)
                n_left -= len(part)
                self._n_waiting -= len(part)
        except Exception as error:
            raise ScreenError("the screen failed") from error
        finally:
            self._n_waiting -= n_left
        return np.concatenate(scores)

    def verdict(self, scores: np.ndarray) -> Verdict:
        return self._screen.verdict(scores)

    async def _work(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting:
                role = self._waiting[0][0]
                batch: list[tuple[list[str], asyncio.Future]] = []
                n = 0
                while self._waiting and self._waiting[0][0] == role and n + len(self._waiting[0][1]) <= _BATCH:
                    _, part, future = self._waiting.popleft()
                    if not future.cancelled():  # its client has gone
                        batch.append((part, future))
                        n += len(part)
                if batch:
                    await self._score(role, batch)

    async def _score(self, role: str, batch: list[tuple[list[str], asyncio.Future]]) -> None:
        loop = asyncio.get_running_loop()
        windows = [window for part, _ in batch for window in part]
        try:
            scores = await loop.run_in_executor(self._thread, self._screen.window_scores, windows, role)
        # Whatever it is, it concerns the one who sent it, and nobody else in the batch.
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    await self._score(role, [one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        start = 0
        for part, future in batch:
            if not future.done():
                future.set_result(scores[start : start + len(part)])
            start += len(part)
