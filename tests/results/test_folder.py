"""Folders of results: one result in each, whole or not at all, and nothing that a person did is lost unasked."""

import dataclasses
import errno
import json
import math
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet
import pytest
from safetensors.numpy import load_file, save_file

import nlparam
import nlparam.results.folder
from nlparam import Comparison
from nlparam.errors import ResultFolderError
from nlparam.models import Clustering
from nlparam.results.folder import KINDS, LOCK, write_json, writing
from nlparam.runtime.files import replacing
from nlparam.taxonomies.growing import taxonomy
from nlparam.taxonomies.result import Taxonomy
from tests.helpers.handmade_results import make_comparison
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics
from tests.helpers.taxonomy_corpus import make_texts, scripted

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

# Holds a folder until it is told to let go.
HOLD = """
import sys
from nlparam.results.folder import writing
with writing(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """The folder of a taxonomy."""
    folder = tmp_path_factory.mktemp("grown") / "tree"
    options = {"n_stated": 40, "least_texts": 14}
    taxonomy(make_texts(8)[0], lm=scripted(), depth=1, store=":memory:", options=options, out=folder)
    return folder


@pytest.fixture(scope="module")
def fitted():
    texts, labels = topics(60, 2)
    oracle = Oracle(texts, labels, distractors=2)
    embedder = LexicalEmbedder(texts)
    return nlparam.fit(
        Clustering(2), texts, lm=oracle.model(), predicates=oracle.predicates, embedder=embedder, store=":memory:"
    )


def test_a_replaced_result_leaves_nothing_of_itself(grown, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(grown, folder)
    beside = ("update.json", "assignments.parquet", "posterior.nc", "report.html")
    for name in beside:
        (folder / name).write_text("of the taxonomy", encoding="utf-8")
    with pytest.raises(ResultFolderError, match="holds a taxonomy"):
        make_comparison().save(folder)
    make_comparison().save(folder, overwrite=True)
    assert [name for name in KINDS if (folder / name).exists()] == ["comparison.json"]
    assert not any((folder / name).exists() for name in beside)
    Comparison.load(folder)


def test_what_is_beside_a_result_stays_when_the_same_is_written_again(fitted, tmp_path):
    fit = fitted
    fit.save(tmp_path)
    (tmp_path / "posterior.nc").write_bytes(b"")
    fit.save(tmp_path)
    assert (tmp_path / "posterior.nc").exists()
    fit.save(tmp_path, overwrite=True)
    assert not (tmp_path / "posterior.nc").exists()


def test_files_of_ones_own_stay_where_no_result_is_replaced(tmp_path):
    for name in ("images.json", "posterior.nc"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    make_comparison().save(tmp_path)
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in ("images.json", "posterior.nc")] == ["mine"] * 2


def test_one_process_at_a_time_writes_to_a_folder(grown, tmp_path, monkeypatch):
    monkeypatch.setattr(nlparam.results.folder, "_WAIT", 0.0)
    tree = Taxonomy.load(grown)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ResultFolderError, match="another nlparam command is writing to"):
            tree.save(tmp_path)
        assert not (tmp_path / "taxonomy.json").exists()
        other.kill()
    # The lock has ended with the process, and who holds it may enter again.
    with writing(tmp_path):
        tree.save(tmp_path)
    assert (tmp_path / LOCK).exists()
    Taxonomy.load(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_written_to(tmp_path, monkeypatch, number):
    fcntl = pytest.importorskip("fcntl")

    def flock(*_):
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    with writing(tmp_path):
        make_comparison().save(tmp_path)
    Comparison.load(tmp_path)


def test_two_writers_of_a_file_do_not_write_into_one_another(tmp_path):
    path = tmp_path / "some.json"
    with replacing(path) as partial:
        partial.write_text("[1", encoding="utf-8")
        write_json(path, [2])
        assert json.loads(path.read_text(encoding="utf-8")) == [2]
        partial.write_text("[3]", encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == [3]
    with pytest.raises(TypeError):
        write_json(path, {"no JSON": object()})
    with pytest.raises(FileNotFoundError), replacing(path):
        pass  # nothing was written
    assert [one.name for one in tmp_path.iterdir()] == ["some.json"]


def cut_short(folder):
    path = folder / "head.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def without_an_array(folder):
    arrays = load_file(folder / "head.safetensors")
    save_file(dict(list(arrays.items())[1:]), folder / "head.safetensors")


def with_fewer_rows(folder):
    path = folder / "denotations.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(0, 3), path)


@pytest.mark.parametrize("damage", [cut_short, without_an_array, with_fewer_rows])
def test_a_damaged_taxonomy_is_told(grown, tmp_path, damage):
    shutil.copytree(grown, tmp_path, dirs_exist_ok=True)
    damage(tmp_path)
    with pytest.raises(ResultFolderError, match=r"holds an incomplete taxonomy .*grow it again with --overwrite"):
        Taxonomy.load(tmp_path)


@pytest.mark.parametrize("damage", [cut_short, without_an_array])
def test_a_damaged_fit_is_told(fitted, tmp_path, damage):
    fitted.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ResultFolderError, match=r"holds an incomplete fit .*fit again with --overwrite"):
        nlparam.load(tmp_path)


def test_a_comparison_whose_judgments_are_of_another_is_told(tmp_path):
    make_comparison().save(tmp_path)
    path = tmp_path / "judgments.parquet"
    table = pyarrow.parquet.read_table(path)
    others = pyarrow.array(["is about something else"] * len(table), pyarrow.string())
    pyarrow.parquet.write_table(table.set_column(1, "predicate", others), path)
    with pytest.raises(ResultFolderError, match="there is no 'is about something else'"):
        Comparison.load(tmp_path)


def test_what_json_has_no_number_for_is_null_and_comes_back(tmp_path):
    comparison = make_comparison()
    first, *others = comparison.findings
    assert first.crude is not None
    unknown = first.crude._replace(effect=math.nan, standard_error=math.inf)
    shares = tuple(dataclasses.replace(share, mean=math.nan) for share in first.shares)
    first = dataclasses.replace(first, screening=unknown, shares=shares)
    dataclasses.replace(comparison, findings=[first, *others]).save(tmp_path)

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"), parse_constant=refuse)
    read = Comparison.load(tmp_path).findings[0]
    assert read.screening is not None
    assert (math.isnan(read.screening.effect), read.screening.standard_error) == (True, math.inf)
    assert np.isnan([share.mean for share in read.shares]).all()
    assert read.crude == first.crude
