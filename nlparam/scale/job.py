"""The driver of a job, whatever its step: plans it, lets Ray Data run it, keeps the manifest."""

import contextlib
import dataclasses
import hashlib
import json
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nlparam.errors import CorpusError, NlparamError
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress
from nlparam.scale import manifest as manifests
from nlparam.scale.cluster import choose_workers, cluster
from nlparam.scale.errors import JobError
from nlparam.scale.manifest import Manifest
from nlparam.scale.parts import FOLDER, list_parts, read, read_info, remove_partial
from nlparam.scale.sources import File, Plan, hidden, list_files, merge_types, part_name, plan_file, resolve, tasks
from nlparam.scale.worker import AbstractStep, Task, Worker, describe_error, raise_described

if TYPE_CHECKING:
    import pyarrow.dataset

Source = str | Path | Sequence[str | Path]

_SAVE_EVERY = 5.0  # seconds between two writings of the manifest
_PLANNED_HERE = 256 << 20  # bytes of several files that are read sooner than workers are started to read them
_MOST_BLOCKS_OF_RAY = 10_000  # the scheduler of Ray Data handles so many with ease; more tasks share one


@dataclasses.dataclass(frozen=True)
class Options:
    """How a job is run. The first four decide the result, the others do not.

    **Attributes:**

    - `text_field`: the field that holds the text.
    - `columns`: other fields to carry along into the result.
    - `keep_text`: whether the text is carried along.
    - `batch_size`: how many texts a worker takes at a time; each such block becomes one Parquet part.
    - `workers`, `cpus`, `gpus`: how many workers (or a pair: fewest, most) with how many processors and GPUs each; by
      default as the cluster and the work suggest.
    - `retry_failures`: ask again for the answers that an earlier run could not get.
    - `address`: of a Ray cluster ("auto" for the one this machine belongs to); by default the one in use, that of
      RAY_ADDRESS, or Ray on this machine alone.
    """

    text_field: str = "text"
    columns: Sequence[str] = ()
    keep_text: bool = True
    batch_size: int = 1000
    workers: int | tuple[int, int] | None = None
    cpus: float | None = None
    gpus: float | None = None
    retry_failures: bool = False
    address: str | None = None

    def __post_init__(self):
        if self.batch_size < 1:
            raise ValueError(f"got batch_size={self.batch_size}, expected at least 1")
        reserved = {"file", "row", "text"} & set(self.columns)
        if reserved or len(set(self.columns)) < len(self.columns):
            raise ValueError(
                f"got the columns {list(self.columns)}, expected distinct ones other than file, row and text: rename "
                "them in the texts"
            )


class JobResult(NamedTuple):
    """What a job has done.

    `n_parts`, `n_texts`, `n_blank`, `n_failures` and `costs` count all that the folder holds; `new_parts`,
    `new_texts`, `new_costs` and `seconds` what this run has added. `n_failures` answers are null in the result.
    """

    folder: str
    n_parts: int
    n_texts: int
    n_blank: int
    n_failures: int
    costs: Costs
    new_parts: int
    new_texts: int
    new_costs: Costs
    seconds: float

    def dataset(self) -> "pyarrow.dataset.Dataset":
        """The result as an Arrow dataset; nothing is loaded yet."""
        return read(self.folder)


def run_job(
    step: AbstractStep,
    source: Source,
    out: str | Path,
    options: Options,
    *,
    given: dict[str, Any],
    progress: Progress | None = None,
) -> JobResult:
    """Does what is left to do of a job: all of it the first time, nothing once it is finished.

    `given` is kept in the manifest for the reader; it decides nothing.

    Raises `ValueError` for a column with the name of one that the step adds, `CorpusError` for texts that cannot be
    read, `JobError` for a folder that lies among the texts, holds another job or cannot be written, and what the step
    raises. What was finished by then stays finished.
    """
    started = time.monotonic()
    if taken := sorted(set(options.columns) & set(step.adds)):
        raise ValueError(
            f"got the columns {list(options.columns)}, of which the job itself adds {taken}: rename them in the texts"
        )
    system, files = list_files(source)
    _check_apart(system, files, source, out)
    with _locked(out), cluster(options.address) as ray:
        progress = Progress() if progress is None else progress
        with progress.task("reading the texts", None):
            settings = {
                "text_field": options.text_field,
                "columns": list(options.columns),
                "keep_text": options.keep_text,
                "batch_size": options.batch_size,
            } | _described(ray, step)
            there = manifests.load(out)
            if there is not None:  # at once, before the texts are read
                manifests.check_same(out, there, step.kind, settings | {"types": there.settings.get("types")})
            plans = _plan(ray, system, files, options)
            types = merge_types(plans)
            settings["types"] = {name: str(kind) for name, kind in types.items()}
            sources = manifests.describe(plans)
            if there is not None:
                manifests.check_same(out, there, step.kind, settings)
                manifests.check_sources(out, there, sources)
        manifest = Manifest(step.kind, settings, given, sources) if there is None else there
        job = _Job(ray, step, system, out, options, manifest, plans, types)
        manifest.given, manifest.sources = given, sources
        manifest.begin_run()
        try:
            job.run(progress)
            manifest.finished = True
        finally:
            manifest.runs[-1]["seconds"] = time.monotonic() - started
            manifest.save(out)
    return _result(str(out), manifest)


