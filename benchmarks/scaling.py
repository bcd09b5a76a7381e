"""Time and memory of the numerics as the corpus grows: both must be linear in the number of texts.

`python -m benchmarks.scaling [--sizes 10000,100000,1000000]`. Synthetic unit embeddings of 384 dimensions around
planted directions. Every case runs in a process of its own, so that its peak memory is its own; each step is run twice
and the second time counts, compilation is reported apart. Cases: a clustering and a time series of each size, and at
the middle size 32 predicates, and 10,000 time steps.
"""

import json
import timeit
from collections.abc import Callable
from typing import Annotated, Any

from benchmarks.commands import command, in_process, peak_bytes

EMBED_DIM = 384
N_CANDIDATES = 15
N_JUDGED = 60


def run(
    sizes: list[int] = [10_000, 100_000, 1_000_000],  # noqa: B006
    one: Annotated[list[int] | None, "measure one case in this process: texts, predicates, steps"] = None,
) -> dict[str, Any]:
    """Time and memory of the numerics as the corpus grows."""
    return measure(*one) if one else {"embed_dim": EMBED_DIM, "scaling": measure_sizes(sizes)}


def measure_sizes(sizes: list[int]) -> list[dict[str, Any]]:
    """Measures every case in a process of its own. Without steps it is a clustering, else a time series."""
    middle = sorted(sizes)[len(sizes) // 2]
    cases = [(n, 5, 0) for n in sizes] + [(n, 4, 1000) for n in sizes]
    cases += [(middle, 32, 0), (middle, 32, 100), (middle, 4, 10_000)]
    measured = []
    for case in cases:
        measured.append(in_process("benchmarks.scaling", "--one", ",".join(map(str, case))))
        print(json.dumps(measured[-1]), flush=True)
    return measured


def measure(n_texts: int, n_predicates: int, n_steps: int) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from nlparam.fitting.search import SearchOptions
    from nlparam.models import Clustering, TimeSeries, TimeSeriesData
    from nlparam.numerics.core.device import place_texts
    from nlparam.numerics.core.relax import relax
    from nlparam.numerics.core.select import select

    embeddings, labels = planted(n_texts, n_predicates)
    placed = place_texts(embeddings)
    options = SearchOptions()
    if n_steps:
        model = TimeSeries(n_predicates, smoothness=10.0)
        step = np.sort(np.random.default_rng(1).integers(n_steps, size=n_texts))
        data = TimeSeriesData(jnp.asarray(step), jnp.ones(n_steps - 1))
    else:
        model, data = Clustering(n_predicates), None

    def relaxation():
        batch_size, key = options.n_relaxed, jax.random.key(0)
        return jax.block_until_ready(relax(model, placed, data, n_restarts=2, batch_size=batch_size, key=key))

    # Soft denotations, as a head gives them: nearly one where the predicate holds.
    noise = np.random.default_rng(2).random((n_texts, n_predicates), dtype=np.float32)
    columns = jnp.asarray(0.8 * (labels[:, None] == np.arange(n_predicates)) + 0.2 * noise, jnp.float32)
    fit = jax.jit(lambda columns, data: model.fit_weights(columns, data))
    stages: dict[str, Callable[[], Any]] = {
        "relaxation": relaxation,
        "weights": lambda: jax.block_until_ready(fit(columns, data)),
    }
    if n_steps:
        noise = np.random.default_rng(4).random((n_texts, N_CANDIDATES - n_predicates), dtype=np.float32)
        pool = jnp.concatenate([columns, jnp.asarray(noise)], axis=1)
        stages["selection"] = lambda: select(model, pool, data, key=jax.random.key(0))
    else:
        stages |= _with_head(embeddings, labels, model)
    seconds, compilation = {}, {}
    for name, stage in stages.items():
        first, seconds[name] = timeit.repeat(stage, number=1, repeat=2)
        compilation[name] = first - seconds[name]
    found = {"n": n_texts, "k": n_predicates, "t": n_steps, "model": type(model).__name__}
    found |= {"seconds": sum(seconds.values()), "stages": seconds, "compilation": compilation}
    return found | {"peak_bytes": peak_bytes(), "embedding_bytes": embeddings.nbytes}


def planted(n_texts: int, n_predicates: int):
    """Unit embeddings around one direction per predicate, made in place, and which one each is around."""
    import numpy as np

    from nlparam.language.embed import aligned_empty

    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.normal(size=(EMBED_DIM, n_predicates)))[0].T.astype(np.float32)
    labels = rng.integers(n_predicates, size=n_texts)
    embeddings = aligned_empty((n_texts, EMBED_DIM))
    for start in range(0, n_texts, 10_000):
        part = embeddings[start : start + 10_000]
        part[:] = 0.05 * rng.standard_normal(part.shape, dtype=np.float32) + centres[labels[start : start + 10_000]]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return embeddings, labels


def _with_head(embeddings, labels, model) -> dict[str, Callable[[], Any]]:
    """Denotation by the head and selection among 15 candidates, or two for each predicate."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from nlparam.numerics.core.select import select
    from nlparam.numerics.heads.head import Judged, fit_head

    rows = np.random.default_rng(3).choice(len(labels), N_JUDGED, replace=False)
    k = model.n_predicates
    judged = [Judged(rows, np.where(labels[rows] == c % k, 0.9, 0.1)) for c in range(max(N_CANDIDATES, 2 * k))]

    def denotation():
        return fit_head(embeddings, judged).head.denote(embeddings)

    pool = jnp.asarray(denotation(), jnp.float32)
    return {"denotation": denotation, "selection": lambda: select(model, pool, key=jax.random.key(0))}


if __name__ == "__main__":
    command(run)
