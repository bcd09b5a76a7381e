"""60 inputs as people have them: which are read right, and which refused with the way out.

`python -m benchmarks.people.inputs` prints a line for each and the figures as JSON. 15 of the 60 were looked at only
once the readers were finished (`UNSEEN`): 13 of them were read and 2 refused, as now.
"""

import collections
import json
import random
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.people.input_chats import chats
from benchmarks.people.input_files import Input
from benchmarks.people.input_json import dates, json_files
from benchmarks.people.input_tables import tables
from nlparam.cli.reading import corpus_warnings
from nlparam.corpus.readers import read_texts
from nlparam.corpus.stamps import in_form
from nlparam.corpus.times import time_steps
from nlparam.errors import NlparamError

INPUTS: list[Input] = [*tables(), *json_files(), *chats(), *dates()]
UNSEEN = frozenset(random.Random(17).sample([item.name for item in INPUTS], 15))


def verdict(item: Input, folder: Path) -> tuple[str, str]:
    """`read`, `refused` (with a way out that leads to the texts) or `wrong`, and what happened."""
    path = folder / item.name / item.file
    path.parent.mkdir()
    if item.files:
        path.mkdir()
        for name, content in item.files.items():
            (path / name).write_bytes(content)
    else:
        path.write_bytes(item.content)
    try:
        found = _found(path, item, {})
        if found.right:
            return "read", "; ".join(found.said)
        # A warning that names the way out serves as a refusal.
        said = " ".join(found.said)
        wrong = f"got {found.texts!r:.300}"
    except NlparamError as error:
        said = wrong = str(error)
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    if not any(word in said for word in item.way_out):
        return "wrong", wrong
    if item.then is None:
        return "refused", said
    try:
        found = _found(path, item, item.then)
    except Exception as error:
        return "wrong", f"{item.then}: {type(error).__name__}: {error}"
    return ("refused" if found.right else "wrong"), said


class _Found(NamedTuple):
    right: bool
    texts: list[str]
    said: list[str]


def _found(path: Path, item: Input, options: dict[str, Any]) -> _Found:
    reading = {name: value for name, value in options.items() if name != "time_format"}
    fields = () if item.steps is None else ("date",)
    table = read_texts(path, fields=fields, **reading)
    texts, said = table.texts, [*table.warnings, *corpus_warnings(table.texts)]
    if item.messages is not None:
        by_message = read_texts(path, by_message=True)
        said_by = [text for text in by_message.texts if not text.startswith("[calls ")]
        whole = len(texts) == len(item.messages) and all(
            all(said in text for said in talk) for text, talk in zip(texts, item.messages, strict=True)
        )
        return _Found(whole and said_by == [said for talk in item.messages for said in talk], texts, said)
    right = texts == list(item.texts or ())
    if item.steps is not None:
        steps = time_steps(in_form(table.columns["date"], options.get("time_format")), unit="month")
        right = right and [steps.times[step] for step in steps.step.tolist()] == list(item.steps)
    return _Found(right, texts, said)


def measure(names: Collection[str] | None = None, *, show: bool = False) -> dict[str, int]:
    """How many of the inputs are read right, refused with the way out, and neither."""
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for item in INPUTS:
            if names is None or item.name in names:
                kind, said = verdict(item, Path(folder))
                counts[kind] += 1
                if show:
                    print(f"{kind:8} {item.name:28} {said[:240]}")
    return {
        "inputs_accepted": counts["read"],
        "inputs_refused_with_a_way_out": counts["refused"],
        "inputs_wrong": counts["wrong"],
    }


def inputs_accepted() -> int:
    """How many of the 60 inputs are read right."""
    counts = measure()
    print(json.dumps(counts))
    return counts["inputs_accepted"]


if __name__ == "__main__":
    seen = "--seen" in sys.argv[1:]
    print(json.dumps(measure({item.name for item in INPUTS} - UNSEEN if seen else None, show=True)))
