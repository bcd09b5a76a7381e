"""The import contracts hold, and each of them would notice if it did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package and its contracts in a folder of their own, where files may be changed."""
    folder = tmp_path_factory.mktemp("contracts")
    shutil.copytree(ROOT / "nlparam", folder / "nlparam", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint_imports(folder):
    # `lint-imports` as a module, so that the one of this environment runs whatever the PATH is.
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_contracts_hold(copy):
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("numerics/core/sample.py", "import nlparam.language.parse", "Numerics and language never import one another"),
        (
            "language/parse.py",
            "from nlparam.numerics.heads import head",
            "Numerics and language never import one another",
        ),
        ("language/parse.py", "def late():\n    from nlparam.fitting.driver import fit", "Rooms: nobody imports"),
        (
            "models/clustering.py",
            "from nlparam.corpus.corpus import Corpus",
            "Models import the numerics, labels and times",
        ),
        ("fitting/search/driver.py", "import nlparam.cli", "Nothing imports the command line"),
        ("results/page/render.py", "from nlparam.lm import base", "A page computes nothing"),
        ("results/page/render.py", "import jax", "A page computes nothing"),
        ("numerics/core/relax.py", "import torch", "Numerics see arrays only"),
        ("language/parse.py", "import jax.numpy as jnp", "Language code sees strings and NumPy only"),
        ("fitting/driver.py", "import hydra", "Only the benchmarks know Hydra"),
        ("runtime/costs.py", "import nlparam.denotation.pool", "Rooms: nobody imports"),
        (
            "fitting/records.py",
            "if False:\n    from nlparam.fitting.result import Fit",
            "No circles: of two neighbours, at most one imports the other",
        ),
        ("stray.py", "", "stray"),
    ],
)
def test_a_violation_breaks_its_contract(copy, module, line, contract):
    path = copy / "nlparam" / module
    before = path.read_text(encoding="utf-8") if path.exists() else None
    try:
        path.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
        done = lint_imports(copy)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")
    assert done.returncode != 0
    broken = [reported for reported in done.stdout.splitlines() if "BROKEN" in reported or "stray" in reported]
    assert any(contract in reported for reported in broken), done.stdout
