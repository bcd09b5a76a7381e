"""The manifest of a job, `job.json`: what was asked for, of which files, and what it has cost so far."""

import dataclasses
import datetime
import importlib.metadata
import json
import uuid
from pathlib import Path
from typing import Any

from nlparam.runtime.costs import add_counts
from nlparam.scale.errors import JobError
from nlparam.scale.sources import Plan, resolve

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
    given: dict[str, Any]
    sources: dict[str, dict[str, Any]]
    done: dict[str, Any] = dataclasses.field(default_factory=lambda: {"parts": 0})
    failed_parts: dict[str, int] = dataclasses.field(default_factory=dict)
    runs: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    finished: bool = False

    def count(self, name: str, info: dict[str, Any], *, replaced: dict[str, Any] | None = None) -> None:
        """Counts a part that this run has finished, in place of the one that it `replaced`."""
        if replaced is not None:
            self.done = add_counts(self.done, {key: replaced[key] for key in _COUNTED}, -1)
            self.done["parts"] -= 1
        self.recount(name, info)
        costs = add_counts(info["costs"], replaced["costs"], -1) if replaced is not None else info["costs"]
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
        from pyarrow import fs

        system, path = resolve(out)
        contents = {"format": FORMAT, "nlparam": importlib.metadata.version("nlparam")} | dataclasses.asdict(self)
        data = (json.dumps(contents, indent=1, ensure_ascii=False) + "\n").encode()
        try:
            if isinstance(system, fs.LocalFileSystem):
                partial = Path(path) / f".{FILE}.{uuid.uuid4().hex}.partial"
                partial.write_bytes(data)
                partial.replace(Path(path) / FILE)
            else:
                with system.open_output_stream(f"{path}/{FILE}") as stream:
                    stream.write(data)
        except OSError as error:
            raise JobError(f"{out} cannot be written ({error}): choose another output folder") from error


def load(out: str | Path) -> Manifest | None:
    """The manifest in a folder, `None` if there is none. Raises `JobError` if it is damaged or of a newer nlparam."""
    system, path = resolve(out)
    try:
        if not system.get_file_info(f"{path}/{FILE}").is_file:
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


def describe(plans: list[Plan]) -> dict[str, dict[str, Any]]:
    """The `sources` of a manifest."""
    return {plan.file.name: {"fingerprint": plan.fingerprint, "rows": plan.n_rows} for plan in plans}


def check_same(out: str | Path, there: Manifest, kind: str, settings: dict[str, Any]) -> None:
    """Raises `JobError` if a folder holds a job of another kind or with other settings; the message names them."""
    if there.kind != kind:
        raise JobError(f"{out} holds another job ({there.kind!r}, this is {kind!r}): choose another output folder")
    wanted = json.loads(json.dumps(settings))
    different = [
        f"{name}: {_short(there.settings.get(name))} there, {_short(wanted.get(name))} here"
        for name in sorted(wanted.keys() | there.settings.keys())
        if there.settings.get(name) != wanted.get(name)
    ]
    if different:
        raise JobError(f"{out} holds another job ({'; '.join(different)}): choose another output folder")


def check_sources(out: str | Path, there: Manifest, sources: dict[str, dict[str, Any]]) -> None:
    """Raises `JobError` if files of the job have changed or are gone. New files are welcome: a corpus may grow."""
    for name, described in there.sources.items():
        if name not in sources:
            raise JobError(
                f"{out} holds results for the file {name!r}, which is not among the texts any more: put it back, or "
                "choose another output folder"
            )
        if sources[name] != described:
            raise JobError(f"{out} holds results for other contents of the file {name!r}: choose another output folder")


def _short(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 120 else f"{shown[:117]}..."
