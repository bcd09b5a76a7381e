"""Texts and what is known of them, whatever file they came from; a `Dataset` is made of it at the end.

The sets were made for strong language models, and state their goal as an instruction: "I want to guess what topic is
more likely to achieve a higher score ... in the form of 'has a topic of <something>'". Our prompts ask for a short
phrase, and a small model loses the thread of a long one: `plain_goal` takes the phrase out of the instruction.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pydantic

from benchmarks.experiments.base import DataError, Task
from nlparam.language.goals import goal_of_attributes

_FORM = re.compile(r"'has an? ([\w/ ]+) of <\w+>'")
_BASIS = re.compile(r"\bbased on ([^.;]+)")
_WANTED = re.compile(r"\bI (?:want|would like|am trying) to (?:understand|know|learn|find out|see|describe) ([^.;]+)")
_COMPLETE = re.compile(r"(?:the|an?|its|their|whether|what|which|who|whose|where|when|why|how)\b")
_REMARK = re.compile(r"^\s*\([^)]*\)\s*")


def plain_goal(stated: str) -> str:
    """The phrase in a stated goal; what is a phrase already stays as it is, without a full stop.

    ```pycon
    >>> plain_goal("Each description should be in the form of 'has a topic/language of <something>'.")
    'the topic or language of the text'
    >>> plain_goal("I want to cluster these problems based on the skills required to solve them.")
    'the skills required to solve them'
    >>> plain_goal("what the text is about")
    'what the text is about'

    ```
    """
    form = _FORM.search(stated)
    if form is not None:
        return goal_of_attributes(form[1].split("/"))
    basis = _BASIS.search(stated)
    if basis is not None:
        return basis[1].strip() if _COMPLETE.match(basis[1]) else f"the {basis[1].strip()}"
    wanted = _WANTED.search(stated)
    if wanted is not None:
        return wanted[1].strip()
    return _REMARK.sub("", stated).strip().rstrip(".")


# Asked for where neither the file nor the truth says how many predicates there are.
DEFAULT_K = 5


def known_task(task: str) -> Task:
    """Raises `DataError` if there is no such task."""
    if task not in get_args(Task):
        raise DataError(f"got task={task!r}, expected one of {', '.join(get_args(Task))}")
    return cast(Task, task)


def read(path: Path) -> str:
    """The text of a file in UTF-8. Raises `DataError` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}): convert it") from error


def parsed(kind: Any, content: Any, place: Path | str) -> Any:
    """The content, JSON or what it says, as a type that pydantic knows. Raises `DataError` with all that is wrong."""
    adapter = pydantic.TypeAdapter(kind)
    try:
        return adapter.validate_json(content) if isinstance(content, str) else adapter.validate_python(content)
    except pydantic.ValidationError as error:
        said = (
            f"{'.'.join(map(str, one['loc']))} is {one['input']!r:.60}: {one['msg']}".removeprefix(" is ")
            for one in error.errors()
        )
        raise DataError(f"{place}: {'; '.join(said)}") from None


@dataclasses.dataclass(frozen=True)
class Attribute:
    """One labelling of the texts: `holds[i, j]` if `predicates[j]` holds for text i. `name` is "topic" or the like."""

    name: str
    predicates: tuple[str, ...]
    holds: np.ndarray


@dataclasses.dataclass(frozen=True)
class Source:
    """`goal` is None where none is stated, `k` where the file does not say it; `attributes` is empty without a truth.

    `others` are labellings that the task is not about, by name, as far as they can be known.
    """

    name: str
    task: Task
    texts: list[str]
    data: list[Any] | None
    goal: str | None = None
    k: int | None = None
    attributes: tuple[Attribute, ...] = ()
    others: tuple[Attribute, ...] = ()
    origin: str = ""

    @property
    def reference(self) -> np.ndarray | None:
        return np.concatenate([a.holds for a in self.attributes], axis=1) if self.attributes else None

    @property
    def reference_predicates(self) -> tuple[str, ...]:
        return tuple(predicate for attribute in self.attributes for predicate in attribute.predicates)

    def take(self, rows: np.ndarray) -> "Source":
        """The same of some of the texts, in the order of `rows`."""

        def of(attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
            return tuple(dataclasses.replace(attribute, holds=attribute.holds[rows]) for attribute in attributes)

        texts = [self.texts[row] for row in rows.tolist()]
        data = None if self.data is None else [self.data[row] for row in rows.tolist()]
        return dataclasses.replace(self, texts=texts, data=data, attributes=of(self.attributes), others=of(self.others))

    @property
    def usual_k(self) -> int:
        """What the file says, else the number of references, else that of the classes."""
        if self.k is not None:
            return self.k
        if self.attributes:
            return len(self.reference_predicates)
        if self.task == "classification" and self.data is not None:
            return len(set(self.data))
        return DEFAULT_K
