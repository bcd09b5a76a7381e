"""The text axis is sharded over the devices there are, and nothing else changes; a single device shares memory."""

import os
import subprocess
import sys

import pytest

from nlparam.language.embed import aligned_empty
from nlparam.numerics.core.device import n_placed, place_texts

_SCRIPT = """
import jax, jax.numpy as jnp, numpy as np
import nlparam
from nlparam.models import Classification, TimeSeries, TimeSeriesData
from nlparam.numerics.core.device import n_placed, place_texts
from nlparam.numerics.core.relax import relax
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

assert len(jax.devices()) == 2 and n_placed(301) == 300
rng = np.random.default_rng(0)
rows = rng.normal(size=(301, 12)).astype(np.float32)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
sharded = place_texts(rows)
assert sharded.shape == (300, 12) and len(sharded.sharding.device_set) == 2
labels = jnp.asarray(rows[:300, 0] > 0, jnp.int32)
steps = TimeSeriesData(jnp.arange(300) // 10, jnp.ones(29))
for model, data in ((Classification(2), labels), (TimeSeries(2), steps)):
    together, alone = (
        relax(model, e, data, key=jax.random.key(0), n_restarts=2) for e in (sharded, jnp.asarray(rows[:300]))
    )
    np.testing.assert_allclose(together.loss, alone.loss, rtol=1e-3)

texts, named = topics(61, 2, seed=1)  # an odd number of texts
oracle = Oracle(texts, named, distractors=2)
fit = nlparam.fit(nlparam.models.Clustering(2), texts, lm=oracle.model(), predicates=oracle.predicates,
    embedder=LexicalEmbedder(texts), store=":memory:", options={"n_rounds": 1, "n_restarts": 2})
assert len(fit.assignments) == 61
"""


@pytest.mark.slow
def test_two_devices_give_what_one_gives():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_single_device_takes_the_memory_of_numpy():
    matrix = aligned_empty((100, 16))
    matrix[:] = 1.0
    placed = place_texts(matrix)
    assert placed.unsafe_buffer_pointer() == matrix.ctypes.data
    assert n_placed(101) == 101


def test_embeddings_come_aligned():
    for shape in ((1, 1), (3, 5), (1000, 384)):
        assert aligned_empty(shape).ctypes.data % 64 == 0
        assert aligned_empty(shape).shape == shape
