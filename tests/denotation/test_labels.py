"""Labels of people: read, looked up for a corpus, and compared with one another."""

import numpy as np
import pytest

from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError, FitWarning


def test_labels_of_a_file(tmp_path):
    path = tmp_path / "labelled.csv"
    path.write_text("text,predicate,label\nt0,p,yes\nt1,p,0\nt2,p,TRUE\nt3,p,0.25\n")
    labelled = Labelled.read(path)
    assert labelled.labels == (1.0, 0.0, 1.0, 0.25)
    assert labelled.who == ()
    path.write_text("text,predicate,label\nt,p,maybe\n")
    with pytest.raises(CorpusError, match=r"row 1 is 'maybe', expected"):
        Labelled.read(path)


def test_who_said_it_is_read_where_the_file_says_so(tmp_path):
    path = tmp_path / "labelled.csv"
    path.write_text("text,predicate,label,who\nt,p,yes,ann\nt,p,no,bob\n")
    assert Labelled.read(path).who == ("ann", "bob")


def test_marks_of_a_page_are_no_random_sample(tmp_path):
    path = tmp_path / "labelled.csv"
    path.write_text("text,predicate,label,who,how\nt0,p,yes,ann,\nt1,p,no,ann,page\nt2,p,no,bob,page\n")
    with pytest.warns(FitWarning, match=r"2 labels in .* were made on a page, of texts chosen there"):
        assert Labelled.given(path).texts == ("t0",)
    assert Labelled.read(path).texts == ("t0", "t1", "t2")
    path.write_text("text,predicate,label,how\nt0,p,yes,\n")
    assert Labelled.given(path).texts == ("t0",)
    assert Labelled.given(labels := Labelled.read(path)) is labels


def test_labels_that_cannot_be_are_refused():
    with pytest.raises(CorpusError, match=r"outside \[0, 1\]"):
        Labelled.of([("a", "b", 2.0)])
    with pytest.raises(CorpusError, match="1 names of people for 2 labels"):
        Labelled(("a", "b"), ("p", "p"), (1.0, 0.0), ("ann",))


def test_a_corpus_gets_the_mean_label_of_every_pair():
    labelled = Labelled.of([("a", "Holds", 1.0, "ann"), ("a ", "holds", 0.0, "bob"), ("c", "shines", 1.0, "ann")])
    found = labelled.matrix(["a", "b", "c"], ["holds", "shines"])
    np.testing.assert_array_equal(found, [[0.5, np.nan], [np.nan, np.nan], [np.nan, 1.0]])


@pytest.mark.parametrize(("row", "message"), [(("x", "p", 1.0), "not in the corpus"), (("a", "q", 1.0), "one of 'p'")])
def test_labels_of_other_texts_and_predicates_are_refused(row, message):
    with pytest.raises(CorpusError, match=message):
        Labelled.of([row]).matrix(["a"], ["p"])


def test_agreement_is_counted_where_two_people_labelled_the_same_pair():
    ann = [(str(n), "p", float(n % 2), "ann") for n in range(8)]
    bob = [(str(n), "p", float(n % 2 if n < 6 else 1 - n % 2), "bob") for n in range(8)]
    alone = [(str(n), "q", 1.0, "ann") for n in range(8)]
    found = Labelled.of([*ann, *bob, *alone]).agreement()
    assert list(found) == ["p"]
    assert found["p"][:3] == (8, 8, (0.75, 0.5, 0.5))
    assert found["p"].low < 0.5 < found["p"].high


def test_kappa_is_not_made_up_where_all_say_yes():
    agreed = Labelled.of([("a", "p", 1.0, "ann"), ("a", "p", 1.0, "bob")]).agreement()["p"]
    assert agreed[:3] == (1, 1, (1.0, 1.0, None))


def test_labels_without_names_say_nothing_of_agreement():
    assert Labelled.of([("a", "p", 1.0), ("a", "p", 0.0)]).agreement() == {}
