"""Fixtures that every test may use; nothing a test does touches the user's own cache."""

import functools
import gc
import importlib.metadata
import itertools
import os
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.language.features import NgramFeatures
from nlparam.runtime.compiled import keep_within

_MANY_MAPS = 20_000

# What one test compiles, another need not, in whichever process it runs.
_COMPILED = Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_COMPILED))
keep_within(_COMPILED, 1 << 30)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# There is a test process for each core. Threads of linear algebra wait for one another where another process has the
# core, a hundred times longer than they work. The processes of xdist, and those that tests start, inherit this.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# The compiler takes most of the suite's time. With few optimisations it is five times as fast, and what it compiles
# is fast enough for small arrays. Users have all of them, as tests have with NLPARAM_OPTIMISED_TESTS=1. An unknown flag
# ends the process, so that the flags are given to versions that they were tried with.
if os.environ.get("NLPARAM_OPTIMISED_TESTS", "0") in ("", "0"):
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    if importlib.metadata.version("jaxlib").startswith("0.10."):
        os.environ.setdefault(
            "XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
        )

# A test process holds what JAX has traced for a thousand tests: to look through it for garbage took a tenth of the
# suite.
gc.set_threshold(50_000, 50, 50)

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


# Here tests start processes, browsers, clusters and servers, or run what the documentation shows.
_SLOW_FOLDERS = {"benchmarks", "docs", "e2e", "scale"}


def pytest_collection_modifyitems(items):
    """Whole folders are slow. They come first, so that no process is left alone with one of their modules at the end.

    Tests with a real language model run only where they are asked for: they take minutes.
    """
    slow = [item.path.relative_to(Path(__file__).parent).parts[0] in _SLOW_FOLDERS for item in items]
    for item in itertools.compress(items, slow):
        item.add_marker(pytest.mark.slow)
    items[:] = [*itertools.compress(items, slow), *itertools.compress(items, (not each for each in slow))]
    if os.environ.get("NLPARAM_LM_TESTS", "0") in ("", "0"):
        skip = pytest.mark.skip(reason="runs a language model: NLPARAM_LM_TESTS=1 pytest -m lm")
        for item in items:
            if item.get_closest_marker("lm") is not None:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _private_store(tmp_path, monkeypatch):
    """A store of its own for every test. Weights and digests stay in the user's cache: they are checked by content."""
    monkeypatch.setenv("NLPARAM_STORE", str(tmp_path / "store.sqlite"))
    for name in ("NLPARAM_DEBUG", "NLPARAM_LM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _optimised(request):
    """Tests that run longer than they compile are compiled as users have it."""
    if request.node.get_closest_marker("optimised") is None:
        yield
        return
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(autouse=True, scope="session")
def _packaged_embedder_once():
    """The packaged embedder is loaded once in a process, and the same texts are embedded once."""
    embed = SentenceTransformerEmbedder.embed

    @functools.cache
    def embedder(folder, *options):
        device, batch_size, instruction = options
        return SentenceTransformerEmbedder(folder, device=device, batch_size=batch_size, instruction=instruction)

    @functools.lru_cache(maxsize=256)
    def embedded(options, texts):
        return embed(embedder(*options), texts)

    def shared(self, texts):
        if self.name_or_path is not None or not texts:
            return embed(self, texts)
        return embedded((self._source.folder, self.device, self.batch_size, self.instruction), tuple(texts)).copy()

    SentenceTransformerEmbedder.embed = shared
    yield
    SentenceTransformerEmbedder.embed = embed


@pytest.fixture(autouse=True, scope="session")
def _ngrams_once():
    """The n-grams of the same texts are counted once in a process."""
    learn = NgramFeatures.fit_transform

    @functools.lru_cache(maxsize=16)
    def learned(texts, options):
        return learn(texts, **dict(options))

    def shared(texts, **options):
        ngrams, features = learned(tuple(texts), tuple(sorted(options.items())))
        return ngrams, features.copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NgramFeatures, "fit_transform", shared)
        yield


@pytest.fixture(autouse=True, scope="module")
def _few_memory_maps():
    """Frees compiled functions once they hold many memory maps.

    Linux lets a process have 65,530 of them, and every function that JAX compiles takes some: at the end of the suite
    compilations failed and threads no longer started.
    """
    yield
    maps = Path("/proc/self/maps")
    if "jax" in sys.modules and maps.exists() and maps.read_bytes().count(b"\n") > _MANY_MAPS:
        sys.modules["jax"].clear_caches()
        gc.collect()


@pytest.fixture
def shared_data() -> Path:
    """The folder of evaluation sets beside the project; the test is skipped where it is absent."""
    folder = Path(os.environ.get("NLPARAM_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the evaluation sets are not there ({folder})")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
