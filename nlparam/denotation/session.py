"""A session with a language model: engine, store, meter, costs, embedder and judges, opened and closed together."""

import contextlib
import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.arrays import ngrams_of_texts
from nlparam.denotation.calibration import CalibrationSummary, calibrate
from nlparam.denotation.following import GoalReader
from nlparam.denotation.judge import AbstractJudge, LabelJudge
from nlparam.denotation.labels import Labelled
from nlparam.denotation.policy import policy_of
from nlparam.denotation.reading import Reading
from nlparam.errors import NlparamError
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder, StoredEmbedder, embed_corpus
from nlparam.language.features import NgramFeatures
from nlparam.lm import load_language_model
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.budget import Budget, Meter
from nlparam.runtime.compiled import keep_compiled_here
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DEFAULT_GOAL = "what the text is about"

_Function = TypeVar("_Function", bound=Callable)
_Options = TypeVar("_Options", bound="DataclassInstance")
_Strategy = TypeVar("_Strategy")


class Running(TypedDict, total=False):
    """What a language model may use, and where its answers are kept. `nlparam.fit` explains these options."""

    budget: Budget | None
    store: str | Path | Store | None
    timeout: float
    progress: Progress | None


class Asking(Running, total=False):
    """How a language model is asked: the options that all functions which ask one share."""

    lm: str | Path | AbstractLanguageModel | None


