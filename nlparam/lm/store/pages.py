"""Reads rows straight from the pages of an SQLite file, whatever else of it is broken.

SQLite finds a row only by way of all pages above it, so one bad page can hide a million rows. Here each page is looked
at by itself. The format is that of <https://sqlite.org/fileformat2.html>.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

_INTERIOR_INDEX, _LEAF_INDEX, _LEAF_TABLE = 0x02, 0x0A, 0x0D
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

Value = int | float | str | bytes | None


class Record(NamedTuple):
    """A row: its number if it stands in a table with row numbers, its values, and where its overflow pages begin."""

    rowid: int | None
    values: list[Value]
    overflow: int


def records(page: bytes, *, first: bool, chain: Callable[[int, int], bytes | None]) -> Iterator[Record]:
    """The rows of a page; what cannot be one is passed over.

    **Arguments:** `first` for the first page of the file, which begins with the header; `chain(page number, n_bytes)`
    gives the bytes on a chain of overflow pages, or `None` if there is no such chain.
    """
    for at, kind in _cells(page, first):
        try:
            record = _record(page, at, kind, chain)
        except (IndexError, struct.error, UnicodeDecodeError, ValueError):
            continue
        if record is not None:
            yield record


def overflows(page: bytes, *, first: bool) -> Iterator[int]:
    """Where the rows of a page that do not fit into it go on: the first of their overflow pages."""
    for at, kind in _cells(page, first):
        try:
            _, size, at, local = _head(page, at, kind)
            if local < size:
                yield struct.unpack_from(">I", page, at + local)[0]
        except (IndexError, struct.error):
            continue


def _cells(page: bytes, first: bool) -> Iterator[tuple[int, int]]:
    """Where the rows of a page begin, and the kind of the page."""
    start = 100 if first else 0
    kind = page[start]
    if kind not in (_INTERIOR_INDEX, _LEAF_INDEX, _LEAF_TABLE):
        return
    pointers = start + (12 if kind == _INTERIOR_INDEX else 8)
    (n_cells,) = struct.unpack_from(">H", page, start + 3)
    n_cells = min(n_cells, (len(page) - pointers) // 2)
    for at in struct.unpack_from(f">{n_cells}H", page, pointers):
        if at >= pointers:
            yield at, kind


def _head(page: bytes, at: int, kind: int) -> tuple[int | None, int, int, int]:
    """The number of a row, its size, where it begins, and how much of it stands in its page itself."""
    if kind == _INTERIOR_INDEX:
        at += 4
    size, at = _varint(page, at)
    rowid = None
    if kind == _LEAF_TABLE:
        rowid, at = _varint(page, at)
    return rowid, size, at, _local_size(size, len(page), kind)


def _record(page: bytes, at: int, kind: int, chain: Callable[[int, int], bytes | None]) -> Record | None:
    rowid, size, at, local = _head(page, at, kind)
    payload = page[at : at + local]
    if len(payload) < local or size < 2:
        return None
    overflow = 0
    if local < size:
        (overflow,) = struct.unpack_from(">I", page, at + local)
        rest = chain(overflow, size - local)
        if rest is None:
            return None
        payload += rest
    return Record(rowid, _values(payload), overflow)


def _local_size(size: int, page_size: int, kind: int) -> int:
    most = page_size - 35 if kind == _LEAF_TABLE else (page_size - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (page_size - 12) * 32 // 255 - 23
    local = least + (size - least) % (page_size - 4)
    return local if local <= most else least


def _values(payload: bytes) -> list[Value]:
    header_size, at = _varint(payload, 0)
    body = header_size
    values: list[Value] = []
    while at < header_size:
        kind, at = _varint(payload, at)
        if kind >= 12:
            size = (kind - 12) // 2
            data = payload[body : body + size]
            values.append(data.decode() if kind % 2 else data)
        elif kind == 7:
            size = 8
            values.append(struct.unpack_from(">d", payload, body)[0])
        elif kind in _INTEGER_BYTES:
            size = _INTEGER_BYTES[kind]
            values.append(int.from_bytes(payload[body : body + size], "big", signed=True))
        elif kind in (8, 9):
            size = 0
            values.append(kind - 8)
        elif kind == 0:
            size = 0
            values.append(None)
        else:
            raise ValueError("no such type")
        body += size
    if at != header_size or body != len(payload):
        raise ValueError("the lengths do not add up")
    return values


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    return value << 8 | data[at], at + 1
