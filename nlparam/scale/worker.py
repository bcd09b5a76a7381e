"""What runs on the workers: reads blocks, does the work of a step on them, writes parts."""

import abc
import dataclasses
import json
import os
import platform
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from nlparam.corpus.corpus import Corpus
from nlparam.errors import NlparamError
from nlparam.runtime.costs import Costs, add_counts
from nlparam.scale.errors import JobError
from nlparam.scale.parts import exists, read_info, read_part, write_part
from nlparam.scale.sources import Block, File, Rows, read_blocks

if TYPE_CHECKING:
    import pyarrow


class AbstractWork(abc.ABC):
    """A step at work in one worker: it holds what has been loaded or connected. `costs` is what it has spent."""

    costs: Costs

    @abc.abstractmethod
    def columns(self, corpus: Corpus, before: "pyarrow.Table | None") -> "dict[str, pyarrow.Array]":
        """The columns that the step adds, one value per text of `corpus`; null where an answer could not be had.

        `before` is the part as an earlier run wrote it: what is not null in it is not to be done again.
        """


class AbstractStep(abc.ABC):
    """What a job does with texts. It travels to every worker, so it holds names and numbers and nothing opened.

    `kind` is its name in the manifest.
    """

    kind: ClassVar[str]

    @property
    @abc.abstractmethod
    def adds(self) -> tuple[str, ...]:
        """The names of the columns that it adds."""

    @property
    def servers(self) -> int:
        """How many servers share the work; 0 if it is done in the workers."""
        return 0

    @property
    def whole_machine(self) -> bool:
        """Whether one worker makes use of all processors of a machine."""
        return False

    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that decides the result, for the manifest. Runs on a worker once, before any work."""

    @abc.abstractmethod
    def start(self, number: int) -> AbstractWork:
        """Gets ready to work in worker number `number`."""


@dataclasses.dataclass(frozen=True)
class Task:
    """What all workers of a job share. `types` are the Arrow types of the fields carried along."""

    step: AbstractStep
    source_system: Any
    out_system: Any
    folder: str
    text_field: str
    types: dict[str, Any]
    keep_text: bool


class Worker:
    """The actor of Ray Data: takes a list of blocks of one file, yields a line for each part as it is finished.

    An error that a user can mend is yielded too, because Ray would wrap it in tracebacks of its own.
    """

    def __init__(self, task: Task, counter: Any):
        import ray

        self._task = task
        self._number: int = ray.get(counter.next.remote())
        self._work: AbstractWork | None = None

    def __call__(self, batch: "pyarrow.Table") -> "Iterator[pyarrow.Table]":
        import pyarrow

        for line in batch["task"].to_pylist():
            try:
                for finished in self._do(json.loads(line)):
                    yield pyarrow.table({"result": [json.dumps(finished)]})
            except NlparamError as error:
                yield pyarrow.table({"result": [json.dumps(describe_error(error))]})
                return

    def _do(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        task = self._task
        file = File(*asked["file"])
        blocks = [(Block(first, n, tuple(place), digest), part) for first, n, place, digest, part in asked["blocks"]]
        todo: dict[Block, tuple[str, bool]] = {}
        for block, part in blocks:
            # A worker that took over from one that died finds what that one had finished.
            there = exists(task.out_system, f"{task.folder}/{part}")
            if there and not asked["retry"]:
                yield {"part": part, "info": read_info(task.out_system, f"{task.folder}/{part}")}
            else:
                todo[block] = (part, there)
        if not todo:
            return
        if self._work is None:
            self._work = task.step.start(self._number)
        for rows in read_blocks(task.source_system, file, list(todo), text_field=task.text_field, types=task.types):
            part, there = todo[rows.block]
            yield self._finish(self._work, file, rows, f"{task.folder}/{part}", there)

    def _finish(self, work: AbstractWork, file: File, rows: Rows, path: str, there: bool) -> dict[str, Any]:
        import pyarrow

        task = self._task
        before = read_part(task.out_system, path) if there else None
        replaced = read_info(task.out_system, path) if there else None
        costs, started = work.costs.as_dict(), time.perf_counter()
        corpus = Corpus.from_texts("" if text is None else text for text in rows.texts)
        added = work.columns(corpus, before)
        n_texts, blank = len(corpus), corpus.blank
        names = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * n_texts, pyarrow.int32()), [file.name])
        columns: dict[str, Any] = {"file": names, "row": pyarrow.array(rows.numbers, pyarrow.int64())}
        if task.keep_text:
            columns["text"] = pyarrow.array(
                [None if given is None else text for given, text in zip(rows.texts, corpus.texts, strict=True)],
                pyarrow.string(),
            )
        table = pyarrow.table(columns | rows.columns | added)
        worded = pyarrow.array(~blank)
        failures = sum(column.filter(worded).null_count for column in added.values())
        info = {
            "texts": n_texts,
            "blank": int(blank.sum()),
            "failures": failures,
            "costs": add_counts(add_counts(work.costs.as_dict(), costs, -1), (replaced or {}).get("costs", {})),
            "seconds": time.perf_counter() - started,
            "worker": f"{platform.node()}:{os.getpid()}",
        }
        write_part(task.out_system, path, table, info)
        return {"part": path.rpartition("/")[2], "info": info, "replaced": replaced}


def describe_error(error: NlparamError) -> dict[str, Any]:
    """A line that `raise_described` understands."""
    return {"error": type(error).__name__, "message": str(error)}


def raise_described(line: dict[str, Any]) -> None:
    """Raises the error that a worker described, if the line is one."""
    import nlparam.errors

    if "error" not in line:
        return
    kind = JobError if line["error"] == "JobError" else getattr(nlparam.errors, line["error"], NlparamError)
    if kind is nlparam.errors.MissingExtraError:  # its constructor takes other arguments
        kind = NlparamError
    raise kind(line["message"])