def _check_apart(system: Any, files: list[File], source: Source, out: str | Path) -> None:
    """The parts of a job must not become its texts, neither now nor when it goes on."""
    out_system, path = resolve(out)
    for file in files:
        if out_system == system and file.path.startswith(f"{path}/"):
            raise JobError(
                f"{file.path} lies in the output folder {out} and among the texts: choose an output folder outside of "
                "the texts"
            )
    for one in [source] if isinstance(source, str | Path) else source:
        _, folder = resolve(one)
        if out_system == system and f"{path}/".startswith(f"{folder}/") and not hidden(path[len(folder) :]):
            raise JobError(
                f"the output folder {out} lies in {one}, among the texts: choose an output folder outside of the texts"
            )


def _result(out: str, manifest: Manifest) -> JobResult:
    done, run = manifest.done, manifest.runs[-1]
    counts = (done["parts"], done.get("texts", 0), done.get("blank", 0), done.get("failures", 0))
    costs, new = Costs.from_dict(done.get("costs", {})), Costs.from_dict(run["costs"])
    return JobResult(out, *counts, costs, run["parts"], run["texts"], new, run["seconds"])


@dataclasses.dataclass
class _Job:
    ray: Any
    step: AbstractStep
    source_system: Any
    out: str | Path
    options: Options
    manifest: Manifest
    plans: list[Plan]
    types: dict[str, Any]

    def __post_init__(self):
        self.out_system, path = resolve(self.out)
        self.folder = f"{path}/{FOLDER}"
        settings = json.dumps([self.manifest.kind, self.manifest.settings], sort_keys=True)
        self.digest = hashlib.sha256(settings.encode()).hexdigest()

    def run(self, progress: Progress) -> None:
        try:
            self.out_system.create_dir(self.folder, recursive=True)
        except OSError as error:
            raise JobError(f"{self.out} cannot be written ({error}): choose another output folder") from error
        lines, n_blocks = self._todo()
        self.manifest.save(self.out)
        if not lines:
            return
        with progress.task(self.step.kind, n_blocks, unit="parts") as task:
            saved = time.monotonic()
            with contextlib.closing(self._results(lines)) as results:
                for result in results:
                    raise_described(result)
                    self.manifest.count(result["part"], result["info"], replaced=result.get("replaced"))
                    task.advance()
                    if time.monotonic() - saved > _SAVE_EVERY:
                        self.manifest.save(self.out)
                        saved = time.monotonic()

    def _todo(self) -> tuple[list[str], int]:
        """The tasks as JSON, and how many blocks they hold."""
        there = list_parts(self.out_system, self.folder)
        if there and self.manifest.done["parts"] == 0 and not self.manifest.runs[:-1]:
            raise JobError(
                f"{self.folder} holds files, but no {manifests.FILE} beside it: choose another output folder"
            )
        names = [[part_name(self.digest, plan.file, block) for block in plan.blocks] for plan in self.plans]
        finished = {name for of_file in names for name in of_file} & there
        if not self.manifest.finished or len(finished) != self.manifest.done["parts"]:
            # A driver has ended before it could count the last parts, or somebody has deleted some.
            self._count_again(finished)
        self.manifest.finished = False
        again = set(self.manifest.failed_parts) if self.options.retry_failures else set()
        lines, n_blocks = [], 0
        for plan, of_file in zip(self.plans, names, strict=True):
            wanted = {number for number, name in enumerate(of_file) if name not in finished or name in again}
            name_of = dict(zip(plan.blocks, of_file, strict=True))
            for blocks in tasks(plan, wanted):
                described = [[*block, name_of[block]] for block in blocks]
                retry = self.options.retry_failures
                lines.append(json.dumps({"file": plan.file, "blocks": described, "retry": retry}))
                n_blocks += len(blocks)
        return lines, n_blocks

    def _count_again(self, finished: set[str]) -> None:
        self.manifest.done, self.manifest.failed_parts = {"parts": 0}, {}
        for name in sorted(finished):
            info = read_info(self.out_system, f"{self.folder}/{name}")
            self.manifest.recount(name, info)

    def _results(self, lines: list[str]) -> Generator[dict[str, Any]]:
        options, ray = self.options, self.ray
        workers = choose_workers(
            ray, self.step, len(lines), workers=options.workers, cpus=options.cpus, gpus=options.gpus
        )
        task = Task(
            self.step, self.source_system, self.out_system, self.folder, options.text_field, self.types,
            options.keep_text,
        )  # fmt: skip
        counter = ray.remote(num_cpus=0)(_Counter).remote()
        dataset = ray.data.from_items(
            [{"task": line} for line in lines], override_num_blocks=min(len(lines), _MOST_BLOCKS_OF_RAY)
        )
        _be_quiet(dataset)
        # Parts come out one by one, not when a task has ended.
        dataset.context.target_max_block_size = 1
        dataset = dataset.map_batches(
            Worker,
            batch_size=1,
            batch_format="pyarrow",
            fn_constructor_kwargs={"task": task, "counter": counter},
            compute=ray.data.ActorPoolStrategy(
                min_size=workers.fewest, max_size=workers.most, max_tasks_in_flight_per_actor=2
            ),
            num_cpus=workers.cpus,
            num_gpus=workers.gpus or None,
        )
        for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from (json.loads(line) for line in batch["result"].to_pylist())


