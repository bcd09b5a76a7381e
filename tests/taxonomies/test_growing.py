"""Taxonomies grown with a scripted language model on texts of two planted levels of topics."""

import json
import warnings

import numpy as np
import pytest

import nlparam
from nlparam.denotation.definitions import Definition, kept_definitions
from nlparam.errors import BudgetError, CorpusError, FitWarning, LanguageModelError, ResultFolderError
from nlparam.language.merging import Merged
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.taxonomies.divided import Known
from nlparam.taxonomies.proposing import NodeProposer
from nlparam.taxonomies.records import OUTCOMES, ROOT, STATUS, STOPS
from nlparam.taxonomies.result import Taxonomy
from tests.helpers.taxonomy_corpus import TOPICS, WORDS, answer, make_texts, scripted, topic_of

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

OPTIONS = {"n_stated": 60, "least_texts": 20}


@pytest.fixture(scope="module")
def corpus():
    return make_texts(20)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One for the module: what was judged for one test is served to the next."""
    return tmp_path_factory.mktemp("store") / "store.sqlite"


@pytest.fixture(scope="module")
def tree(corpus, store):
    return nlparam.taxonomy(corpus[0], goal="the topic", lm=scripted(), store=store, options=OPTIONS)


def _grow(texts, store, **options):
    return nlparam.taxonomy(
        texts, **({"goal": "the topic", "lm": scripted(), "store": store, "options": OPTIONS} | options)
    )


def test_the_planted_topics_are_found_on_both_levels(tree, corpus):
    _, topics = corpus
    found = {child.predicate: {n.predicate for n in tree.children(child.id)} for child in tree.children()}
    planted: dict[str, set[str]] = {}
    for general, specific in WORDS:
        planted.setdefault(f"is about {general}", set()).add(f"is about {specific}")
    assert found == planted
    assert tree.result is OUTCOMES.complete
    assigned = [tree.nodes[node or ROOT].predicate for node in tree.assignments()]
    right = [name == f"is about {specific}" for name, (_, specific) in zip(assigned, topics, strict=True)]
    assert np.mean(right) > 0.9


def test_coverage_overlap_and_correlation_are_those_of_the_denotations(tree):
    measures = tree.measures()
    assert measures["coverage"] >= 0.9
    assert measures["overlap"] <= 0.15
    assert measures["correlation"] <= 0.8
    for node in tree.divided():
        holds = np.stack([child.denotations for child in tree.children(node.id)], axis=1) >= 0.5
        assert tree.coverage(node.id) == pytest.approx(holds.any(axis=1).mean())
        assert tree.overlap(node.id) == pytest.approx((holds.sum(axis=1) > 1).mean())
        residual = tree.nodes[node.children[-1]]
        assert residual.residual
        assert residual.members.tolist() == node.members[~holds.any(axis=1)].tolist()


def test_children_have_texts_of_their_parent_only_and_every_text_one_place(tree, corpus):
    for node in tree.nodes.values():
        if node.parent is not None:
            assert set(node.members) <= set(tree.nodes[node.parent].members)
    assert None not in tree.assignments()
    assert set(tree.assignments(depth=1)) <= set(tree.root.children)
    assert tree.root.members.tolist() == list(range(len(corpus[0])))


def test_the_number_of_children_is_the_one_held_out_statements_are_likeliest_under(tree):
    gains = {division.n_children: division.gain for division in tree.root.divisions}
    assert max(gains, key=gains.__getitem__) == 3 == len(tree.children())


def test_the_same_command_again_asks_nothing(tree, corpus, store):
    again = _grow(corpus[0], store)
    assert again.costs.calls == 0
    assert str(again) == str(tree)


def test_a_tree_comes_back_from_its_folder(tree, tmp_path):
    back = Taxonomy.load(tree.save(tmp_path / "out"))
    assert str(back) == str(tree)
    assert back.to_dict() == json.loads(json.dumps(tree.to_dict()))
    for node_id, node in tree.nodes.items():
        kept = back.nodes[node_id]
        assert kept.members.tolist() == node.members.tolist()
        np.testing.assert_allclose(kept.denotations, node.denotations)
        for one, other in zip(kept.candidates, node.candidates, strict=True):
            order = np.argsort(other.judged)
            assert one.judged.tolist() == other.judged[order].tolist()
            np.testing.assert_allclose(one.answers, other.answers[order])
            np.testing.assert_allclose(one.denotations, other.denotations)
    assert sorted(map(repr, back.judgments)) == sorted(map(repr, tree.judgments))


def test_a_goal_that_is_not_followed_is_told_and_kept(tree, corpus, tmp_path):
    assert tree.following is not None
    assert tree.following.answering == 1.0
    assert list(tree.following.warnings()) == []
    assert Taxonomy.load(tree.save(tmp_path / "out")).following == tree.following
    assert "Statements that answer it" in (tree.report(tmp_path / "report.html")).read_text()

    def denies(request):
        no_text_tells = request.labels is not None and "Does this text tell" in request.messages[-1].content
        return {"yes": 0.1, "no": 0.9} if no_text_tells else answer(request)

    with pytest.warns(FitWarning, match="finds it in 10% of 12 texts"):
        _grow(corpus[0], ":memory:", depth=1, lm=ScriptedModel(denies, strong=False, identity="denies"))


def test_new_texts_are_placed_as_those_of_the_corpus(tree, tmp_path):
    back = Taxonomy.load(tree.save(tmp_path / "out"))
    denotations = back.denoter.denote(back.corpus)
    assert back.place(denotations, len(back.corpus)) == tree.assignments()
    new, topics = make_texts(5, seed=1)
    placed = tree.place(tree.denoter.denote(nlparam.Corpus.from_texts(new)), len(new))
    names = [tree.nodes[node].predicate for node in placed]
    assert np.mean([name == f"is about {topic[1]}" for name, topic in zip(names, topics, strict=True)]) > 0.8


def test_a_folder_with_another_tree_is_kept_and_the_same_is_written_again(corpus, store, tmp_path):
    out = tmp_path / "out"
    _grow(corpus[0], store, depth=1, out=out)
    assert (out / "taxonomy.yaml").exists()
    assert (out / "report.html").exists()
    _grow(corpus[0], store, depth=1, out=out)
    with pytest.raises(ResultFolderError, match="differs in depth"):
        _grow(corpus[0], store, depth=2, out=out)


def test_a_gap_that_the_children_leave_is_looked_at_once_more(corpus, store, monkeypatch):
    texts, topics = corpus
    science = {f"is about {name}" for general, name in WORDS if general == "science"} | {"is about science"}
    asked = []

    def propose(self, rows, scores, **more):
        found = whole(self, rows, scores, **more)
        asked.append((rows, more["n_candidates"]))
        kept = found.predicates if len(asked) > 1 else [p for p in found.predicates if p not in science]
        return Merged(kept, {})

    whole = NodeProposer.propose
    monkeypatch.setattr(NodeProposer, "propose", propose)
    tree = _grow(texts, store, depth=1)
    assert len(asked) == 2
    left, n_candidates = asked[1]
    # Texts come in the order in which they were given.
    assert {topics[row][0] for row in left.tolist()} == {"science"}
    assert n_candidates < asked[0][1]
    assert science & {child.predicate for child in tree.children()}
    assert tree.coverage() > 0.9


def test_locked_predicates_stay_excluded_ones_do_not_come_and_a_pool_is_chosen_from(corpus, store):
    tree = _grow(
        corpus[0],
        store,
        depth=1,
        locked=["is about sports"],
        excluded=["is about science"],
        pool=["is about business", "is about science", "is about medicine", "is about space"],
        definitions={"is about sports": "played by rules"},
    )
    assert kept_definitions(tree.settings) == tree.labelling().definitions
    assert tree.labelling().definitions == {"is about sports": Definition(("played by rules",))}
    predicates = {child.predicate for child in tree.children()}
    assert "is about sports" in predicates
    assert "is about science" not in predicates
    assert predicates <= {f"is about {topic}" for topic in TOPICS}
    statuses = {child.predicate: child.status for child in tree.children()}
    assert statuses.pop("is about sports") is STATUS.locked
    assert set(statuses.values()) == {STATUS.open}


def test_what_is_known_of_a_predicate_is_not_asked(corpus):
    texts, _ = corpus
    known = [
        Known(f"is about {name}", {text: 0.9 if name in topic_of(text) else 0.1 for text in texts})
        for name in ("sports", "business", "science")
    ]
    asked = []

    def refuse(request):
        if request.labels is not None and "Property: " in request.messages[-1].content:
            asked.append(request)
        return answer(request)

    lm = ScriptedModel(refuse, strong=False, identity="another")
    tree = _grow(texts, ":memory:", depth=1, lm=lm, pool={(): known})
    assert not asked
    assert len(tree.children()) == 3


def test_siblings_get_one_grammatical_form_and_keep_what_was_judged(corpus):
    def by_any_word(request):
        content = request.messages[-1].content
        if request.labels is None or "Property: " not in content:
            return answer(request)
        question = content.rpartition("Property: ")[2].removesuffix(". Yes or no?")
        yes = 0.95 if any(word in topic_of(content.split("\n")[0]) for word in question.split()) else 0.05
        return {"yes": yes, "no": 1 - yes}

    lm = ScriptedModel(by_any_word, strong=False, identity="forms")
    pool = ["covers sports", "is about business", "is about science", "is about energy"]
    tree = _grow(corpus[0], ":memory:", depth=1, lm=lm, pool=pool)
    assert {child.predicate for child in tree.children()} == {
        "is about sports",
        "is about business",
        "is about science",
    }
    reworded = [child for child in tree.children() if child.judged_as is not None]
    assert [(child.predicate, child.judged_as) for child in reworded] == [("is about sports", "covers sports")]
    assert tree.root.candidates[0].child == reworded[0].id


def test_a_budget_ends_with_the_best_tree_so_far(corpus):
    with pytest.warns(FitWarning, match="best tree so far"):
        tree = _grow(corpus[0], ":memory:", budget=nlparam.Budget(max_calls=760))
    assert tree.result is OUTCOMES.budget_spent
    assert len(tree.children()) == 3
    assert tree.costs.calls <= 760
    stopped = [node for node in tree.children() if node.stopped is STOPS.budget_spent]
    partial = [node for node in tree.nodes.values() if node.partial]
    assert stopped or partial
    assert str(tree).count("partial") == len(partial)


def test_a_budget_that_does_not_reach_the_first_level_is_an_error(corpus):
    with pytest.raises(BudgetError, match="before the first level"):
        _grow(corpus[0], ":memory:", budget=nlparam.Budget(max_calls=70))


def test_depth_and_sizes_that_cannot_be_met_say_what_is_possible(corpus, store):
    with pytest.raises(CorpusError, match="depth of at most 3"):
        _grow(corpus[0], store, depth=9)
    with pytest.raises(CorpusError, match="expected at least 40"):
        _grow(corpus[0][:30], store, options={})
    with pytest.raises(ValueError, match="MIN-MAX"):
        _grow(corpus[0], store, children="many")
    with pytest.raises(ValueError, match="expected at least 2"):
        _grow(corpus[0], store, children=1)
    with pytest.raises(ValueError, match="depth=0"):
        _grow(corpus[0], store, depth=0)
    with pytest.raises(ValueError, match="expected some of"):
        _grow(corpus[0], store, options={"n_stated": 60, "speed": 9})


def test_candidates_that_divide_nothing_are_said_to(corpus, store):
    with pytest.raises(LanguageModelError, match="none of the 2 candidate predicates"):
        _grow(corpus[0], store, depth=1, pool=["is about the moon", "is about the weather"])


def test_blank_and_repeated_texts_are_counted_where_they_are(corpus, store):
    texts = ["", *corpus[0], corpus[0][0], "  "]
    with pytest.warns(FitWarning, match="2 of 123 texts are blank"):
        tree = _grow(texts, store, depth=1)
    assert {0, 122}.isdisjoint(tree.root.members)
    assert tree.assignments()[0] is None
    assert tree.assignments()[1] == tree.assignments()[121]
    assert len(tree.root) == 121


@pytest.mark.parametrize("general", ["sports", "science"])
def test_children_are_numbered_by_the_size_that_repeated_texts_give_them(corpus, store, general):
    texts, topics = corpus
    repeated = texts[[topic[0] for topic in topics].index(general)]
    tree = _grow([*texts, *[repeated] * 20], store, depth=1, children=3)
    assert tree.nodes["1"].name == f"is about {general}"
    assert [len(child) for child in tree.children()] == [60, 40, 40]


def test_a_goal_in_another_language_than_the_texts_is_a_warning(corpus, store):
    with pytest.warns(FitWarning, match="the goal seems to be German"):
        _grow(corpus[0], store, depth=1, goal="worum es in diesem Text hauptsächlich geht")


def test_a_strong_language_model_is_believed_as_it_judges(corpus):
    def contrast(request):
        if "Answer with a JSON array" in request.messages[-1].content:
            return json.dumps([f"is about {topic}" for topic in TOPICS])
        return answer(request)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = _grow(corpus[0], ":memory:", depth=1, children=3, lm=ScriptedModel(contrast, identity="strong"))
    assert {child.predicate for child in tree.children()} == {f"is about {g}" for g, _ in WORDS}
    for child in tree.children():
        assert np.isclose(child.denotations[:, None], [0.05, 0.95]).any(axis=1).all()


def test_an_estimate_comes_near_to_what_is_asked(tree, corpus):
    arguments = {"goal": "the topic", "lm": scripted(), "options": OPTIONS}
    with Store(":memory:") as store:
        estimate, again = (nlparam.estimate_taxonomy(corpus[0], store=store, **arguments) for _ in range(2))
        arguments |= {"options": {"least_texts": 20}}
        unbound = nlparam.estimate_taxonomy(corpus[0], store=store, **arguments)
    assert 0 < estimate.least <= estimate.judgments <= estimate.most
    assert again.prompt_tokens == estimate.prompt_tokens > 0
    asked = tree.costs.judgments_asked + tree.costs.judgments_served
    assert estimate.n_tried < 70
    assert asked / 4 < estimate.judgments < 4 * asked
    assert "statements" not in estimate.bound
    assert "divided anew with 360 statements" in unbound.bound
    assert unbound.most > estimate.most


@pytest.mark.parametrize(("given", "certain", "n_stated"), [({}, 0.5, 40), ({}, 1.1, 120), ({"n_stated": 40}, 1.1, 40)])
def test_where_the_first_level_is_uncertain_more_texts_are_stated_and_then_the_user_is_told(
    corpus, tmp_path, monkeypatch, given, certain, n_stated
):
    monkeypatch.setattr("nlparam.taxonomies.options._N_STATED", 40)
    monkeypatch.setattr("nlparam.taxonomies.tree._CERTAIN", certain)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        tree = _grow(corpus[0], tmp_path / "store.sqlite", depth=1, options={"least_texts": 20} | given)
    assert tree.following is not None
    assert tree.following.n_stated == n_stated
    assert {child.predicate for child in tree.children()} == {f"is about {general}" for general, _ in WORDS}
    said = [str(one.message) for one in warned if "it is uncertain which texts" in str(one.message)]
    assert bool(said) == (certain > 1)
