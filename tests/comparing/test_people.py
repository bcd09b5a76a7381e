"""Comparisons with labels of people: a judge that errs unequally is corrected; and what is said without labels."""

import csv
import json
import warnings

import numpy as np
import pytest

from nlparam.comparing.people import without_labels
from nlparam.comparing.records import OUTCOMES
from nlparam.comparing.result import Comparison
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError
from nlparam.results.jsonable import jsonable
from tests.comparing.test_driver import OPTIONS, PREDICATES, WordJudge, compare, make_texts

TESTED = {"predicates": PREDICATES, "ratings": False, "options": OPTIONS | {"n_screened": 30, "n_validated": 300}}


class Unequal(AbstractJudge):
    """Right for what people say but that it says yes too often to texts of the group whose texts begin with b."""

    identity = "unequal"

    def judge(self, texts, predicates, pairs):
        truth = WordJudge().judge(texts, predicates, pairs)
        wrong = [_fraction(f"{texts[t]}|{predicates[p]}") < (0.25 if texts[t][0] == "b" else 0.05) for t, p in pairs]
        return np.where((truth == 0) & np.asarray(wrong), 1.0, truth)


def _fraction(said: str) -> float:
    import zlib

    return zlib.crc32(said.encode()) / 2**32


def groups_of(seed: int, n: int = 550, **shares: float) -> dict[str, list[str]]:
    """Two groups of one population, or where the second mentions some words more."""
    return {
        name: [f"{name} {text}" for text in make_texts(n, seed=2 * seed + at, **(shares if at else {}))]
        for at, name in enumerate("ab")
    }


def said_by_people(compared: Comparison, n: int = 200, **given) -> Labelled:
    rows = compared.to_label(n, **given)
    truth = [float(row["predicate"].split()[-1] in row["text"].split()) for row in rows]
    return Labelled.of([(row["text"], row["predicate"], one) for row, one in zip(rows, truth, strict=True)])


def test_labels_take_back_what_the_judge_errs_in_one_group():
    groups = groups_of(1, rain=0.7)
    judged = compare(groups, judge=Unequal(), **TESTED)
    assert len(judged.claims) >= 4
    assert {finding.target for finding in judged.tested} == {"judge"}
    people = compare(groups, judge=Unequal(), labels=said_by_people(judged), **TESTED)
    assert [finding.predicate for finding in people.claims] == ["mentions rain"]
    rain = people.findings[0]
    assert (rain.target, rain.more) == ("people", "b")
    assert rain.people == rain.estimate
    assert rain.crude == judged.finding("mentions rain").crude
    assert rain.people is not None
    assert rain.people.low < 0.4 < rain.people.high
    assert "as people see it" in rain.reason
    assert [share.n_labels for share in rain.shares] == [100, 100]
    assert rain.shares[1].mean - rain.shares[0].mean == pytest.approx(rain.people.effect, abs=1e-9)
    assert rain.sensitivity is None


@pytest.mark.slow
def test_with_labels_groups_of_one_population_are_seldom_told_apart():
    n_claimed = {"judge": 0, "people": 0}
    for seed in range(20):
        groups = groups_of(100 + seed)
        judged = compare(groups, judge=Unequal(), seed=seed, **TESTED)
        n_claimed["judge"] += bool(judged.claims)
        labels = said_by_people(judged, seed=seed)
        n_claimed["people"] += bool(compare(groups, judge=Unequal(), seed=seed, labels=labels, **TESTED).claims)
    assert n_claimed["judge"] > 15
    assert n_claimed["people"] <= 4


def test_without_labels_it_is_said_what_errors_would_explain_a_claim():
    compared = compare(groups_of(2, rain=0.7), judge=WordJudge(), **TESTED)
    (claim,) = compared.claims
    assert claim.crude is not None
    assert claim.sensitivity == claim.crude.low > 0.2
    assert all(finding.sensitivity is None for finding in compared.findings if not finding.claimed)
    said = without_labels(2, 0.95)
    assert "100 labels of people for a predicate, 50 of each group" in said
    assert "to within about 0.12, if the judge is right for 90%" in said


def test_the_size_of_a_claim_is_not_larger_than_what_was_seen():
    compared = compare(groups_of(3, rain=0.45, sun=0.5), judge=WordJudge(), **TESTED)
    assert compared.claims
    for finding in compared.claims:
        assert finding.size is not None
        assert finding.estimate is not None
        assert 0 <= finding.size.effect <= finding.estimate.effect
        assert finding.size.low <= finding.estimate.low
        assert finding.size.high >= finding.estimate.high
    assert all(finding.size is None for finding in compared.findings if not finding.claimed)


def test_too_few_labels_say_nothing_and_are_said_to():
    groups = groups_of(4, rain=0.7)
    judged = compare(groups, judge=WordJudge(), **TESTED)
    few = compare(groups, judge=WordJudge(), labels=said_by_people(judged, 10), **TESTED)
    rain = few.finding("mentions rain")
    assert (rain.target, rain.outcome) == ("judge", OUTCOMES.claimed)
    assert "as people see it, it cannot be said from 5 labels of a group" in rain.reason


