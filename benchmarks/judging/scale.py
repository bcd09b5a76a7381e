"""Large jobs on a local Ray: how fast texts pass through, and whether memory stays flat however many they are.

Judging asks a server that answers at once; embedding is done by an embedder that costs next to nothing. What is left
is the machinery: reading, Ray, the client, the store, writing. `python -m benchmarks.judging.scale`.
"""

import contextlib
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.commands import command, in_process, serving, status_mib
from benchmarks.judging.client import INSTANT
from nlparam import scale
from nlparam.language.embed import AbstractEmbedder
from nlparam.runtime.progress import Progress

_PREDICATES = ["is about the weather", "is polite"]
_WORDS = 20  # of a text
_BLOCK = 2000


class CheapEmbedder(AbstractEmbedder):
    """Vectors from the lengths and first bytes of texts, 64 numbers each."""

    @property
    def identity(self) -> str:
        return "cheap, float32"

    def embed(self, texts):
        raw = b"".join(text.encode()[:64].ljust(64) for text in texts)
        matrix = np.frombuffer(raw, np.uint8).reshape(len(texts), 64).astype(np.float32) + 1.0
        return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def measure(n_judged: int = 50_000, n_embedded: int = 1_000_000) -> dict:
    """Judges `n_judged` texts for two predicates and embeds `n_embedded`, in a process of its own.

    **Returns:** for each job (`scale_judge_`, `scale_embed_`) the texts a `_second` from start to end, the workers'
    start included; `_driver_mib` and `_worker_mib`, the most memory of their own that the driver and the largest
    worker had; `_driver_growth_mib` and `_worker_growth_mib`, by how much that of the last quarter of the time exceeds
    that of the second. `scale_again_seconds`: the finished job of embedding once more, which only looks.
    """
    return in_process("benchmarks.judging.scale", "--judged", n_judged, "--embedded", n_embedded)


def _run(n_judged: int = 50_000, n_embedded: int = 1_000_000) -> dict:
    start = time.perf_counter()
    import ray

    quiet = Progress(enabled=False)
    found: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _, url = stack.enter_context(serving(INSTANT))
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False,
            object_store_memory=200 << 20,
        )  # fmt: skip
        stack.callback(ray.shutdown)
        small, large = _write(folder / "small.parquet", n_judged), _write(folder / "large.parquet", n_embedded)
        store = folder / "store.sqlite"
        options = {"batch_size": _BLOCK, "progress": quiet}
        with _memory("scale_judge", found):
            result = scale.judge(small, _PREDICATES, folder / "judged", lm=url, store=store, **options)
        assert result.costs.judgments_asked == 2 * n_judged
        found["scale_judge_texts_per_second"] = n_judged / result.seconds
        found["scale_judgments_per_second"] = 2 * n_judged / result.seconds
        options |= {"embedder": CheapEmbedder(), "keep_text": False}
        with _memory("scale_embed", found):
            result = scale.embed(large, folder / "embedded", **options)
        assert result.dataset().count_rows() == n_embedded
        found["scale_embed_texts_per_second"] = n_embedded / result.seconds
        found["scale_again_seconds"] = scale.embed(large, folder / "embedded", **options).seconds
    return {
        "scale_judged": n_judged,
        "scale_embedded": n_embedded,
        **{name: round(value, 2) for name, value in sorted(found.items())},
        "scale_seconds": round(time.perf_counter() - start, 1),
    }


def _write(path: Path, n_texts: int) -> Path:
    """Distinct texts of random words, written without holding them all."""
    import pyarrow
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    schema = pyarrow.schema([("text", pyarrow.string())])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, n_texts, 50_000):
            numbers = rng.integers(5000, size=(min(50_000, n_texts - start), _WORDS))
            texts = [f"{start + row} " + " ".join(f"word{word}" for word in words) for row, words in enumerate(numbers)]
            writer.write_table(pyarrow.table({"text": texts}, schema=schema))
    return path


@contextlib.contextmanager
def _memory(name: str, found: dict[str, float]) -> Iterator[None]:
    """Samples the anonymous memory of this process and of Ray Data's workers (Linux) during the block."""
    samples: list[tuple[float, float]] = []
    stopped = threading.Event()

    def sample() -> None:
        while not stopped.wait(0.5):
            workers = []
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    if b"MapBatches(Worker)" in (process / "cmdline").read_bytes():
                        workers.append(status_mib("RssAnon", process.name))
            # Before the first part, workers are only starting.
            if workers:
                samples.append((status_mib("RssAnon"), max(workers)))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
    for who, values in zip(("driver", "worker"), np.array(samples or [(0.0, 0.0)]).T, strict=True):
        found[f"{name}_{who}_mib"] = float(values.max())
        quarters = np.array_split(values, 4)
        if len(quarters[3]):
            found[f"{name}_{who}_growth_mib"] = float(quarters[3].max() - quarters[1].max())


if __name__ == "__main__":
    command(_run, __doc__)
