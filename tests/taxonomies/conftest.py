"""A taxonomy without science, and new texts with it: grown once for all modules that a process runs."""

import pytest

from nlparam.taxonomies.result import Taxonomy
from tests.helpers.taxonomy_corpus import grown, make_texts


@pytest.fixture(scope="session")
def corpus():
    """Texts before, of sports and business; new texts, of which two in seven are of each field of science."""
    texts, topics = make_texts(30)
    known = [text for text, (general, _) in zip(texts, topics, strict=True) if general != "science"]
    before = known[:80]
    new = [(text, topic) for text, topic in zip(texts, topics, strict=True) if text not in before]
    return before, [text for text, _ in new], [topic for _, topic in new]


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store") / "store.sqlite"


@pytest.fixture(scope="session")
def folder(corpus, store, tmp_path_factory):
    return grown(corpus[0], tmp_path_factory.mktemp("tree") / "tree", store=store, n_stated=50)


@pytest.fixture(scope="session")
def tree(folder):
    return Taxonomy.load(folder)
