"""60 inputs as people have them: which are read right, and which refused with the way out.

`files/` has a folder for each and `inputs.jsonl` a line: tables, JSON, conversations, dates. 15 of the 60, drawn at
random, were looked at only once the readers were finished: 13 of them were read and 2 refused, as now.
"""

import collections
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.commands import read_rows
from nlparam.cli.reading import corpus_warnings
from nlparam.corpus.readers import read_texts
from nlparam.corpus.stamps import in_form
from nlparam.corpus.times import time_steps
from nlparam.errors import NlparamError

_HERE = Path(__file__).parent


class Input(NamedTuple):
    """A file (or folder) and what it says.

    Either `texts` are what a person would say its texts are, or `messages` are, for each conversation, what was
    written in it. `way_out` is what a refusal has to name (one of several words), and `then` are the options that
    follow it. `steps` are the times of the texts.
    """

    name: str
    file: str
    texts: Sequence[str] = ()
    messages: Sequence[Sequence[str]] | None = None
    way_out: Sequence[str] = ()
    then: dict[str, Any] | None = None
    steps: Sequence[str] | None = None


INPUTS = [Input(**row) for row in read_rows(_HERE / "inputs.jsonl")]


def verdict(item: Input) -> tuple[str, str]:
    """`read`, `refused` (with a way out that leads to the texts) or `wrong`, and what happened."""
    try:
        right, texts, told = _found(item, {})
        if right:
            return "read", "; ".join(told)
        # A warning that names the way out serves as a refusal.
        said, wrong = " ".join(told), f"got {texts!r:.300}"
    except NlparamError as error:
        said = wrong = str(error)
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    if not any(word in said for word in item.way_out):
        return "wrong", wrong
    if item.then is None:
        return "refused", said
    try:
        return ("refused" if _found(item, item.then)[0] else "wrong"), said
    except Exception as error:
        return "wrong", f"{item.then}: {type(error).__name__}: {error}"


def _found(item: Input, options: dict[str, Any]) -> tuple[bool, list[str], list[str]]:
    """Whether what is read is right, the texts that are read, and what is said of them."""
    path = _HERE / "files" / item.name / item.file
    reading = {name: value for name, value in options.items() if name != "time_format"}
    table = read_texts(path, fields=() if item.steps is None else ("date",), **reading)
    texts, told = table.texts, [*table.warnings, *corpus_warnings(table.texts)]
    if item.messages is not None:
        by_message = [t for t in read_texts(path, by_message=True).texts if not t.startswith("[calls ")]
        whole = len(texts) == len(item.messages) and all(
            all(said in text for said in talk) for text, talk in zip(texts, item.messages, strict=True)
        )
        return whole and by_message == [said for talk in item.messages for said in talk], texts, told
    right = texts == list(item.texts)
    if item.steps is not None:
        steps = time_steps(in_form(table.columns["date"], options.get("time_format")), unit="month")
        right = right and [steps.times[step] for step in steps.step.tolist()] == list(item.steps)
    return right, texts, told


def inputs_accepted() -> int:
    """How many of the 60 inputs are read right; prints what became of each, and of how many."""
    counts: collections.Counter[str] = collections.Counter()
    for item in INPUTS:
        kind, said = verdict(item)
        counts[kind] += 1
        print(json.dumps({"input": item.name, "kind": kind, "said": said[:240]}))
    print(json.dumps({"inputs_refused_with_a_way_out": counts["refused"], "inputs_wrong": counts["wrong"]}))
    return counts["read"]
