"""The input of a job: files of texts cut into blocks, each named after its content."""

import dataclasses
import hashlib
import io
import itertools
import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nlparam.corpus.readers import is_text_type, json_lines
from nlparam.errors import CorpusError

SUFFIXES = (".parquet", ".jsonl", ".ndjson")
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
    """One file cut into blocks. `types` are the Arrow types of the fields carried along.

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

    Raises `CorpusError` if it cannot be read, lacks one of the fields, or its texts are no strings.
    """
    import pyarrow

    plan = _plan_parquet if _is_parquet(file) else _plan_lines
    try:
        with system.open_input_file(file.path) as stream:
            return plan(stream, file, text_field, columns, batch_size)
    except (OSError, pyarrow.ArrowException) as error:
        raise CorpusError(f"cannot read {file.path}: {error}") from error


def read_blocks(
    system: Any, file: File, blocks: Sequence[Block], *, text_field: str, types: dict[str, Any]
) -> Iterator[Rows]:
    """The rows of blocks of one file (of one row group, for Parquet), in order.

    Raises `CorpusError` if they cannot be read or do not have the types that were planned.
    """
    import pyarrow

    read = _read_parquet if _is_parquet(file) else _read_lines
    try:
        with system.open_input_file(file.path) as stream:
            yield from read(stream, file, blocks, text_field, types)
    except (OSError, pyarrow.ArrowException) as error:
        raise CorpusError(f"cannot read {file.path}: {error}") from error


