"""The same fit again in another process, everything stored: what is not needed is not loaded, nothing compiles."""

import importlib.util
import json
import subprocess
import sys

import pytest

import nlparam
from nlparam import testing
from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.models import Clustering
from tests.helpers.oracle import topics

# How many programs a fit compiles, of which each takes time to trace and to read even where it was compiled before.
MOST_PROGRAMS = 60
PROGRAM = """
import json, sys
import jax
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event.rpartition("/")[2]))
import nlparam
from nlparam.lm.embedded import EmbeddedModel
from nlparam.models import Clustering
folder, texts = sys.argv[1], json.load(open(sys.argv[1] + "/texts.json"))
lm = EmbeddedModel(folder + "/model.gguf", identity="two topics")
given = {"goal": "its subject", "store": folder + "/store.sqlite", "out": folder + "/fit"}
again = nlparam.fit(Clustering(2), texts, lm=lm, **given)
print(json.dumps({
    "predicates": again.predicates,
    "loss": again.loss,
    "loaded": sorted({"torch", "transformers", "sentence_transformers", "xllamacpp"} & sys.modules.keys()),
    "compiled": events.count("cache_misses"),
    "programs": events.count("compile_requests_use_cache"),
}))
"""


RULES = {"is about boats": lambda text: "topic0word" in text, "is about trains": lambda text: "topic1word" in text}


@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed")
def test_a_repeated_fit_loads_neither_torch_nor_the_language_model_and_compiles_nothing(tmp_path):
    texts, _ = topics(60, 2)
    given = {"goal": "its subject", "store": tmp_path / "store.sqlite", "out": tmp_path / "first"}
    lm = testing.ScriptedModel(testing.by_rules(RULES), identity="two topics", strong=False)
    words = testing.ScriptedEmbedder(identity=SentenceTransformerEmbedder().identity)
    first = nlparam.fit(Clustering(2), texts, lm=lm, embedder=words, **given)
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")  # an attempt to load it would fail
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True)
    again = json.loads(done.stdout)
    assert again["predicates"] == first.predicates
    assert again["loss"] == pytest.approx(first.loss)
    assert again["loaded"] == []
    assert again["compiled"] == 0
    assert 0 < again["programs"] <= MOST_PROGRAMS
