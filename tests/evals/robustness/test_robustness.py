"""Claims under several wordings: which survive, with what reason, in Python, on the command line and in the report."""

import dataclasses
import re
import zlib

import numpy as np
import pytest

import nlparam.results.load
from nlparam.corpus.corpus import Corpus
from nlparam.errors import CorpusError, LanguageModelError, ResultFolderError
from nlparam.evals.robustness import OUTCOMES, Robustness, robustness
from nlparam.evals.robustness.claims import Groups, claim_of
from nlparam.lm import ScriptedModel
from tests.denotation.test_labelling import fit as fit
from tests.helpers.cli_corpus import run
from tests.helpers.handmade_results import make_comparison, make_taxonomy

PREDICATES = ["is stable", "is fickle"]


def draw(text: str, key: str) -> float:
    """A number in [0, 1) that depends on the text."""
    return zlib.crc32(f"{key} {text}".encode()) / 2**32


def answer(request):
    """Of the stable predicate every wording holds for the same texts, of the fickle one the second for many more."""
    content = request.messages[-1].content
    if request.labels is None:
        word = content.rpartition("Property: ")[2].split("\n")[0].split()[-1]
        return f"- looks {word}\n- seems {word}\n- is {word}"
    text, _, question = content.rpartition("Property: ")
    key = "stable" if "stable" in question else "fickle"
    number = int(re.findall(r"\d+", text)[0])
    chance = 0.8 if number % 2 == 0 else 0.2  # every other text is of the first group
    if "fickle" in question and "seems" in question:
        chance = 0.9  # more often, in both groups alike
    yes = 0.9 if draw(text, key) < chance else 0.1
    return {"yes": yes, "no": 1 - yes}


def asked(result, **options):
    return robustness(result, lm=ScriptedModel(answer), store=":memory:", **options)


@pytest.fixture(scope="module")
def compared():
    return make_comparison(300, predicates=PREDICATES, n_tested=2, n_dropped=0)


def test_a_difference_of_groups_survives_or_changes(compared):
    assert [claim.predicate for claim in compared.claims] == PREDICATES
    findings = [dataclasses.replace(finding, more="before") for finding in compared.findings]
    compared = dataclasses.replace(compared, findings=findings)
    found = asked(compared, n_texts=100, n_paraphrases=2)
    stable, fickle = found.claims
    assert stable.survives
    assert (stable.group, stable.claim) == ("before", "holds more often in “before” than in the others")
    assert [one.wording for one in stable.wordings] == ["is stable", "looks stable", "seems stable"]
    assert stable.reason == "more in before under all 3 wordings"
    assert all(one.effect is not None and one.effect.low > 0 and one.n == 100 for one in stable.wordings)
    assert [one.agreement and one.agreement.concord.kappa for one in stable.wordings[1:]] == [1.0, 1.0]
    assert stable.wordings[0].agreement is None
    assert fickle.outcome is OUTCOMES.changes
    assert fickle.reason == "no difference that is beyond chance as 'seems fickle'"
    assert found.n_texts == 100
    # Three wordings of two predicates, of which the paraphrases take two calls.
    assert (found.costs.judgments_asked, found.costs.proposals_asked) == (600, 2)


def test_a_share_survives_if_it_stays_within_the_tolerance(fit):
    result = dataclasses.replace(fit, predicates=[*PREDICATES, "is about stable things"])
    found = asked(result, n_texts=100, n_paraphrases=2)
    stable, fickle, _ = found.claims
    assert stable.survives
    assert stable.reason.startswith("at most +0%")
    assert stable.claim.startswith("holds for ")
    assert stable.group is None
    assert fickle.outcome is OUTCOMES.changes
    worst = fickle.wordings[2]
    assert worst.change == pytest.approx(worst.share - fickle.wordings[0].share)
    assert worst.change_low is not None
    assert worst.change_low > 0.1
    assert asked(result, n_texts=100, n_paraphrases=2, tolerance=0.5).claims[1].survives


def test_classes_of_a_fit_are_groups(fit):
    codes = np.asarray([int(re.findall(r"\d+", text)[0]) % 2 for text in fit.texts])
    coords = {"class": ["even", "odd"]}
    result = dataclasses.replace(fit, predicates=[*PREDICATES, "is unstable"], data=codes, coords=coords)
    found = asked(result, n_texts=60, n_paraphrases=1)
    assert [claim.group for claim in found.claims] == ["even"] * 3
    assert all(claim.survives for claim in found.claims)


def test_of_a_tree_the_first_level_is_tested():
    tree = make_taxonomy(60, n_children=2, names=["is stable", "is fickle", *"abcd"])
    found = asked(tree, n_texts=40, n_paraphrases=0, templates=["looks {}"])
    assert [claim.predicate for claim in found.claims] == [node.predicate for node in tree.children()]
    assert [one.wording for one in found.claims[0].wordings] == ["is stable", "looks is stable"]


