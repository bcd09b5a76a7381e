"""Time and memory of the numerics as the corpus grows: both must be linear in the number of texts.

`python -m benchmarks.scaling [--sizes 10000,100000,1000000] [--k 5]`. Synthetic unit embeddings of 384 dimensions
around planted directions. Every size runs in a process of its own, so that its peak memory is its own; each step is run
twice and the second time counts, compilation is reported apart.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

EMBED_DIM = 384
N_CANDIDATES = 15
N_JUDGED = 60


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of the numerics as the corpus grows")
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--one", type=int, help="measure this size in this process")
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(measure(arguments.one, arguments.k)))
        return
    scaling = []
    for size in arguments.sizes.split(","):
        command = [sys.executable, "-m", "benchmarks.scaling", "--one", size, "--k", str(arguments.k)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        scaling.append(json.loads(output.splitlines()[-1]))
        print(json.dumps(scaling[-1]), flush=True)
    print(json.dumps({"k": arguments.k, "embed_dim": EMBED_DIM, "scaling": scaling}))


def measure(n_texts: int, n_predicates: int) -> dict:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from nlparam.models import Clustering
    from nlparam.numerics.head import Judged, fit_head
    from nlparam.numerics.relax import relax
    from nlparam.numerics.select import select

    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.normal(size=(EMBED_DIM, n_predicates)))[0].T.astype(np.float32)
    labels = rng.integers(n_predicates, size=n_texts)
    embeddings = rng.standard_normal((n_texts, EMBED_DIM), dtype=np.float32)
    embeddings *= 0.05
    embeddings += centres[labels]
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    model = Clustering(n_predicates)
    on_device = jnp.asarray(embeddings)

    def relaxation():
        return jax.block_until_ready(relax(model, on_device, key=jax.random.key(0), n_restarts=2, max_steps=60))

    rows = rng.choice(n_texts, N_JUDGED, replace=False)
    judged = [Judged(rows, np.where(labels[rows] == c % n_predicates, 0.9, 0.1)) for c in range(N_CANDIDATES)]

    def denotation():
        return fit_head(embeddings, judged).head.denote(embeddings)

    pool = jnp.asarray(denotation(), jnp.float32)

    def selection():
        return select(model, pool, key=jax.random.key(0))

    seconds, compilation = {}, {}
    for name, step in (("relaxation", relaxation), ("denotation", denotation), ("selection", selection)):
        start = time.perf_counter()
        step()
        first = time.perf_counter() - start
        start = time.perf_counter()
        step()
        seconds[name] = time.perf_counter() - start
        compilation[name] = first - seconds[name]
    return {
        "n": n_texts,
        "seconds": sum(seconds.values()),
        "stages": seconds,
        "compilation": compilation,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "embedding_bytes": embeddings.nbytes,
    }


if __name__ == "__main__":
    main()
