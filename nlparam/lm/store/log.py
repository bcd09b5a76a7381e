"""Looks for damage in SQLite's write-ahead log, which SQLite itself passes over in silence.

A frame with a wrong checksum ends the log for SQLite: transactions behind it are dropped, and overwritten by the next
write. After a crash that is right, because transactions are written one after another: nothing stands behind the one
that was not finished. The format is that of <https://sqlite.org/fileformat2.html#walformat>.
"""

import functools
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

_HEADER = struct.Struct(">8I")  # magic, version, page size, checkpoint number, salt 1 and 2, checksum 1 and 2
_FRAME_HEADER = 24  # page number, pages of the file after a commit (else 0), salt 1 and 2, checksum 1 and 2
_MAGIC = {0x377F0682: "<u4", 0x377F0683: ">u4"}  # which also says how the words of the checksums are read
_FRAMES_AT_ONCE = 512
_LOOKS = 5


def beside(path: Path, ending: str) -> Path:
    """The file that SQLite keeps beside a database: `-wal` or `-shm`."""
    return path.with_name(path.name + ending)


def lost_commits(path: Path) -> int:
    """How many committed transactions stand in the log of a database that SQLite cannot see; 1 if all or none may.

    To be called before SQLite opens the file, because SQLite empties a damaged log like any other when it is done. Also
    for that reason only the log is opened: to close the file itself again would end the locks that other connections
    of this process hold on it.
    """
    lost = _lost_commits(path)
    # Who reads while others write may see the beginning of one log and the end of the next. That does not last.
    for _ in range(_LOOKS - 1):
        if not lost:
            break
        time.sleep(0.05)
        lost = min(lost, _lost_commits(path))
    return lost


def _lost_commits(path: Path) -> int:
    try:
        with beside(path, "-wal").open("rb") as log:
            size = os.fstat(log.fileno()).st_size
            header = log.read(_HEADER.size)
            if size <= _HEADER.size:
                return 0
            # SQLite takes an empty file for a new one, and deletes the log.
            if not header_is_whole(header) or path.stat().st_size == 0:
                return 1
            return _lost_behind_damage(log, header)
    except OSError:  # there is no log, or no file that it belongs to
        return 0


def page_size(header: bytes) -> int | None:
    """The page size that the first 32 bytes of a log tell, if they are whole."""
    return _HEADER.unpack(header)[2] if header_is_whole(header) else None


def header_is_whole(header: bytes) -> bool:
    """Whether the first 32 bytes of a log are what SQLite wrote."""
    if len(header) < _HEADER.size:
        return False
    magic, _, size, *_ = _HEADER.unpack(header)
    if magic not in _MAGIC or size not in {1 << power for power in range(9, 17)}:
        return False
    sums = _checksums(np.zeros((1, 2), "u4"), np.frombuffer(header[:24], _MAGIC[magic]).reshape(1, 6))
    return tuple(sums[0].tolist()) == _HEADER.unpack(header)[6:]


def frames(log: IO[bytes], size: int) -> Iterator[np.ndarray]:
    """The frames of a log with pages of a size, `(n, 24 + size)` bytes at a time, without a last one cut off."""
    log.seek(_HEADER.size)
    length = _FRAME_HEADER + size
    n_whole = _FRAMES_AT_ONCE
    # Fewer are the end of the log, even if another process goes on to write: what is read next may begin in a frame.
    while n_whole == _FRAMES_AT_ONCE:
        block = log.read(_FRAMES_AT_ONCE * length)
        n_whole = len(block) // length
        if n_whole:
            yield np.frombuffer(block, np.uint8, n_whole * length).reshape(n_whole, length)


def _lost_behind_damage(log: IO[bytes], header: bytes) -> int:
    magic, _, size, _, *salts, _, _ = _HEADER.unpack(header)
    before = np.array([_HEADER.unpack(header)[6:]], "u4")
    whole, lost = True, 0
    for block in frames(log, size):
        # Frames of an earlier round have other salts. Those of a transaction rolled back are no commits.
        fields = np.ascontiguousarray(block[:, :_FRAME_HEADER]).view(">u4").astype("u4")
        ours = (fields[:, 2:4] == np.array(salts, "u4")).all(axis=1)
        right = ours
        if whole:
            words = np.hstack([block[:, :8], block[:, _FRAME_HEADER:]]).view(_MAGIC[magic])
            chain = np.vstack([before, fields[:-1, 4:]])
            right = ours & (_checksums(chain, words) == fields[:, 4:]).all(axis=1)
            before = fields[-1:, 4:]
        bad = 0
        if whole:
            whole = bool(right.all())
            bad = len(block) if whole else int(np.argmin(right))
        lost += int((ours[bad:] & (fields[bad:, 1] != 0)).sum())
    # One alone may be the transaction that a killed process could not finish: its head, or its checksums.
    return lost if lost > 1 else 0


def _checksums(before: np.ndarray, words: np.ndarray) -> np.ndarray:
    """SQLite's checksums of rows of words, each begun with the pair of sums `before` it.

    The sums run as s += x + t, t += y + s over pairs (x, y) of words modulo 2^32: linear, so one product does it.
    """
    start, weights = _weights(words.shape[1] // 2)
    return before.astype("u4") @ start + words.astype("u4") @ weights


@functools.cache
def _weights(n_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """What the sums before, `(2, 2)`, and each word, `(2 * n_pairs, 2)`, add to the sums after."""
    # One step adds (x, x + y) to the sums and multiplies them by [[1, 1], [1, 2]].
    power, rows = np.eye(2, dtype=object), []
    for _ in range(n_pairs):
        rows += [(power @ [0, 1]) % 2**32, (power @ [1, 1]) % 2**32]
        power = (power @ [[1, 1], [1, 2]]) % 2**32
    return power.T.astype("u4"), np.array(rows[::-1], dtype="u4")