def test_few_texts_say_little():
    rng, n = np.random.default_rng(0), 20
    groups = Groups(np.arange(n) % 2, ["a", "b"], {"p": "a"})
    values = {"p": rng.random(n), "q": rng.random(n)}
    claim = claim_of("p", values, groups, 0.1, 0.9)
    assert claim.outcome is OUTCOMES.unclear
    assert "take more of them" in claim.reason
    alone = claim_of("p", {"p": values["p"]}, None, 0.1, 0.9)
    assert alone.outcome is OUTCOMES.unclear
    fewer, more = np.arange(n) < 8, np.arange(n) > 9
    by_chance = claim_of("p", {"p": fewer.astype(float), "q": more.astype(float)}, None, 0.05, 0.9)
    assert by_chance.reason == "+10% as 'q', which may be chance"


def test_definitions_go_with_every_wording(fit):
    seen = []

    def watching(request):
        seen.append(request.messages[-1].content)
        return answer(request)

    defined = fit.settings | {"definitions": {"is stable": {"clauses": ["it stays"], "holds": [], "fails": []}}}
    result = dataclasses.replace(fit, predicates=["is stable", "is fickle", "is wet"], settings=defined)
    robustness(result, n_texts=10, n_paraphrases=1, lm=ScriptedModel(watching), store=":memory:")
    assert sum("- it stays" in content for content in seen) == 20


def test_it_is_kept_and_shown(fit, tmp_path):
    result = dataclasses.replace(fit, predicates=["is stable", "is <script>fickle", "is \x1b[31mwet"])
    found = asked(result, n_texts=40, n_paraphrases=2, out=tmp_path / "robustness.json")
    loaded = nlparam.load(tmp_path / "robustness.json")
    assert isinstance(loaded, Robustness)
    assert loaded.as_dict() == found.as_dict()
    assert [claim.outcome for claim in loaded.claims] == [claim.outcome for claim in found.claims]
    assert loaded.claims[0].wordings[1].agreement == found.claims[0].wordings[1].agreement
    html = (tmp_path / "robustness.html").read_text(encoding="utf-8")
    assert "Claims that survive" in html
    assert "<script>fickle" not in html
    asked(result, n_texts=40, n_paraphrases=2, out=tmp_path / "robustness.json")  # the same again
    with pytest.raises(ResultFolderError, match="n_texts"):
        asked(result, n_texts=41, n_paraphrases=2, out=tmp_path / "robustness.json")


def test_what_cannot_be_is_refused(fit):
    few = dataclasses.replace(fit, corpus=Corpus.from_texts(fit.texts[:300]))
    with pytest.raises(ValueError, match="at least two wordings"):
        asked(few, n_paraphrases=0)
    with pytest.raises(ValueError, match=r"expected one with \{\} in the place"):
        asked(few, templates=["the text is so"])
    with pytest.raises(ValueError, match="wordings of 'is gone'"):
        asked(few, wordings={"is gone": ["is away"]})
    with pytest.raises(CorpusError, match="got 8 texts"):
        asked(make_taxonomy(8, n_children=2))
    silent = ScriptedModel(lambda request: {"yes": 0.0, "no": 0.0} if request.labels else "- x y")
    with pytest.raises(LanguageModelError, match="answered nothing"):
        robustness(few, n_texts=10, lm=silent, store=":memory:")


def test_on_the_command_line(fit, tmp_path, monkeypatch):
    result = dataclasses.replace(fit, predicates=[*PREDICATES, "is about stable things"])
    monkeypatch.setattr(nlparam.results.load, "load", lambda _: result)
    monkeypatch.setattr("nlparam.denotation.session.load_language_model", lambda *_, **__: ScriptedModel(answer))
    done = run("robustness", tmp_path, "--n", 60, "--paraphrases", 2, "--store", tmp_path / "store.sqlite")
    assert done.exit_code == 0, done.output
    assert "Claims that survive: 2 of 3" in done.stdout
    assert "as 'seems fickle'" in done.stdout
    assert str(tmp_path / "robustness.html") in done.stdout
    bad = run("robustness", tmp_path, "--template", "is so", "--store", tmp_path / "store.sqlite")
    assert bad.exit_code == 2


def test_a_group_that_the_texts_choose_survives_by_chance_no_more_often_than_one_that_is_given():
    survived = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        values = (rng.random(100) < 0.4).astype(float)
        groups = Groups(rng.integers(0, 8, 100), [f"class {at}" for at in range(8)], {"p": None})
        survived += claim_of("p", {"p": values, "q": values.copy()}, groups, 0.1, 0.9).survives
    assert survived <= 6  # 5% of 60, and three more; it was a third of them
