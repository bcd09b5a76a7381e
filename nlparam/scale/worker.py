"""What runs on the workers: reads blocks, does the work of a step on them, writes parts."""

import abc
import dataclasses
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import nlparam.errors
from nlparam.corpus.corpus import Corpus
from nlparam.errors import NlparamError
from nlparam.runtime.costs import Costs, add_counts
from nlparam.scale.parts import exists, read_info, read_part, write_part
from nlparam.scale.sources import Block, File, Rows, read_blocks

if TYPE_CHECKING:
    import pyarrow

# The columns that a step adds to texts, one value per text; null where an answer could not be had. The table is the
# part as an earlier run wrote it, if one did: what is not null in it is not to be done again.
Work = Callable[[Corpus, "pyarrow.Table | None"], "dict[str, pyarrow.Array]"]


class AbstractStep(abc.ABC):
    """What a job does with texts. It travels to every worker, so it holds names and numbers and nothing opened.

    **Attributes:** `kind`, its name in the manifest; `whole_machine`, whether one worker that works itself makes use of
    all processors of a machine.
    """

    kind: ClassVar[str]
    whole_machine: ClassVar[bool] = False

    @property
    def servers(self) -> int:
        """How many servers share the work; 0 if it is done in the workers."""
        return 0

    @property
    def choices(self) -> int:
        """How many models workers spread over; for one, nobody numbers the workers."""
        return 1

    @property
    @abc.abstractmethod
    def adds(self) -> tuple[str, ...]:
        """The names of the columns that it adds."""

    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that decides the result, for the manifest. Runs on a worker once, before any work."""

    @abc.abstractmethod
    def start(self, number: int, costs: Costs) -> Work:
        """Gets ready to work in worker number `number`; what is spent is added to `costs`."""


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
        self._number: int = 0 if counter is None else ray.get(counter.next.remote())
        self._costs = Costs()
        self._work: Work | None = None

    def __call__(self, batch: "pyarrow.Table") -> "Iterator[pyarrow.Table]":
        import pyarrow

        for line in batch["task"].to_pylist():
            try:
                for finished in self._do(**json.loads(line)):
                    yield pyarrow.table({"result": [json.dumps(finished)]})
            except NlparamError as error:
                yield pyarrow.table({"result": [json.dumps(describe_error(error))]})
                return

    def _do(self, file: list[Any], blocks: list[list[Any]], *, retry: bool) -> Iterator[dict[str, Any]]:
        task = self._task
        todo: dict[Block, str] = {}
        for *described, part in blocks:
            # A worker that took over from one that died finds what that one had finished.
            if not retry and exists(task.out_system, f"{task.folder}/{part}"):
                yield {"part": part, "info": read_info(task.out_system, f"{task.folder}/{part}")}
            else:
                first_row, n_rows, place, digest = described
                todo[Block(first_row, n_rows, tuple(place), digest)] = part
        if not todo:
            return
        if self._work is None:
            self._work = task.step.start(self._number, self._costs)
        read = read_blocks(task.source_system, File(*file), list(todo), text_field=task.text_field, types=task.types)
        for rows in read:
            yield self._finish(self._work, file[1], rows, todo[rows.block])

    def _finish(self, work: Work, name: str, rows: Rows, part: str) -> dict[str, Any]:
        import pyarrow

        task = self._task
        path, before, replaced = f"{task.folder}/{part}", None, None
        if exists(task.out_system, path):
            before, replaced = read_part(task.out_system, path), read_info(task.out_system, path)
        spent, started = self._costs.as_dict(), time.perf_counter()
        corpus = Corpus.from_texts("" if text is None else text for text in rows.texts)
        added = work(corpus, before)
        names = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * len(corpus), pyarrow.int32()), [name])
        columns: dict[str, Any] = {"file": names, "row": pyarrow.array(rows.numbers, pyarrow.int64())}
        if task.keep_text:
            texts = [None if given is None else text for given, text in zip(rows.texts, corpus.texts, strict=True)]
            columns["text"] = pyarrow.array(texts, pyarrow.string())
        worded = pyarrow.array(~corpus.blank)
        info = {
            "texts": len(corpus),
            "blank": int(corpus.blank.sum()),
            "failures": sum(column.filter(worded).null_count for column in added.values()),
            "costs": add_counts(add_counts(self._costs.as_dict(), spent, -1), (replaced or {}).get("costs", {})),
            "seconds": time.perf_counter() - started,
            "worker": f"{platform.node()}:{os.getpid()}",
        }
        write_part(task.out_system, path, pyarrow.table(columns | rows.columns | added), info)
        return {"part": part, "info": info, "replaced": replaced}


def describe_error(error: NlparamError) -> dict[str, Any]:
    """A line that `raise_described` understands."""
    return {"error": type(error).__name__, "message": str(error)}


def raise_described(line: dict[str, Any]) -> None:
    """Raises the error that a worker described, if the line is one."""
    if "error" in line:
        kind = getattr(nlparam.errors, line["error"], NlparamError)
        raise kind.__new__(kind, line["message"])  # not called: some take other arguments than a message
