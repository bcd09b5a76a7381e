"""The input of a job: files of texts cut into blocks, each named after its content."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nlparam.errors import CorpusError

SUFFIXES = (".parquet", ".jsonl", ".ndjson")
_CHUNK = 4 << 20  # bytes of JSON Lines that are scanned at a time
# A row group of Parquet can be read from its beginning only. Cutting it into so many tasks shares it among workers, at
# the price of decoding half of it so many times, which is little beside what is done with a text.
_TASKS_PER_ROW_GROUP = 16


class File(NamedTuple):
    """A file of texts: `path` in its file system, `name` below the source that was given."""

    path: str
    name: str
    size: int


class Block(NamedTuple):
    """Consecutive rows of one file, the unit of work. `digest` names their content (see `Plan`).

    `place` is where they begin and end: bytes of JSON Lines, or the row group and the first row in it of Parquet.
    """

    first_row: int
    n_rows: int
    place: tuple[int, int]
    digest: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """One file cut into blocks. `types` are the Arrow types of its fields that are carried along.

    `fingerprint` changes with the content: of JSON Lines it is a digest of every byte, of Parquet one of the footer,
    which holds the sizes and statistics of all columns.
    """

    file: File
    blocks: list[Block]
    fingerprint: str
    types: dict[str, Any]

    @property
    def n_rows(self) -> int:
        return sum(block.n_rows for block in self.blocks)


class Rows(NamedTuple):
    """What was read of a block: texts (`None` where one is missing), their row numbers, the fields carried along."""

    block: Block
    texts: list[str | None]
    numbers: list[int]
    columns: dict[str, Any]


def resolve(location: str | Path) -> tuple[Any, str]:
    """The Arrow file system and the path in it of a local path or a URI (s3://, gs://, hdfs://, file://).

    Raises `CorpusError` for a URI that Arrow cannot open.
    """
    import pyarrow
    from pyarrow import fs

    if isinstance(location, str) and "://" in location:
        try:
            return fs.FileSystem.from_uri(location)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise CorpusError(
                f"cannot open {location} ({error}): expected a path or a URI such as s3://bucket/folder"
            ) from error
    return fs.LocalFileSystem(), Path(location).expanduser().absolute().as_posix()


def list_files(source: str | Path | Sequence[str | Path]) -> tuple[Any, list[File]]:
    """The file system and the files of a source: a file, a folder (all below it), or several of these.

    Raises `CorpusError` if there are none, or if they lie in several file systems.
    """
    from pyarrow import fs

    sources = [source] if isinstance(source, str | Path) else list(source)
    found: dict[str, File] = {}
    system = None
    for one in sources:
        here, path = resolve(one)
        if system is not None and here != system:
            raise CorpusError(f"{one} lies in another file system than {sources[0]}: run one job for each")
        system = here
        try:
            info = here.get_file_info(path)
            if info.type == fs.FileType.NotFound:
                raise CorpusError(f"there is no file or folder {one}")
            below = [info] if info.is_file else here.get_file_info(fs.FileSelector(path, recursive=True))
        except OSError as error:
            raise CorpusError(f"cannot read {one}: {error}") from error
        if info.is_file and not path.lower().endswith(SUFFIXES):
            raise CorpusError(f"{one} is of another kind, expected {', '.join(SUFFIXES)} or a folder of such files")
        for entry in below:
            name = entry.base_name if info.is_file else entry.path[len(path) :].lstrip("/")
            if not entry.is_file or not name.lower().endswith(SUFFIXES) or (hidden(name) and not info.is_file):
                continue
            if name in found:
                raise CorpusError(
                    f"two files are called {name!r} ({found[name].path}, {entry.path}): give a folder that holds both"
                )
            found[name] = File(entry.path, name, entry.size)
    if not found:
        raise CorpusError(f"{source} holds no files of texts: expected {', '.join(SUFFIXES)}")
    return system, sorted(found.values(), key=lambda file: file.name)


def hidden(name: str) -> bool:
    """Whether a path below a source is left out, as Spark and Hadoop do it."""
    return any(part.startswith((".", "_")) for part in name.split("/"))


def plan_file(system: Any, file: File, *, text_field: str, columns: Sequence[str], batch_size: int) -> Plan:
    """Cuts a file into blocks of `batch_size` rows; the same content is always cut in the same way.

    Raises `CorpusError` if it cannot be read, has not the fields asked for, or its texts are no strings.
    """
    import pyarrow

    try:
        if file.name.lower().endswith(".parquet"):
            return _plan_parquet(system, file, text_field, columns, batch_size)
        return _plan_lines(system, file, text_field, columns, batch_size)
    except (OSError, pyarrow.ArrowException) as error:
        raise CorpusError(f"cannot read {file.path}: {error}") from error


def read_blocks(
    system: Any, file: File, blocks: Sequence[Block], *, text_field: str, types: dict[str, Any]
) -> Iterator[Rows]:
    """The rows of blocks of one file (of one row group, for Parquet), in order.

    Raises `CorpusError` if they cannot be read or do not have the types that were planned.
    """
    import pyarrow

    try:
        if file.name.lower().endswith(".parquet"):
            yield from _read_parquet(system, file, blocks, text_field, types)
        else:
            yield from (_read_lines(system, file, block, text_field, types) for block in blocks)
    except (OSError, pyarrow.ArrowException) as error:
        raise CorpusError(f"cannot read {file.path}: {error}") from error


def tasks(plan: Plan, wanted: set[int]) -> Iterator[list[Block]]:
    """The blocks of a file whose positions are `wanted`, grouped as they are best read."""
    if not plan.file.name.lower().endswith(".parquet"):
        yield from ([plan.blocks[number]] for number in sorted(wanted))
        return
    groups: dict[int, list[int]] = {}
    for number, block in enumerate(plan.blocks):
        groups.setdefault(block.place[0], []).append(number)
    for numbers in groups.values():
        size = -(-len(numbers) // _TASKS_PER_ROW_GROUP)
        for start in range(0, len(numbers), size):
            if chosen := [plan.blocks[number] for number in numbers[start : start + size] if number in wanted]:
                yield chosen


def merge_types(plans: Sequence[Plan]) -> dict[str, Any]:
    """The types of the carried fields over all files. Raises `CorpusError` if two files disagree."""
    import pyarrow

    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for plan in plans:
        for name, kind in plan.types.items():
            there = merged.get(name, pyarrow.null())
            common = _common(there, kind)
            if common is None:
                raise CorpusError(
                    f"the field {name!r} is of type {there} in {origin[name]} and {kind} in {plan.file.name}: "
                    "leave it out of the columns, or make it the same everywhere"
                )
            merged[name] = common
            if there == pyarrow.null():
                origin[name] = plan.file.name
    return {name: pyarrow.string() if kind == pyarrow.null() else kind for name, kind in merged.items()}


def _common(first: Any, second: Any) -> Any:
    """The type that holds the values of both, `None` if none does."""
    import pyarrow

    if pyarrow.null() in (first, second):
        return second if first == pyarrow.null() else first
    if {first, second} == {pyarrow.int64(), pyarrow.float64()}:
        return pyarrow.float64()
    return first if first == second else None


def _plan_parquet(system: Any, file: File, text_field: str, columns: Sequence[str], batch_size: int) -> Plan:
    import pyarrow
    from pyarrow import parquet

    with system.open_input_file(file.path) as stream:
        opened = parquet.ParquetFile(stream)
        schema = opened.schema_arrow
        for name in (text_field, *columns):
            _check_field(file, name, schema.names)
        kind = schema.field(text_field).type
        kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
        if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind) or kind == pyarrow.string_view()):
            raise CorpusError(f"{file.path}: the field {text_field!r} holds {kind}, expected strings")
        footer = min(file.size, opened.metadata.serialized_size + 8)
        stream.seek(file.size - footer)
        fingerprint = _digest(stream.read(footer)).hexdigest()
        sizes = [opened.metadata.row_group(group).num_rows for group in range(opened.metadata.num_row_groups)]
    blocks, before = [], 0
    for group, size in enumerate(sizes):
        for offset in range(0, size, batch_size):
            content = f"{fingerprint} {group} {offset}".encode()
            n_rows = min(batch_size, size - offset)
            blocks.append(Block(before + offset, n_rows, (group, offset), _digest(content).hexdigest()))
        before += size
    return Plan(file, blocks, fingerprint, {name: schema.field(name).type for name in columns})


def _plan_lines(system: Any, file: File, text_field: str, columns: Sequence[str], batch_size: int) -> Plan:
    with system.open_input_file(file.path) as stream:
        blocks = list(_scan(stream, batch_size))
    if not blocks:
        return Plan(file, [], "", {})
    types: dict[str, Any] = {}
    fields: dict[str, None] = {}
    # What is carried along may be missing for long, or whole numbers, and then not: its type is that of all lines.
    for block in blocks if columns else blocks[:1]:
        rows = [row for _, row in _objects(system, file, block)]
        fields |= dict.fromkeys(field for row in rows for field in row)
        for name in columns:
            types[name] = _infer(file, block, name, [row.get(name) for row in rows], types.get(name))
    for name in (text_field, *columns) if fields else ():
        _check_field(file, name, list(fields))
    fingerprint = _digest("".join(block.digest for block in blocks).encode()).hexdigest()
    return Plan(file, blocks, fingerprint, types)


def _scan(stream: Any, batch_size: int) -> Iterator[Block]:
    digest, start, position, first_row, n_lines, ended = _digest(), 0, 0, 0, 0, True
    while chunk := stream.read(_CHUNK):
        ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
        used = 0
        while n_lines + len(ends) >= batch_size:
            take = batch_size - n_lines
            cut = int(ends[take - 1]) + 1
            digest.update(chunk[used:cut])
            yield Block(first_row, batch_size, (start, position + cut), digest.hexdigest())
            digest, start, first_row, n_lines = _digest(), position + cut, first_row + batch_size, 0
            ends, used = ends[take:], cut
        digest.update(chunk[used:])
        n_lines += len(ends)
        position += len(chunk)
        ended = chunk.endswith(b"\n")
    if position > start:
        yield Block(first_row, n_lines + (not ended), (start, position), digest.hexdigest())


def _objects(system: Any, file: File, block: Block) -> list[tuple[int, dict[str, Any]]]:
    """The numbers and the contents of the lines of a block that are not blank."""
    start, stop = block.place
    with system.open_input_file(file.path) as stream:
        stream.seek(start)
        content = stream.read(stop - start).decode("utf-8-sig" if start == 0 else "utf-8", errors="replace")
    found = []
    for number, line in enumerate(content.split("\n"), start=block.first_row):
        if not line.strip():
            continue
        try:
            row = json.loads(line, strict=False)  # control characters in a text do no harm
        except (ValueError, RecursionError) as error:
            raise CorpusError(
                f"{file.path}, line {number + 1} is not JSON ({error}): expected one object per line"
            ) from error
        if not isinstance(row, dict | str):
            raise CorpusError(f"{file.path}, line {number + 1}: got {type(row).__name__}, expected an object")
        found.append((number, {"text": row} if isinstance(row, str) else row))
    return found


def _read_lines(system: Any, file: File, block: Block, text_field: str, types: dict[str, Any]) -> Rows:
    import pyarrow

    rows = _objects(system, file, block)
    for number, row in rows:
        if not isinstance(row.get(text_field), str | None):
            raise CorpusError(
                f"{file.path}, line {number + 1}: the field {text_field!r} is of type "
                f"{type(row[text_field]).__name__}, expected a string"
            )
    columns = {}
    for name, kind in types.items():
        values = [_scalar(row.get(name)) for _, row in rows]
        try:
            columns[name] = pyarrow.array(values, type=kind)
        except (pyarrow.ArrowException, TypeError, OverflowError) as error:
            raise CorpusError(
                f"{file.path}, from line {block.first_row + 1}: the field {name!r} is not {kind} throughout ({error}): "
                "leave it out of the columns, or write it as a string everywhere"
            ) from error
    return Rows(block, [row.get(text_field) for _, row in rows], [number for number, _ in rows], columns)


def _read_parquet(
    system: Any, file: File, blocks: Sequence[Block], text_field: str, types: dict[str, Any]
) -> Iterator[Rows]:
    import pyarrow
    from pyarrow import parquet

    wanted = list(blocks)
    names = list(dict.fromkeys((text_field, *types)))
    with system.open_input_file(file.path) as stream:
        # Unbuffered, a row group would be in memory as a whole.
        opened = parquet.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20)
        batches = opened.iter_batches(
            batch_size=max(1024, blocks[0].n_rows), row_groups=[wanted[0].place[0]], columns=names
        )
        pending, position = [], 0
        for batch in batches:
            end = position + batch.num_rows
            while wanted and position < wanted[0].place[1] + wanted[0].n_rows and end > wanted[0].place[1]:
                block = wanted[0]
                first = max(block.place[1] - position, 0)
                stop = min(block.place[1] + block.n_rows - position, batch.num_rows)
                pending.append(batch.slice(first, stop - first))
                if position + stop < block.place[1] + block.n_rows:
                    break
                table = pyarrow.Table.from_batches(pending)
                wanted, pending = wanted[1:], []
                numbers = list(range(block.first_row, block.first_row + block.n_rows))
                carried = {name: table[name].combine_chunks().cast(kind) for name, kind in types.items()}
                yield Rows(block, table[text_field].to_pylist(), numbers, carried)
            position = end
            if not wanted:
                return
    raise CorpusError(f"{file.path} has become shorter while it was read: leave it alone until the job is done")


def _infer(file: File, block: Block, name: str, values: list[Any], before: Any) -> Any:
    """The type of the values of a block and of those `before`."""
    import pyarrow

    try:
        kind = pyarrow.array([_scalar(value) for value in values]).type
        common = kind if before is None else _common(before, kind)
        if common is None:
            raise TypeError(f"{before} before, {kind} here")
        return common
    except (pyarrow.ArrowException, TypeError, OverflowError) as error:
        raise CorpusError(
            f"{file.path}, from line {block.first_row + 1}: the field {name!r} mixes types ({error}): leave it out of "
            "the columns, or write it as a string everywhere"
        ) from error


def _scalar(value: Any) -> Any:
    # Objects and lists are carried along as JSON: their shape may differ from line to line.
    return json.dumps(value, ensure_ascii=True) if isinstance(value, dict | list) else _clean(value)


def _clean(value: Any) -> Any:
    return value.encode("utf-8", errors="replace").decode("utf-8") if isinstance(value, str) else value


def _check_field(file: File, name: str, there: Sequence[str]) -> None:
    if name not in there:
        raise CorpusError(f"{file.path} has no field {name!r}; its fields are {', '.join(map(repr, there)) or 'none'}")


def _digest(content: bytes = b"") -> Any:
    return hashlib.blake2b(content, digest_size=16)


def part_name(job: str, file: File, block: Block) -> str:
    """The name of the part that a block becomes in a job: what is equal in both has the same name."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", file.name.rsplit(".", 1)[0]).strip("-")[-60:] or "texts"
    key = json.dumps([job, file.name, block.first_row, block.n_rows, block.digest])
    return f"{stem}-{block.first_row:012d}-{_digest(key.encode()).hexdigest()[:16]}.parquet"
