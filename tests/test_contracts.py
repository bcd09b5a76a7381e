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


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("numerics/sample.py", "import nlparam.language.judge", "Numerics and language never import one another"),
        ("language/parse.py", "from nlparam.numerics import head", "Numerics and language never import one another"),
        (
            "language/parse.py",
            "def late():\n    from nlparam.fitting import fit",
            "Numerics, language and models know nothing of what",
        ),
        ("models/clustering.py", "from nlparam.corpus import Corpus", "Models import the numerics, labels and times"),
        ("search/driver.py", "import nlparam.cli", "Nothing imports the command line"),
        ("report/page.py", "from nlparam.language.lm import base", "A report computes nothing"),
        ("report/page.py", "import jax", "A report computes nothing"),
        ("numerics/relax.py", "import torch", "Numerics see arrays only"),
        ("language/judge.py", "import jax.numpy as jnp", "Language code sees strings and NumPy only"),
        ("fitting.py", "import hydra", "Only the benchmarks know Hydra"),
        ("costs.py", "import nlparam.pool", "Layers: nobody imports what stands above"),
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