def test_labels_from_a_file_and_the_folder_of_what_they_give(tmp_path):
    groups = groups_of(5, rain=0.7)
    judged = compare(groups, judge=Unequal(), **TESTED)
    rows = judged.to_label(100)
    assert {row["label"] for row in rows} == {""}
    assert len(rows) == 100 * len(PREDICATES)
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"label": "yes" if row["predicate"].split()[-1] in row["text"].split() else "no"})
    out = tmp_path / "out"
    found = compare(groups, judge=Unequal(), labels=tmp_path / "labels.csv", out=out, **TESTED)
    assert [finding.predicate for finding in found.claims] == ["mentions rain"]
    assert Comparison.load(out).findings == found.findings
    written = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert {finding["target"] for finding in written["findings"]} == {"people"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "as your labels see it" in page
    assert "100 and more" in page


def test_a_folder_of_before_is_loaded(tmp_path):
    compare(groups_of(6, rain=0.7), judge=WordJudge(), out=tmp_path, **TESTED)
    path = tmp_path / "comparison.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    for finding in written["findings"]:
        for name in ("people", "size", "sensitivity", "target"):
            del finding[name]
        for share in finding["shares"]:
            del share["n_labels"]
    for group in written["groups"]:
        del group["n_clusters"]
    del written["unadjusted"]
    path.write_text(json.dumps(written), encoding="utf-8")
    loaded = Comparison.load(tmp_path)
    assert loaded.claims
    assert loaded.units.cluster is None
    loaded.report(tmp_path / "again.html")


def test_labels_that_do_not_belong_are_refused():
    groups = groups_of(7)
    text = groups["a"][0]
    for labels, message in (
        (Labelled.of([("elsewhere", PREDICATES[0], 1.0)]), "not in the corpus"),
        (Labelled.of([(text, "mentions snow", 1.0)]), "'mentions snow', which no candidate is"),
        (Labelled.of([]), "got no labels"),
    ):
        with pytest.raises(CorpusError, match=message):
            compare(groups, judge=WordJudge(), labels=labels, **TESTED)


def test_labels_of_other_texts_and_predicates_are_spoken_of():
    groups = groups_of(8, rain=0.7)
    judged = compare(groups, judge=WordJudge(), **TESTED)
    research = judged.corpus.distinct[int(judged.units.text[judged.units.research][0])]
    labels = said_by_people(judged)
    more = Labelled(
        (*labels.texts, research, research),
        (*labels.predicates, PREDICATES[0], "mentions snow"),
        (*labels.labels, 1, 0),
    )
    found = compare(groups, judge=WordJudge(), labels=more, **TESTED)
    assert any("1 labelled predicate is not tested ('mentions snow')" in note for note in found.warnings)
    assert any("1 of 1001 labels are of texts that were not drawn" in note for note in found.warnings)


def test_each_look_spends_a_part_of_the_level(tmp_path):
    groups = groups_of(9, rain=0.7)
    assert compare(groups, judge=WordJudge(), look=2, **TESTED).level == pytest.approx(0.05 / 6)
    first = {name: texts[:400] for name, texts in groups.items()}
    compare(first, judge=WordJudge(), out=tmp_path, **TESTED)
    again = compare(groups, judge=WordJudge(), out=tmp_path, overwrite=True, **TESTED)
    assert any("800 of these texts have been compared before" in note for note in again.warnings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = compare(groups, judge=WordJudge(), out=tmp_path, overwrite=True, look=2, **TESTED)
    assert not any("compared before" in note for note in told.warnings)
    with pytest.raises(ValueError, match="got look=0"):
        compare(groups, look=0)


def test_the_length_of_the_texts_is_adjusted_for_by_name():
    rng = np.random.default_rng(0)
    groups: dict[str, list[str]] = {"a": [], "b": []}
    for at, name in enumerate(groups):
        for number in range(550):
            n_words = int(np.exp(rng.normal(3 + 0.8 * at, 0.6)))
            # Longer texts mention rain more often, whatever their group.
            words = ["rain"] if rng.random() < n_words / (n_words + 25) else []
            groups[name].append(" ".join([f"{name}-{number}", *words, *["word"] * n_words]))
    plain = compare(groups, judge=WordJudge(), **TESTED)
    assert [finding.predicate for finding in plain.claims] == ["mentions rain"]
    adjusted = compare(groups, judge=WordJudge(), adjust=["length"], **TESTED)
    assert adjusted.covariates == ("length",)
    assert not adjusted.finding("mentions rain").claimed
    assert adjusted.unadjusted["length"] < 0.02
    assert compare(groups, judge=WordJudge(), adjust={"length": None}, **TESTED).findings == adjusted.findings
    with pytest.raises(CorpusError, match="'age' has no values"):
        compare(groups, judge=WordJudge(), adjust=["age"])


def test_what_is_left_of_a_covariate_is_warned_of():
    groups = groups_of(10)
    rng = np.random.default_rng(0)
    apart = {"a": rng.random(550).tolist(), "b": (1.05 + rng.random(550)).tolist()}
    found = compare(groups, judge=WordJudge(), adjust={"age": apart}, **TESTED)
    assert found.unadjusted["age"] > 0.1
    assert any("'age' still says which group a text is of" in note for note in found.warnings)


def test_new_fields_are_plain_data():
    (claim,) = compare(groups_of(11, rain=0.7), judge=WordJudge(), **TESTED).claims
    assert json.loads(json.dumps(jsonable(claim)))["size"]["effect"] > 0