class Session:
    """A language model, and all that asking it takes, for a `with` block.

    **Arguments:**

    - `lm`: see `nlparam.lm.load_language_model`; `timeout`: seconds that one call may take.
    - `embedder`: a folder, a hub name or an embedder; `None` for the packaged MiniLM.
    - `store`: a path, `None` for the file in the user's cache, or an open store, which is left open.
    - `budget`: what the language model may use, from now on; `costs`: counters to go on with.
    - `progress`: the display; `None` for one on a terminal.

    **Attributes:** `lm`, `embedder`, `policy`, `costs`, `meter`, `progress`; in the `with` block `store`, `engine`,
    `reading` (how labels are read).

    Raises `LanguageModelError` or `WeightsError` if there is no such language model, `StoreError` on entering.
    """

    engine: Engine
    reading: Reading
    store: Store

    def __init__(
        self,
        *,
        lm: str | Path | AbstractLanguageModel | None = "embedded",
        embedder: str | Path | AbstractEmbedder | None = None,
        budget: Budget | None = None,
        store: str | Path | Store | None = None,
        timeout: float = 60.0,
        progress: Progress | None = None,
        costs: Costs | None = None,
    ):
        self.progress = Progress() if progress is None else progress
        self.costs = Costs() if costs is None else costs
        self.meter = Meter(self.costs, budget)
        self._given = "embedded" if lm is None else lm
        self.lm = load_language_model(self._given, timeout=timeout)
        self.policy = policy_of(self.lm)
        self.embedder = embedder if isinstance(embedder, AbstractEmbedder) else SentenceTransformerEmbedder(embedder)
        self._store, self._timeout = store, timeout
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        keep_compiled_here()
        with contextlib.ExitStack() as stack:
            self.store = stack.enter_context(opened(self._store))
            self.engine = stack.enter_context(
                Engine(
                    self.lm,
                    store=self.store,
                    costs=self.costs,
                    timeout=self._timeout,
                    progress=self.progress,
                    meter=self.meter,
                )
            )
            self.reading = Reading(self.lm, self.store)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        # What ends the session is raised rather than what happens while it ends.
        with self._open, contextlib.suppress(*([] if error[0] is None else [NlparamError])):
            self.reading.keep()

    def judge(self, *, n_words: int | None = None, **options: Any) -> LabelJudge:
        """A judge by label probabilities. `n_words` of a text are shown, by default as the policy says; `options` are
        the others of `LabelJudge`."""
        n_words = self.policy.n_words if n_words is None else n_words
        self.reading.recall()
        return LabelJudge(self.engine, self.store, self.costs, n_words=n_words, progress=self.progress, **options)

    def goal_reader(self) -> GoalReader:
        """What reads whether a goal is followed."""
        return GoalReader(self.judge(question="tells"), self.judge(question="answers"))

    def answered(self, statements: Sequence[str], goal: str) -> dict[str, bool]:
        """Which statements answer a goal, as it was given."""
        return self.goal_reader().answered(statements, goal)

    def calibrated(
        self, judge: AbstractJudge, calibration: str | Path | Labelled | None
    ) -> tuple[AbstractJudge, CalibrationSummary | None]:
        """The judge corrected by labelled pairs, or by a file of them, and how; as it is if there are none."""
        if calibration is None:
            return judge, None
        labelled = Labelled.given(calibration)
        with self.costs.stage("calibration"):
            return calibrate(judge, labelled)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """`(n_texts, embed_dim)` embeddings of distinct texts, from the store where it has them."""
        with self.costs.stage("embedding"):
            return embed_corpus(texts, self.embedder, self.store, costs=self.costs, progress=self.progress)

    def ngrams(self, texts: Sequence[str]) -> tuple[NgramFeatures, np.ndarray]:
        """The n-grams of distinct texts, and `(n_texts, n_features)` features: computed once where answers are kept."""
        return ngrams_of_texts(texts, kept=self.keeps)

    def unread(self) -> None:
        """From now on the store answers nothing: for what measures how long an answer takes."""
        self._open.enter_context(self.store.unread())

    @property
    def keeps(self) -> bool:
        """Whether anything is kept on this machine, in the `with` block."""
        return not self.store.database.in_memory

    @property
    def stored_embedder(self) -> AbstractEmbedder:
        """Of statements and predicates, in the `with` block: what the store has is not embedded again."""
        return StoredEmbedder(self.embedder, self.store)

    @property
    def embedder_name(self) -> str:
        """The embedder as it was given, for settings."""
        return str(getattr(self.embedder, "name_or_path", None) or "minilm")

    @property
    def lm_name(self) -> str:
        """The language model as it was given, for settings: without what http://user:password@host has before the
        host, which does not belong into a file that is passed on."""
        if isinstance(self._given, str):
            return re.sub(r"(?<=://)[^/@]*@", "", self._given)
        return str(getattr(self._given, "identity", self._given))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What is asked about a corpus in a session: its texts embedded, the judge, the settings by which it can be told
    from others. `ngram_features` is what `ngrams` sees of the distinct texts, `(n_distinct, n_features)`."""

    session: Session
    corpus: Corpus
    embeddings: np.ndarray
    ngrams: NgramFeatures
    ngram_features: np.ndarray
    judge: AbstractJudge
    settings: dict[str, Any]
    seed: int

    @property
    def costs(self) -> Costs:
        return self.session.costs

    @property
    def meter(self) -> Meter:
        return self.session.meter

    @property
    def embedder(self) -> AbstractEmbedder:
        return self.session.embedder

    @property
    def stored_embedder(self) -> AbstractEmbedder:
        return self.session.stored_embedder

    @property
    def progress(self) -> Progress:
        return self.session.progress


def opened(store: str | Path | Store | None, otherwise: str | None = None) -> contextlib.AbstractContextManager[Store]:
    """A store for a `with` block, which closes it unless the caller had opened it. `otherwise` stands for `None`."""
    if isinstance(store, Store):
        return contextlib.nullcontext(store)
    return Store(otherwise if store is None else store)


def accepts(names: type | None, *sources: Callable) -> Callable[[_Function], _Function]:
    """Shows the options of a typed mapping in the signature of a function (`help`), in the place of `**asked`.

    `sources` are the functions that take them, and say their defaults; without a mapping all of theirs are shown.
    """

    def shown(function: _Function) -> _Function:
        own = inspect.signature(function)
        parameters = {name: one for name, one in own.parameters.items() if one.kind is not one.VAR_KEYWORD}
        for source in sources:
            for name, one in inspect.signature(source).parameters.items():
                if one.kind is one.KEYWORD_ONLY and (names is None or name in names.__annotations__):
                    parameters.setdefault(name, one)
        function.__signature__ = own.replace(parameters=list(parameters.values()))  # pyright: ignore
        return function

    return shown


def check_names(function: Callable, asked: Mapping[str, Any]) -> None:
    """Raises `TypeError` for a keyword argument that a function with `accepts` does not have."""
    known = inspect.signature(function).parameters
    if unknown := [name for name in asked if name not in known]:
        names = ", ".join(name for name, one in known.items() if one.kind is one.KEYWORD_ONLY)
        raise TypeError(f"{function.__name__}() got {', '.join(unknown)}, expected some of {names}")


def changed(default: _Options, given: _Options | Mapping[str, Any] | None) -> _Options:
    """Options as they are given, or the default with some of its fields changed by a mapping.

    Raises `ValueError` for a name that is no field.
    """
    if isinstance(given, type(default)):
        return given
    changes: Any = given or {}
    names = [field.name for field in dataclasses.fields(default)]
    if unknown := sorted(changes.keys() - set(names)):
        raise ValueError(f"got options {', '.join(unknown)}, expected some of {', '.join(names)}")
    return dataclasses.replace(default, **changes)


def chosen(
    given: Any,
    strategies: Mapping[str, Callable[[Engine], _Strategy]],
    kind: type[_Strategy],
    session: Session,
    what: str,
) -> _Strategy:
    """A proposer that was given, by its name, or what a function makes of the engine; by default that of the policy.

    `kind` is its class, `what` is what a message calls it. Raises `ValueError` for an unknown name.
    """
    if isinstance(given, kind):
        return given
    name = session.policy.proposer if given is None else given
    if not isinstance(name, str):
        return name(session.engine)
    if name not in strategies:
        raise ValueError(f"got proposer={name!r}, expected one of {', '.join(sorted(strategies))} or {what}")
    return strategies[name](session.engine)
