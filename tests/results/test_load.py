"""`nlparam.load`: every kind of result comes back equal, also what older versions wrote, and one process writes it."""

import json
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

import nlparam
import nlparam.results.folder
from nlparam.errors import ResultFolderError
from nlparam.evals.audit import Audit
from nlparam.evals.code import Evaluation as Executed
from nlparam.evals.code import explain_drop, probe
from nlparam.evals.decomposition import Decompositions
from nlparam.evals.robustness.result import Robustness
from nlparam.evals.simulatability import Simulatability
from nlparam.guard import Evaluation, Guard
from nlparam.results.folder import KINDS, LOCK, RECORDS
from nlparam.testing import ScriptedEmbedder
from tests.helpers.guard_parts import trained
from tests.helpers.sibling_results import audited, decomposed, executed, guarded, simulated

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

RECORD_MAKERS = {"decomposed": decomposed, "simulated": simulated, "executed": lambda: executed()[0]}
FOLDER_MAKERS = {"guard": trained, "evaluation": guarded, "audit": audited}

# Holds the lock of what is in the arguments until it is told to let go.
HOLD = """
import sys
from nlparam.results.folder import writing
with writing(*sys.argv[1:]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def results():
    return {name: make() for name, make in (RECORD_MAKERS | FOLDER_MAKERS).items()}


def without_what_is_measured(result):
    """All of it, as JSON."""
    contents = result.described() if isinstance(result, Guard) else result.as_dict()
    return json.loads(json.dumps(contents, allow_nan=False))


@pytest.mark.parametrize("name", RECORD_MAKERS)
def test_a_result_in_one_file_comes_back_equal(results, name, tmp_path):
    result = results[name]
    path = result.save(tmp_path / "mine.json")
    loaded = nlparam.load(path)
    assert type(loaded) is type(result)
    assert without_what_is_measured(loaded) == without_what_is_measured(result)
    assert loaded.versions["python"] == result.versions["python"]
    assert loaded.save(path) == path
    assert "<h1" in loaded.report()
    assert loaded._repr_html_() == result._repr_html_()
    assert [one.suffix for one in loaded.figures(tmp_path / "figures", formats="svg")]


@pytest.mark.parametrize("name", FOLDER_MAKERS)
def test_a_result_in_a_folder_comes_back_equal(results, name, tmp_path):
    result = results[name]
    result.save(tmp_path)
    if name == "audit":
        result.comparison.save(tmp_path / "predicates")
    options = {"embedder": ScriptedEmbedder()} if name == "guard" else {}
    loaded = nlparam.load(tmp_path, **options)
    assert type(loaded) is type(result)
    assert without_what_is_measured(loaded) == without_what_is_measured(result)
    assert loaded.versions["python"] == result.versions["python"]
    assert loaded._repr_html_() == result._repr_html_()


def test_every_kind_is_of_a_class_that_says_so():
    for kinds in (KINDS, RECORDS):
        assert {main: kind.cls().main for main, kind in kinds.items()} == {main: main for main in kinds}
    assert [kind.cls() for kind in RECORDS.values()] == [Decompositions, Simulatability, Robustness, Executed]
    assert {Audit, Evaluation, Guard} <= {kind.cls() for kind in KINDS.values()}


def test_what_was_judged_for_a_decomposition_is_there_again(results, tmp_path):
    found = results["decomposed"]
    loaded = nlparam.load(found.save(tmp_path / "mine.json"))
    np.testing.assert_array_equal(loaded.execution.denotations, found.execution.denotations)
    np.testing.assert_array_equal(loaded.denotation, found.denotation)
    assert (loaded.chosen, loaded.suggestion) == (found.chosen, found.suggestion)
    expression = '"is about sport" and "is long"'
    assert loaded.repair(expression) == found.repair(expression)


def test_solutions_that_are_loaded_can_be_probed_and_not_explained(results, tmp_path):
    found = results["executed"]
    loaded = nlparam.load(found.save(tmp_path / "mine.json"))
    probed = probe(loaded)
    assert probed.as_dict() == probe(found).as_dict()
    with pytest.raises(nlparam.errors.CorpusError, match="without the texts of the problems"):
        explain_drop(loaded, probed)


def rewritten(path, change):
    contents = json.loads(path.read_text(encoding="utf-8"))
    change(contents)
    path.write_text(json.dumps(contents), encoding="utf-8")
    return path


def as_before(contents):
    """As it was before files had a format, versions, and all that was judged."""
    for name in ("format", "versions", "denotations", "whole"):
        contents.pop(name, None)
    for one in contents.get("problems", ()):
        del one["number"], one["origin"]


@pytest.mark.parametrize("name", ["simulated", "executed"])
def test_files_of_earlier_versions_are_read(results, name, tmp_path):
    path = rewritten(results[name].save(tmp_path / "mine.json"), as_before)
    loaded = nlparam.load(path)
    assert loaded.versions == {}
    assert loaded._repr_html_() == results[name]._repr_html_()


def test_a_decomposition_of_an_earlier_version_says_what_to_do(results, tmp_path):
    path = rewritten(results["decomposed"].save(tmp_path / "mine.json"), as_before)
    with pytest.raises(ResultFolderError, match=r"older nlparam .* decompose again with --overwrite"):
        nlparam.load(path)


def test_folders_of_earlier_versions_are_read(results, tmp_path):
    results["evaluation"].save(tmp_path / "evaluation")
    rewritten(tmp_path / "evaluation" / "evaluation.json", lambda contents: contents.pop("versions"))
    assert nlparam.load(tmp_path / "evaluation").versions == {}
    audit = results["audit"]
    audit.save(tmp_path / "audit")
    audit.comparison.save(tmp_path / "audit" / "predicates")
    rewritten(tmp_path / "audit" / "audit.json", lambda contents: contents.pop("versions"))
    assert nlparam.load(tmp_path / "audit").rates == audit.rates


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable as JSON"),
        ("[]", "holds no result of nlparam"),
        ('{"settings": {}}', "holds no result of nlparam"),
        ('{"ranked": [], "format": 9}', "newer nlparam"),
        ('{"explanations": [{}]}', "incomplete test of explanations .*'input'.* simulate again"),
    ],
)
def test_files_that_are_no_result(tmp_path, content, message):
    path = tmp_path / "mine.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ResultFolderError, match=message):
        nlparam.load(path)


def test_a_file_of_another_kind_is_told(results, tmp_path):
    path = results["simulated"].save(tmp_path / "mine.json")
    with pytest.raises(ResultFolderError, match="give the --out file of a decomposition"):
        Decompositions.load(path)


@pytest.mark.parametrize("name", [*RECORD_MAKERS, *FOLDER_MAKERS])
def test_one_process_at_a_time_writes_a_result(results, name, tmp_path, monkeypatch):
    monkeypatch.setattr(nlparam.results.folder, "_WAIT", 0.0)
    in_one_file = name in RECORD_MAKERS
    target = tmp_path / "mine.json" if in_one_file else tmp_path
    held = [str(tmp_path), *(["mine.json"] if in_one_file else [])]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, *held], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ResultFolderError, match="another nlparam command is writing to"):
            results[name].save(target)
        assert {one.suffix for one in tmp_path.iterdir()} <= {LOCK, ""}
        other.kill()
    results[name].save(target)
    assert target.exists()


def test_threads_that_save_at_once_leave_one_whole_result(results, tmp_path):
    evaluation, errors = results["evaluation"], []

    def save():
        try:
            evaluation.save(tmp_path, overwrite=True)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert nlparam.load(tmp_path).as_dict() == evaluation.as_dict()
    shutil.rmtree(tmp_path)
