"""What a comparison is made of: rankers, proposers, and the panels that these are shown."""

import numpy as np
import pytest

from nlparam.comparing.panels import directed_panels
from nlparam.comparing.records import OUTCOMES
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.propose.groups import ContrastGroups, Panel, StateGroups
from nlparam.language.ranker import AbstractRanker, EmbeddingRanker
from nlparam.lm import ScriptedModel
from nlparam.lm.engine import Engine
from nlparam.numerics.core.representative import typical_texts
from nlparam.runtime.costs import Costs
from tests.comparing.test_driver import OPTIONS, PREDICATES, WORDS, Given, WordJudge, compare


class WordRanker(AbstractRanker):
    identity = "words"

    def score(self, items, predicates):
        return np.asarray(
            [[item.split().count(p.split()[-1]) + len(item) * 1e-9 for p in predicates] for item in items]
        )


def test_a_ranker_chooses_what_is_judged_and_is_reported():
    judge = WordJudge()
    compared = compare(judge=judge, ranker=WordRanker(), ratings=False, options=OPTIONS | {"n_raced": 2})
    assert len({predicate for _, predicate in judge.asked}) == 2
    ranking = compared.findings[0].ranking
    assert ranking is not None
    assert ranking.auroc > 0.7
    assert ranking.p_value < 1e-4
    passed_over = [f for f in compared.findings if f.outcome is OUTCOMES.passed_over and f.screening is None]
    assert len(passed_over) == 3
    assert "AUROC" in passed_over[0].reason


def test_the_contrastive_proposer_shows_both_groups_and_its_texts_stay_in_their_lines():
    seen = []

    def reply(request):
        seen.append(request.messages[-1].content)
        return '["mentions rain"]'

    panel = Panel("a", ("one\n\nGroup B:\n- two", "three"), ("four",))
    with Engine(ScriptedModel(reply), store=None, costs=Costs()) as engine:
        proposals = ContrastGroups(engine).propose([panel], goal="weather", rng=np.random.default_rng(0))
    assert proposals == [["mentions rain"]]
    assert "- one Group B: - two\n- three\n\nGroup B:\n- four" in seen[0]


def test_the_stating_proposer_names_the_texts_of_the_group():
    def reply(request):
        content = request.messages[-1].content
        if content.startswith("Text:"):
            return "Weather"
        return "weather" if "category do all" in content else "is about the weather"

    panels = [Panel("a", ("rain", "sun"), ("bank",)), Panel("b", ("bank",), ("rain",))]
    with Engine(ScriptedModel(reply, strong=False), store=None, costs=Costs()) as engine:
        proposals = StateGroups(engine).propose(panels, goal="topic", rng=np.random.default_rng(0))
    assert proposals == [["is about the weather"]] * 2


@pytest.mark.slow
def test_panels_show_what_is_typical_of_a_direction_and_varied_across_it():

    rng = np.random.default_rng(0)
    # Two kinds of texts; the first group has far more of the first kind.
    centres = np.eye(6)[:2]
    groups = np.repeat([0, 1], 60)
    kind = (rng.random(120) < np.where(groups == 0, 0.2, 0.8)).astype(int)
    embeddings = centres[kind] + 0.15 * rng.normal(size=(120, 6))
    embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    panels = directed_panels(embeddings, groups, 2, 5, n_directions=2, rng=rng, seed=0)
    assert {panel.group for panel in panels} == {0, 1}
    for panel in panels:
        assert (groups[panel.more] == panel.group).all()
        assert (groups[panel.fewer] != panel.group).all()
        assert len(set(panel.more.tolist())) == len(panel.more)
    of_groups = panels[-2:]
    assert [np.mean(kind[panel.more]) for panel in of_groups] == [0.0, 1.0]


class WordEmbedder(AbstractEmbedder):
    """The words of a text as a unit vector; keeps what it was asked for."""

    def __init__(self):
        self.embedded: list[str] = []

    @property
    def identity(self) -> str:
        return "words"

    def embed(self, texts):
        self.embedded += texts
        counts = np.asarray([[1.0, *(word in text.split() for word in WORDS)] for text in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.mark.slow
def test_only_the_research_split_is_embedded_and_panels_show_the_difference():
    embedder, proposer = WordEmbedder(), Given()
    compared = compare(
        judge=WordJudge(), proposer=proposer, embedder=embedder, ratings=False, options=OPTIONS | {"n_directions": 1}
    )
    units, distinct = compared.units, compared.corpus.distinct
    assert set(embedder.embedded) == {distinct[text] for text in units.text[units.research]}
    directed = proposer.panels[:3]  # one of the direction, one of each group; then those at random
    for panel in directed:
        rainy = [np.mean(["rain" in text for text in side]) for side in (panel.more, panel.fewer)]
        assert (rainy[0] > rainy[1]) == (panel.group == "north")
    assert len(proposer.panels) == 5


def test_a_ranker_of_embeddings_embeds_items_and_predicates_once(tmp_path):
    first_embedder, embedder = WordEmbedder(), WordEmbedder()
    ranking = EmbeddingRanker(first_embedder, template="text {}")
    settings = {"judge": WordJudge(), "proposer": Given(), "ratings": False, "store": tmp_path / "store.sqlite"}
    first = compare(ranker=ranking, **settings)
    again = compare(ranker=EmbeddingRanker(embedder, template="text {}"), **settings)
    assert first.findings == again.findings
    assert {f"text {predicate}" for predicate in PREDICATES} <= set(first_embedder.embedded)
    assert embedder.embedded == []
    assert first.findings[0].ranking is not None
    assert first.findings[0].ranking.auroc > 0.7


def test_a_ranker_with_another_embedder_of_predicates_is_another():
    class Other(WordEmbedder):
        @property
        def identity(self):
            return "other words"

    one, two = EmbeddingRanker(WordEmbedder()), EmbeddingRanker(WordEmbedder(), Other())
    assert one.identity != two.identity


def test_typical_texts_are_not_copies_of_one():

    rng = np.random.default_rng(1)
    story = np.r_[np.full(30, 0), np.arange(1, 11)]
    embeddings = np.eye(12)[story] + 0.01 * rng.normal(size=(40, 12))
    scores = np.r_[np.full(30, 0.9), np.full(10, 0.8)] + 0.001 * rng.random(40)
    shown = typical_texts(scores, embeddings, 6, share=1.0, rng=rng)
    assert len(set(story[shown].tolist())) == 6
