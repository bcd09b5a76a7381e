"""The manifest of a job, `job.json`: what was asked for, of which files, and what it has cost so far."""

import dataclasses
import datetime
import importlib.metadata
import json
from pathlib import Path
from typing import Any

from nlparam.errors import JobError
from nlparam.runtime.costs import add_counts
from nlparam.scale.parts import exists, whole_file
from nlparam.scale.sources import resolve

FORMAT = 1
FILE = "job.json"
_COUNTED = ("texts", "blank", "failures", "costs")


@dataclasses.dataclass
class Manifest:
    """Everything that `job.json` says.

    `settings` decide the result and are compared when a folder is used again, `given` do not (addresses, numbers of
    workers). `sources` maps each file to its fingerprint and number of rows. `done` are the totals over the finished
    parts (`parts`, `texts`, `blank`, `failures`, `costs`), `failed_parts` how many answers are missing in which part,
    `runs` what each run has added.
    """

    kind: str
    settings: dict[str, Any]
    given: dict[str, Any] = dataclasses.field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    done: dict[str, Any] = dataclasses.field(default_factory=lambda: {"parts": 0})
    failed_parts: dict[str, int] = dataclasses.field(default_factory=dict)
    runs: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    finished: bool = False

    def count(self, name: str, info: dict[str, Any], *, replaced: dict[str, Any] | None = None) -> None:
        """Counts a part that this run has finished, in place of the one that it `replaced`."""
        costs = info["costs"]
        if replaced is not None:
            counted = {key: replaced[key] for key in _COUNTED} | {"parts": 1}
            self.done, costs = add_counts(self.done, counted, -1), add_counts(costs, replaced["costs"], -1)
        self.recount(name, info)
        self.runs[-1] = add_counts(self.runs[-1], {"parts": 1, "texts": info["texts"], "costs": costs})

    def recount(self, name: str, info: dict[str, Any]) -> None:
        """Counts a part that an earlier run has finished."""
        self.done = add_counts(self.done, {key: info[key] for key in _COUNTED} | {"parts": 1})
        self.failed_parts.pop(name, None)
        if info["failures"]:
            self.failed_parts[name] = info["failures"]

    def begin_run(self) -> None:
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.runs.append({"started": started, "seconds": 0.0, "parts": 0, "texts": 0, "costs": {}})

    def save(self, out: str | Path) -> None:
        """Writes the manifest; a reader sees the old or the new one. Raises `JobError` if it cannot be written."""
        system, path = resolve(out)
        contents = {"format": FORMAT, "nlparam": importlib.metadata.version("nlparam")} | dataclasses.asdict(self)
        with whole_file(system, f"{path}/{FILE}") as stream:
            stream.write((json.dumps(contents, indent=1, ensure_ascii=False) + "\n").encode())

    def check_same(self, out: str | Path, kind: str, settings: dict[str, Any]) -> None:
        """Raises `JobError` if this is a job of another kind or with other settings; the message names them."""
        if self.kind != kind:
            raise JobError(f"{out} holds another job ({self.kind!r}, this is {kind!r}): choose another output folder")
        there, here = self.settings, json.loads(json.dumps(settings))
        different = [
            f"{name}: {_short(there.get(name))} there, {_short(here.get(name))} here"
            for name in sorted(there.keys() | here.keys())
            if there.get(name) != here.get(name)
        ]
        if different:
            raise JobError(f"{out} holds another job ({'; '.join(different)}): choose another output folder")

    def check_sources(self, out: str | Path, sources: dict[str, dict[str, Any]]) -> None:
        """Raises `JobError` if files of the job have changed or are gone. New files are welcome: a corpus may grow."""
        for name, described in self.sources.items():
            if name not in sources:
                raise JobError(
                    f"{out} holds results for the file {name!r}, which is not among the texts any more: put it back, "
                    "or choose another output folder"
                )
            if sources[name] != described:
                raise JobError(
                    f"{out} holds results for other contents of the file {name!r}: choose another output folder"
                )


def load(out: str | Path) -> Manifest | None:
    """The manifest in a folder, `None` if there is none. Raises `JobError` if it is damaged or of a newer nlparam."""
    system, path = resolve(out)
    try:
        if not exists(system, f"{path}/{FILE}"):
            return None
        with system.open_input_stream(f"{path}/{FILE}") as stream:
            contents = json.loads(stream.read())
        if contents["format"] > FORMAT:
            raise JobError(f"{out} was written by a newer nlparam (format {contents['format']}): upgrade nlparam")
        names = {field.name for field in dataclasses.fields(Manifest)}
        return Manifest(**{name: value for name, value in contents.items() if name in names})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(
            f"{out}/{FILE} is no manifest of a job ({error}): choose another output folder, or delete this one"
        ) from error


def _short(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 120 else f"{shown[:117]}..."
