"""What the two backends for GGUF files share: which file, its identity, and how it is to be run."""

import abc
import functools
import importlib.util
from pathlib import Path
from typing import NamedTuple

from nlparam.errors import MissingExtraError
from nlparam.lm.batching import AbstractBatchedModel, BatchModel, BatchWorker, Pulse
from nlparam.lm.weights import digest_of, resolve


class Options(NamedTuple):
    """How llama.cpp runs a model: threads (`None`: as many as there are free cores), tokens, layers on a GPU."""

    n_threads: int | None
    context: int
    gpu_layers: int


class AbstractGgufModel(AbstractBatchedModel):
    """A GGUF file that a library runs in this process. Subclasses say how it is loaded, and name the library.

    `library` is the name of its module, of its package, of the extra and of the backend; `batch_size` is how many
    requests it answers at once.
    """

    strong = False
    library: tuple[str, str, str, str]
    batch_size: int = 1

    def __init__(
        self,
        path: str | Path,
        *,
        identity: str | None = None,
        n_threads: int | None = None,
        context: int = 4096,
        gpu_layers: int = 0,
    ):
        module, *names = self.library
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(*names)
        self.path = resolve(path)
        self.max_in_flight = self.batch_size
        self._given_identity = identity
        self._options = Options(n_threads, context, gpu_layers)

    @functools.cached_property
    def identity(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - computed when first needed
        return self._given_identity or f"gguf:{digest_of(self.path)}"

    @property
    def where(self) -> str:
        return f"the language model {self.path.name}"

    @abc.abstractmethod
    def _load(self, pulse: Pulse) -> BatchModel:
        """Loads the file; counts its steps in `pulse`, and stops when that says so."""

    def _start(self) -> BatchWorker:
        return BatchWorker(self._load, self.batch_size, where=self.where)