class _Counter:
    """An actor that numbers the workers, so that they spread evenly over the servers."""

    def __init__(self):
        self._number = -1

    def next(self) -> int:
        self._number += 1
        return self._number


def _described(ray: Any, step: AbstractStep) -> dict[str, Any]:
    """The settings of a step, found out on a worker: the driver may have no model and reach no server.

    Where driver and workers are one machine, the driver does it sooner.
    """
    if len(ray.nodes()) == 1 and not ray.util.client.ray.is_connected():
        return step.settings()

    def describe(step: AbstractStep) -> dict[str, Any]:
        try:
            return step.settings()
        except NlparamError as error:
            return describe_error(error)

    described = ray.get(ray.remote(num_cpus=0)(describe).remote(step))
    raise_described(described)
    return described


def _plan(ray: Any, system: Any, files: list[File], options: Options) -> list[Plan]:
    fields = {"text_field": options.text_field, "columns": tuple(options.columns), "batch_size": options.batch_size}
    if len(files) == 1 or sum(file.size for file in files) < _PLANNED_HERE:
        plans = [plan_file(system, file, **fields) for file in files]
    else:
        shared = ray.put((system, files, fields))

        def plan(row: dict[str, Any]) -> dict[str, Any]:
            system, files, fields = ray.get(shared)
            try:
                return {"number": row["number"], "plan": _pack(plan_file(system, files[row["number"]], **fields))}
            except NlparamError as error:
                return {"number": row["number"], "plan": json.dumps(describe_error(error)).encode()}

        dataset = ray.data.from_items([{"number": number} for number in range(len(files))])
        _be_quiet(dataset)
        packed = sorted((row["number"], row["plan"]) for row in dataset.map(plan).iter_rows())
        plans = [_unpack(files[number], content) for number, content in packed]
    if not any(plan.blocks for plan in plans):
        raise CorpusError(f"{files[0].path}{' and the other files' if len(files) > 1 else ''}: no texts, all is empty")
    return plans


def _pack(plan: Plan) -> bytes:
    import pyarrow

    types = pyarrow.schema(list(plan.types.items())).serialize().to_pybytes()
    return json.dumps({"blocks": plan.blocks, "fingerprint": plan.fingerprint, "types": types.hex()}).encode()


def _unpack(file: File, content: bytes) -> Plan:
    import pyarrow

    from nlparam.scale.sources import Block

    values = json.loads(content)
    raise_described(values)
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(bytes.fromhex(values["types"])))
    blocks = [Block(first, n_rows, tuple(place), digest) for first, n_rows, place, digest in values["blocks"]]
    return Plan(file, blocks, values["fingerprint"], {field.name: field.type for field in schema})


def _be_quiet(dataset: Any) -> None:
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False


@contextlib.contextmanager
def _locked(out: str | Path) -> Iterator[None]:
    """Keeps two drivers on one machine, or one file system that knows locks, from doing the same job twice."""
    from filelock import FileLock, Timeout
    from pyarrow import fs

    system, path = resolve(out)
    if not isinstance(system, fs.LocalFileSystem):
        yield
        return
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise JobError(f"another process is at work on {out}: wait for it, or choose another output folder") from None
    except OSError as error:
        raise JobError(f"{out} cannot be written ({error}): choose another output folder") from error
    try:
        remove_partial(f"{path}/{FOLDER}")
        yield
    finally:
        lock.release()
