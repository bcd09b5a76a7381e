"""`embed` and `denote`: embeddings, and the denotations of a saved fit, of a huge corpus; no language model."""

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder, embed_corpus
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress
from nlparam.scale.job import JobResult, Options, Source, run_job
from nlparam.scale.judging import column_name
from nlparam.scale.worker import AbstractStep, Work

if TYPE_CHECKING:
    from nlparam.denotation.denoter import Denoter


def embed(
    source: Source,
    out: str | Path,
    *,
    embedder: str | Path | AbstractEmbedder | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> JobResult:
    """Embeds every text of a corpus, on one machine or many, and can be killed at any moment.

    The result has the column `embedding`, unit vectors of single precision, null for a blank text.

    **Arguments:** `source`, `out` and `options` as in [`judge`][nlparam.scale.judge]; `embedder` as in
    [`nlparam.fit`][], a folder or name that every worker can load.

    **Raises:** `CorpusError`, `JobError` (the folder holds another job), `EmbedderError`, `MissingExtraError`.
    """
    if not isinstance(embedder, AbstractEmbedder):
        embedder = SentenceTransformerEmbedder(embedder)
    given = {"embedder": str(getattr(embedder, "name_or_path", None) or embedder.identity)}
    return run_job(EmbedStep(embedder), source, out, Options(**options), given=given, progress=progress)


def denote(
    source: Source,
    fit_folder: str | Path,
    out: str | Path,
    *,
    embedder: str | Path | AbstractEmbedder | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> JobResult:
    """Denotations of every text of a corpus for the predicates of a saved fit, as `Fit.denote` gives them.

    The result has a column of probabilities `P(predicate)` for each predicate, 0 for a blank text. Only this process
    reads the folder of the fit.

    **Arguments:** as in [`embed`][nlparam.scale.embed]; `fit_folder` is the folder of the fit, `embedder` the one it
    was made with, if that has moved or was an object of your own.

    **Raises:** `CorpusError`, `ResultFolderError`, `JobError` (the folder holds another job), `EmbedderError`,
    `MissingExtraError`.
    """
    from nlparam.fitting.result import Fit

    fit = Fit.load(fit_folder, embedder=embedder)
    step = DenoteStep(fit.denoter, tuple(fit.predicates), _digest(Path(fit_folder)))
    given = {"fit": str(fit_folder)}
    return run_job(step, source, out, Options(**options), given=given, progress=progress)


@dataclasses.dataclass(frozen=True)
class EmbedStep(AbstractStep):
    """See [`embed`][nlparam.scale.embed]."""

    embedder: AbstractEmbedder

    kind = "embed"

    @property
    def adds(self) -> tuple[str, ...]:
        return ("embedding",)

    def settings(self) -> dict[str, Any]:
        from nlparam.language.embed import model_of

        return {"embedder": model_of(self.embedder.identity)}

    def start(self, number: int, costs: Costs) -> Work:
        del number

        def embed(corpus: Corpus, _: Any) -> dict[str, Any]:
            import pyarrow

            # The parts are the record: nothing is stored beside them.
            with Store(":memory:") as store, costs.stage("embed"):
                distinct = embed_corpus(
                    corpus.distinct, self.embedder, store, costs=costs, progress=Progress(enabled=False)
                )
            if not len(distinct):
                # All are blank; only the model knows how long a vector is.
                distinct = np.zeros((0, self.embedder.embed(["a"]).shape[1]), np.float32)
            matrix = np.ascontiguousarray(corpus.spread(distinct), np.float32)
            vectors = pyarrow.FixedSizeListArray.from_arrays(
                pyarrow.array(matrix.reshape(-1)), matrix.shape[1], mask=pyarrow.array(corpus.blank)
            )
            return {"embedding": vectors}

        return embed


@dataclasses.dataclass(frozen=True)
class DenoteStep(AbstractStep):
    """See [`denote`][nlparam.scale.denote]. `fit` is a digest of the files of the fit."""

    denoter: "Denoter"
    predicates: tuple[str, ...]
    fit: str

    kind = "denote"

    @property
    def adds(self) -> tuple[str, ...]:
        return tuple(column_name(predicate) for predicate in self.predicates)

    def settings(self) -> dict[str, Any]:
        return {"fit": self.fit, "predicates": list(self.predicates)}

    def start(self, number: int, costs: Costs) -> Work:
        del number

        def denote(corpus: Corpus, _: Any) -> dict[str, Any]:
            import pyarrow

            with costs.stage("denote"):
                denotations = np.asarray(self.denoter.denote(corpus))
            costs.embeddings_computed += len(corpus.distinct)
            columns = zip(self.adds, denotations.T, strict=True)
            return {name: pyarrow.array(np.ascontiguousarray(column)) for name, column in columns}

        return denote


def _digest(folder: Path) -> str:
    """A digest of what decides the denotations of a fit: everything in its folder but reports and tables of texts."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".safetensors"):
            digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()
