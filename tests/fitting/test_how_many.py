"""How many predicates: the planted number, and one or few where nothing is planted."""

import hashlib

import numpy as np
import pytest

from nlparam.errors import CorpusError
from nlparam.fitting.how_many import _least, _Told, how_many, told_of_data
from nlparam.lm.scripted import ScriptedModel
from nlparam.models import Classification, Clustering, Difference, Regression, TimeSeries
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

# Distractors hold for random texts, which no head could tell.
pytestmark = pytest.mark.filterwarnings("ignore:the head can hardly tell")


@pytest.fixture(scope="module")
def planted():
    texts, labels = topics(120, 3, seed=11)
    return texts, labels, LexicalEmbedder(texts)


def clusters(planted, lm=None):
    texts, labels, embedder = planted
    oracle = Oracle(texts, labels, distractors=1)
    asked = {"lm": lm or oracle.model(), "predicates": oracle.predicates, "embedder": embedder, "store": ":memory:"}
    return how_many(Clustering, texts, most=4, **asked)


def random_answer(request):
    """Yes to a third of the questions, whatever the text says."""
    draw = hashlib.sha256(request.messages[-1].content.encode()).digest()[0]
    return {"yes": 0.99, "no": 0.01} if draw < 85 else {"yes": 0.01, "no": 0.99}


@pytest.mark.slow
def test_the_planted_number_of_clusters(planted):
    found = clusters(planted)
    assert found.number == 3
    assert found.gains[2] > found.gains[1] > found.gains[0] == 0
    assert found.costs.calls > 0


@pytest.mark.slow
def test_few_clusters_where_the_judge_says_nothing_of_the_texts(planted):
    assert clusters(planted, lm=ScriptedModel(random_answer)).number <= 2


def test_few_texts_are_enough_where_they_say_clearly_more():
    """What chance tells varies from one permutation to another, but its mean is known better."""
    draws = np.random.default_rng(0)
    one, two = draws.normal(0.5, 0.7, 16), draws.normal(1.2, 0.7, 16)
    told = [_Told(of, draws.normal(-0.15, 0.25, 20)) for of in (one, two)]
    number, gains, errors = _least(told)
    assert number == 2
    assert gains[1] > 2 * errors[0]
    # Where the second tells as much as the first, one is enough.
    same = [_Told(one, told[0].by_chance), _Told(draws.permutation(one), told[1].by_chance)]
    assert _least(same)[0] == 1


def test_too_few_texts_to_choose():
    with pytest.raises(CorpusError, match=r"got 9 distinct texts, expected at least 10 .* -k N"):
        how_many(Clustering, [f"text {n}" for n in range(9)])


rng = np.random.default_rng(7)
POOL = (rng.random((300, 6)) < 0.4).astype(float)
PARTS = [(np.arange(150), np.arange(150, 300))]
SCORES = 3 * POOL[:, 1] - 3 * POOL[:, 4]
GROUPS = np.where(rng.random(300) < 1 / (1 + np.exp(-SCORES)), "a", "b").tolist()
# Of the first years rather texts with one predicate, of the others with another.
YEARS = (2000 + 4 * (rng.random(300) < 1 / (1 + np.exp(-SCORES))) + rng.integers(4, size=300)).tolist()
DATA = {
    Regression: (SCORES + rng.normal(size=300)).tolist(),
    Classification: GROUPS,
    Difference: GROUPS,
    TimeSeries: YEARS,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DATA)
def test_the_planted_number_of_predicates(kind):
    models = [kind(n_predicates=k) for k in (1, 2, 3)]
    assert _least(told_of_data(models, POOL, DATA[kind], PARTS))[0] == 2
    shuffled = rng.permutation(np.asarray(DATA[kind])).tolist()
    assert _least(told_of_data(models, POOL, shuffled, PARTS))[0] == 1
