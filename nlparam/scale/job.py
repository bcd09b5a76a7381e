"""The driver of a job, whatever its step: plans it, lets Ray Data run it, keeps the manifest."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nlparam.errors import CorpusError, JobError, NlparamError, check_at_least
from nlparam.results.folder import digest_of_content
from nlparam.runtime.costs import Costs
from nlparam.runtime.files import writable
from nlparam.runtime.progress import Progress
from nlparam.scale import manifest as manifests
from nlparam.scale.cluster import choose_workers, cluster
from nlparam.scale.manifest import Manifest
from nlparam.scale.parts import FOLDER, list_parts, read, read_info
from nlparam.scale.sources import File, Plan, hidden, list_files, merge_types, part_name, plan_file, resolve, tasks
from nlparam.scale.worker import AbstractStep, Task, Worker, describe_error, raise_described

if TYPE_CHECKING:
    import pyarrow.dataset

Source = str | Path | Sequence[str | Path]

_ELSEWHERE = "choose another output folder"
_SAVE_EVERY = 5.0  # seconds between two writings of the manifest
_PLANNED_HERE = 256 << 20  # bytes of several files that are read faster than workers start
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
        check_at_least(1, batch_size=self.batch_size)
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
    out_system, path = resolve(out)
    folder = f"{path}/{FOLDER}"
    with _locked(out), cluster(options.address) as ray:
        progress = Progress() if progress is None else progress
        with progress.task("reading the texts", None):
            settings = {name: getattr(options, name) for name in ("text_field", "keep_text", "batch_size")}
            settings |= {"columns": list(options.columns)} | _described(ray, step)
            manifest = manifests.load(out)
            if manifest is not None:  # at once, before the texts are read
                manifest.check_same(out, step.kind, settings | {"types": manifest.settings.get("types")})
            plans = _plan(ray, system, files, options)
            types = merge_types(plans)
            settings["types"] = {name: str(kind) for name, kind in types.items()}
            sources = {plan.file.name: {"fingerprint": plan.fingerprint, "rows": plan.n_rows} for plan in plans}
            if manifest is None:
                if list_parts(out_system, folder):
                    raise JobError(
                        f"{folder} holds files, but no {manifests.FILE} beside it: choose another output folder"
                    )
                manifest = Manifest(step.kind, settings)
            manifest.check_same(out, step.kind, settings)
            manifest.check_sources(out, sources)
        manifest.given, manifest.sources = given, sources
        manifest.begin_run()
        task = Task(step, system, out_system, folder, options.text_field, types, options.keep_text)
        try:
            _run(ray, task, out, options, manifest, plans, progress)
            manifest.finished = True
        finally:
            manifest.runs[-1]["seconds"] = time.monotonic() - started
            manifest.save(out)
    done, run = manifest.done, manifest.runs[-1]
    counts = (done["parts"], done.get("texts", 0), done.get("blank", 0), done.get("failures", 0))
    costs, new = Costs.from_dict(done.get("costs", {})), Costs.from_dict(run["costs"])
    return JobResult(str(out), *counts, costs, run["parts"], run["texts"], new, run["seconds"])


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


def _run(
    ray: Any, task: Task, out: str | Path, options: Options, manifest: Manifest, plans: list[Plan], progress: Progress
) -> None:
    with writable(out, _ELSEWHERE, kind=JobError):
        task.out_system.create_dir(task.folder, recursive=True)
    asked = list(_todo(task, options, manifest, plans))
    manifest.save(out)
    if not asked:
        return
    with (
        progress.task(task.step.kind, sum(len(one["blocks"]) for one in asked), unit="parts") as shown,
        contextlib.closing(_results(ray, task, options, [json.dumps(one) for one in asked])) as results,
    ):
        saved = time.monotonic()
        for result in results:
            raise_described(result)
            manifest.count(result["part"], result["info"], replaced=result.get("replaced"))
            shown.advance()
            if time.monotonic() - saved > _SAVE_EVERY:
                manifest.save(out)
                saved = time.monotonic()


def _todo(task: Task, options: Options, manifest: Manifest, plans: list[Plan]) -> Iterator[dict[str, Any]]:
    """What workers are asked to do, each as arguments of `Worker`."""
    digest = digest_of_content([manifest.kind, manifest.settings])
    names = [{block: part_name(digest, plan.file, block) for block in plan.blocks} for plan in plans]
    finished = {name for of_file in names for name in of_file.values()}
    finished &= list_parts(task.out_system, task.folder)
    if not manifest.finished or len(finished) != manifest.done["parts"]:
        # The last driver ended before it counted all parts, or somebody has deleted some.
        manifest.done, manifest.failed_parts = {"parts": 0}, {}
        for name in sorted(finished):
            manifest.recount(name, read_info(task.out_system, f"{task.folder}/{name}"))
    manifest.finished = False
    if options.retry_failures:
        finished -= manifest.failed_parts.keys()
    for plan, of_file in zip(plans, names, strict=True):
        for blocks in tasks(plan, {block for block, name in of_file.items() if name not in finished}):
            described = [[*block, of_file[block]] for block in blocks]
            yield {"file": plan.file, "blocks": described, "retry": options.retry_failures}


def _results(ray: Any, task: Task, options: Options, lines: list[str]) -> Generator[dict[str, Any]]:
    workers = choose_workers(ray, task.step, len(lines), workers=options.workers, cpus=options.cpus, gpus=options.gpus)
    counter = ray.remote(num_cpus=0)(_Counter).remote() if task.step.choices > 1 else None
    dataset = ray.data.from_items(
        [{"task": line} for line in lines], override_num_blocks=min(len(lines), _MOST_BLOCKS_OF_RAY)
    )
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    # Parts come out one by one, not when a task has ended.
    dataset.context.target_max_block_size = 1
    dataset = dataset.map_batches(
        Worker,
        batch_size=1,
        batch_format="pyarrow",
        fn_constructor_kwargs={"task": task, "counter": counter},
        **workers,
    )
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield from (json.loads(line) for line in batch["result"].to_pylist())


class _Counter:
    """An actor, a process of its own, that numbers the workers, so that they spread evenly over the models."""

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
    return _on_workers(ray, step.settings, [()], num_cpus=0)[0]


def _plan(ray: Any, system: Any, files: list[File], options: Options) -> list[Plan]:
    def plan(some: list[File]) -> list[Plan]:
        fields = {"text_field": options.text_field, "columns": options.columns, "batch_size": options.batch_size}
        return [plan_file(system, file, **fields) for file in some]

    if len(files) == 1 or sum(file.size for file in files) < _PLANNED_HERE:
        plans = plan(files)
    else:
        n_shares = min(len(files), 4 * max(1, int(ray.cluster_resources().get("CPU", 1))))
        shares = _on_workers(ray, plan, [(files[start::n_shares],) for start in range(n_shares)], num_cpus=1)
        plans = sorted((plan for share in shares for plan in share), key=lambda plan: plan.file.name)
    if not any(plan.blocks for plan in plans):
        raise CorpusError(f"{files[0].path}{' and the other files' if len(files) > 1 else ''}: no texts, all is empty")
    return plans


def _on_workers(ray: Any, function: Callable[..., Any], arguments: list[tuple], *, num_cpus: int) -> list[Any]:
    """What a function returns for each of several arguments. Ray would wrap its errors in tracebacks of its own."""

    def run(function: Callable[..., Any], *given: Any) -> Any:
        try:
            return function(*given)
        except NlparamError as error:
            return describe_error(error)

    remote, held = ray.remote(num_cpus=num_cpus)(run), ray.put(function)
    found = ray.get([remote.remote(held, *given) for given in arguments])
    for one in found:
        if isinstance(one, dict):
            raise_described(one)
    return found


@contextlib.contextmanager
def _locked(out: str | Path) -> Iterator[None]:
    """Keeps two drivers on one machine, or on one file system with locks, from doing the same job twice."""
    from filelock import FileLock, Timeout
    from pyarrow import fs

    system, path = resolve(out)
    if not isinstance(system, fs.LocalFileSystem):
        yield
        return
    folder = Path(path)
    with writable(out, _ELSEWHERE, kind=JobError):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise JobError(f"another process is at work on {out}: wait for it, or {_ELSEWHERE}") from None
    try:
        for partial in (folder / FOLDER).glob("*.partial"):  # what killed workers left unfinished
            partial.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
