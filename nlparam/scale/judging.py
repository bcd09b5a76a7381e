"""`judge`: probabilities that predicates hold for the texts of a huge corpus, by a language model."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.judge import LabelJudge
from nlparam.errors import LanguageModelError
from nlparam.lm import AbstractLanguageModel, RequestError, load_language_model
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress
from nlparam.scale.job import JobResult, Options, Source, run_job
from nlparam.scale.worker import AbstractStep, Work

if TYPE_CHECKING:
    import pyarrow

LanguageModel = str | Path | AbstractLanguageModel


def judge(
    source: Source,
    predicates: Sequence[str],
    out: str | Path,
    *,
    lm: LanguageModel | Sequence[LanguageModel],
    store: str | Path | None = None,
    timeout: float | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> JobResult:
    """Judges every text of a corpus for every predicate, on one machine or many, and can be killed at any moment.

    **Arguments:**

    - `source`: a .parquet or .jsonl file, a folder of such files, or several; paths, or URIs such as `s3://...`.
    - `predicates`: sentences; the result has one column of probabilities `P(predicate)` for each.
    - `out`: the folder for the result, `parts/*.parquet` and `job.json`. If it holds this job already, the job goes on.
    - `lm`: as in [`nlparam.fit`][]: the address of a server, or the model that each worker is to load. Several
      addresses must serve the same model; the workers share them evenly and change over if one fails.
    - `store`: the file that keeps every judgment on the machine of the worker, so that a killed run does not even
      repeat part of a block; by default the one of all fits there, ":memory:" for none.
    - `timeout`: the seconds a call to a server may take.
    - `options`: the fields of [`Options`][nlparam.scale.Options].

    All predicates of a text are asked for one after another, of one server, whose prefix cache reads the text once.
    Answers that could not be had are null, and counted; `retry_failures=True` asks for them again. Texts that are
    missing or blank have null without being asked.

    **Raises:** `CorpusError`, `JobError` (the folder holds another job), `LanguageModelError` (no server answers),
    `StoreError`, `MissingExtraError` without Ray.
    """
    models = [lm] if isinstance(lm, str | Path | AbstractLanguageModel) else list(lm)
    predicates = list(predicates)
    if not models or not predicates:
        raise ValueError(f"got {len(models)} language models and {len(predicates)} predicates, expected at least one")
    if len(set(predicates)) < len(predicates):
        raise ValueError("got a predicate twice, expected distinct ones")
    step = JudgeStep(tuple(models), tuple(predicates), None if store is None else str(store), timeout)
    given = {"lm": [_name(model) for model in models], "store": store and str(store)}
    return run_job(step, source, out, Options(**options), given=given, progress=progress)


@dataclasses.dataclass(frozen=True)
class JudgeStep(AbstractStep):
    """See [`judge`][nlparam.scale.judge]."""

    models: tuple[LanguageModel, ...]
    predicates: tuple[str, ...]
    store: str | None = None
    timeout: float | None = None

    kind = "judge"
    whole_machine = True

    @property
    def adds(self) -> tuple[str, ...]:
        return tuple(column_name(predicate) for predicate in self.predicates)

    @property
    def servers(self) -> int:
        return sum(isinstance(model, AbstractLanguageModel) or _is_server(model) for model in self.models)

    @property
    def choices(self) -> int:
        return len(self.models)

    def settings(self) -> dict[str, Any]:
        identities, failures = {}, []
        for model in self.models:
            try:
                identities[_name(model)] = self.identity(model)
            except LanguageModelError as error:
                failures.append(error)
        if not identities:
            raise failures[0]
        if len(set(identities.values())) > 1:
            served = "; ".join(f"{name}: {identity}" for name, identity in identities.items())
            raise LanguageModelError(f"got servers of different models ({served}), expected one model everywhere")
        return {"judge": next(iter(identities.values())), "predicates": list(self.predicates)}

    def identity(self, model: LanguageModel) -> str:
        """Model and prompt: what the judgments of `model` depend on."""
        with self.engine(model, Costs()) as engine, Store(":memory:") as store:
            return LabelJudge(engine, store, engine.costs).identity

    def engine(self, model: LanguageModel, costs: Costs) -> Engine:
        options: dict[str, Any] = {} if self.timeout is None else {"timeout": self.timeout}
        return Engine(load_language_model(model, **options), store=None, costs=costs)

    def start(self, number: int, costs: Costs) -> Work:
        return _Judging(self, number, costs)


class _Judging:
    """What one worker does with a block: it holds the store and an engine for one of the servers."""

    def __init__(self, step: JudgeStep, number: int, costs: Costs):
        self._step, self._costs = step, costs
        self._at = number % len(step.models)
        self._engine: Engine | None = None
        # In memory, the answers of one block are kept until its part is written, so that memory stays flat.
        self._store = None if step.store == ":memory:" else Store(step.store)

    def __call__(self, corpus: Corpus, before: "pyarrow.Table | None") -> "dict[str, pyarrow.Array]":
        import pyarrow

        names = self._step.adds
        known = np.full((len(corpus), len(names)), np.nan)
        if before is not None:
            known = np.stack([before[name].to_numpy(zero_copy_only=False) for name in names], axis=1)
        # Equal texts have one judgment, whichever of them it was made for.
        judged = np.full((len(corpus.distinct), len(names)), np.nan)
        for text, row in zip(corpus.row, known, strict=True):
            if text >= 0:
                judged[text] = np.where(np.isnan(row), judged[text], row)
        pairs = np.argwhere(np.isnan(judged))  # text-major
        opened = Store(":memory:") if self._store is None else contextlib.nullcontext(self._store)
        with opened as store, self._costs.stage("judge"):
            if len(pairs):
                judged[tuple(pairs.T)] = self._ask(corpus.distinct, pairs, store, again=before is not None)
        spread = corpus.spread(judged, fill=np.nan)
        return {name: pyarrow.array(column, from_pandas=True) for name, column in zip(names, spread.T, strict=True)}

    def _ask(self, texts: Sequence[str], pairs: np.ndarray, store: Store, *, again: bool) -> np.ndarray:
        """The judgments of a server; if it fails, of the next."""
        models = self._step.models
        for n_left in reversed(range(len(models))):
            try:
                if self._engine is None:
                    self._engine = self._step.engine(models[self._at], self._costs)
                judge = LabelJudge(self._engine, store, self._costs, progress=Progress(enabled=False))
                return judge.judge(texts, self._step.predicates, pairs)
            except LanguageModelError as error:
                # A new engine blames the server if it refuses every question. That is to be expected of questions that
                # have failed before.
                if again and isinstance(error.__cause__, RequestError):
                    break
                if self._engine is not None:
                    self._engine.close()
                    self._engine = None
                if not n_left:
                    raise
                self._at = (self._at + 1) % len(models)
        return np.full(len(pairs), np.nan)


def column_name(predicate: str) -> str:
    """The column that holds the probabilities of a predicate, as in the tables of `nlparam predict`."""
    return f"P({predicate})"


def _is_server(model: LanguageModel) -> bool:
    return isinstance(model, str) and model.lower().startswith(("http://", "https://"))


def _name(model: LanguageModel) -> str:
    return model.where if isinstance(model, AbstractLanguageModel) else str(model)