def tasks(plan: Plan, wanted: Collection[Block]) -> Iterator[list[Block]]:
    """The `wanted` blocks of a file, grouped as they are best read: of one row group, or one block of JSON Lines."""
    for _, group in itertools.groupby(plan.blocks, key=lambda block: block.place[0]):
        blocks = list(group)
        size = -(-len(blocks) // _TASKS_PER_ROW_GROUP)
        for start in range(0, len(blocks), size):
            if chosen := [block for block in blocks[start : start + size] if block in wanted]:
                yield chosen


def merge_types(plans: Sequence[Plan]) -> dict[str, Any]:
    """The types of the carried fields over all files. Raises `CorpusError` if two files disagree."""
    import pyarrow

    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for plan in plans:
        for name, kind in plan.types.items():
            there = merged.get(name, pyarrow.null())
            merged[name] = _common(there, kind)
            if merged[name] is None:
                raise CorpusError(
                    f"the field {name!r} is of type {there} in {origin[name]} and {kind} in {plan.file.name}: "
                    "leave it out of the columns, or make it the same everywhere"
                )
            if there == pyarrow.null():
                origin[name] = plan.file.name
    return {name: pyarrow.string() if kind == pyarrow.null() else kind for name, kind in merged.items()}


def part_name(job: str, file: File, block: Block) -> str:
    """The name of the part that a block becomes in a job: what is equal in both has the same name."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", file.name.rsplit(".", 1)[0]).strip("-")[-60:] or "texts"
    key = json.dumps([job, file.name, block.first_row, block.n_rows, block.digest])
    return f"{stem}-{block.first_row:012d}-{_digest(key.encode())[:16]}.parquet"


def _plan_parquet(stream: Any, file: File, text_field: str, columns: Sequence[str], batch_size: int) -> Plan:
    from pyarrow import parquet

    opened = parquet.ParquetFile(stream)
    schema, metadata = opened.schema_arrow, opened.metadata
    for name in (text_field, *columns):
        _check_field(file, name, schema.names)
    kind = schema.field(text_field).type
    if not is_text_type(kind):
        raise CorpusError(f"{file.path}: the field {text_field!r} holds {kind}, expected strings")
    footer = min(file.size, metadata.serialized_size + 8)
    stream.seek(file.size - footer)
    fingerprint = _digest(stream.read(footer))
    blocks, before = [], 0
    for group in range(metadata.num_row_groups):
        size = metadata.row_group(group).num_rows
        for offset in range(0, size, batch_size):
            digest = _digest(f"{fingerprint} {group} {offset}".encode())
            blocks.append(Block(before + offset, min(batch_size, size - offset), (group, offset), digest))
        before += size
    return Plan(file, blocks, fingerprint, {name: schema.field(name).type for name in columns})


def _read_parquet(
    stream: Any, file: File, blocks: Sequence[Block], text_field: str, types: dict[str, Any]
) -> Iterator[Rows]:
    import pyarrow
    from pyarrow import parquet

    # Arrow's datasets decode a row group as a whole; unbuffered and in batches, only a part of it is in memory.
    opened = parquet.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20)
    batches = opened.iter_batches(
        batch_size=max(1024, blocks[0].n_rows),
        row_groups=[blocks[0].place[0]],
        columns=list(dict.fromkeys((text_field, *types))),
    )
    held, position = [], 0  # batches that were decoded, and the row of the group at which they begin
    for block in blocks:
        first, stop = block.place[1], block.place[1] + block.n_rows
        while position + sum(map(len, held)) < stop:
            if (batch := next(batches, None)) is None:
                raise CorpusError(
                    f"{file.path} has become shorter while it was read: leave it alone until the job is done"
                )
            held.append(batch)
            while held and position + len(held[0]) <= first:
                position += len(held.pop(0))
        table = pyarrow.Table.from_batches(held).slice(first - position, block.n_rows)
        carried = {name: table[name].combine_chunks().cast(kind) for name, kind in types.items()}
        numbers = list(range(block.first_row, block.first_row + block.n_rows))
        yield Rows(block, table[text_field].to_pylist(), numbers, carried)


def _plan_lines(stream: Any, file: File, text_field: str, columns: Sequence[str], batch_size: int) -> Plan:
    import pyarrow

    blocks: list[Block] = []
    types: dict[str, Any] = dict.fromkeys(columns, pyarrow.null())
    fields: dict[str, None] = {}
    lines, start, first_row = io.BufferedReader(stream, 4 << 20), 0, 0
    while content := b"".join(itertools.islice(lines, batch_size)):
        n_rows = content.count(b"\n") + (not content.endswith(b"\n"))
        block = Block(first_row, n_rows, (start, start + len(content)), _digest(content))
        # A field may be missing or hold whole numbers in many lines before others: its type is that of all lines.
        if columns or not blocks:
            rows = [row for _, row in _objects(content, file, block)]
            fields |= dict.fromkeys(field for row in rows for field in row)
            for name in columns:
                before, here = types[name], _column(file, block, name, [row.get(name) for row in rows]).type
                types[name] = _common(before, here)
                if types[name] is None:
                    raise _mixed(file, block, name, f"mixes types ({before} before, {here} here)")
        blocks.append(block)
        start, first_row = start + len(content), first_row + n_rows
    for name in (text_field, *columns) if fields else ():
        _check_field(file, name, list(fields))
    fingerprint = _digest("".join(block.digest for block in blocks).encode()) if blocks else ""
    return Plan(file, blocks, fingerprint, types)


def _read_lines(
    stream: Any, file: File, blocks: Sequence[Block], text_field: str, types: dict[str, Any]
) -> Iterator[Rows]:
    for block in blocks:
        start, stop = block.place
        stream.seek(start)
        rows = _objects(stream.read(stop - start), file, block)
        for number, row in rows:
            if not isinstance(row.get(text_field), str | None):
                raise CorpusError(
                    f"{file.path}, line {number}: the field {text_field!r} is of type "
                    f"{type(row[text_field]).__name__}, expected a string"
                )
        columns = {name: _column(file, block, name, [row.get(name) for _, row in rows], types[name]) for name in types}
        yield Rows(block, [row.get(text_field) for _, row in rows], [number - 1 for number, _ in rows], columns)


def _objects(content: bytes, file: File, block: Block) -> list[tuple[int, dict[str, Any]]]:
    """The numbers, from 1, and the contents of the lines of a block that are not blank."""
    text = content.decode("utf-8" if block.first_row else "utf-8-sig", errors="replace")
    return list(json_lines(file.path, text, first=block.first_row + 1))


def _column(file: File, block: Block, name: str, values: list[Any], kind: Any = None) -> Any:
    """Values of JSON as an Arrow array of the type `kind`, or of their own."""
    import pyarrow

    try:
        return pyarrow.array([_scalar(value) for value in values], type=kind)
    except (pyarrow.ArrowException, TypeError, OverflowError) as error:
        wrong = "mixes types" if kind is None else f"is not {kind} throughout"
        raise _mixed(file, block, name, f"{wrong} ({error})") from error


def _mixed(file: File, block: Block, name: str, wrong: str) -> CorpusError:
    return CorpusError(
        f"{file.path}, from line {block.first_row + 1}: the field {name!r} {wrong}: leave it out of the columns, or "
        "write it as a string everywhere"
    )


def _common(first: Any, second: Any) -> Any:
    """The type that holds the values of both, `None` if none does."""
    import pyarrow

    if pyarrow.null() in (first, second):
        return second if first == pyarrow.null() else first
    if {first, second} == {pyarrow.int64(), pyarrow.float64()}:
        return pyarrow.float64()
    return first if first == second else None


def _scalar(value: Any) -> Any:
    # Objects and lists are carried along as JSON: their shape may differ from line to line.
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value.encode("utf-8", errors="replace").decode() if isinstance(value, str) else value


def _check_field(file: File, name: str, there: Sequence[str]) -> None:
    if name not in there:
        raise CorpusError(f"{file.path} has no field {name!r}; its fields are {', '.join(map(repr, there)) or 'none'}")


def _is_parquet(file: File) -> bool:
    return file.name.lower().endswith(".parquet")


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
