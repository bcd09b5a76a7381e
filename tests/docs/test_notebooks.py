"""Notebooks of the documentation run: their cells of code, one after another, in one namespace."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs").rglob("*.ipynb"))


def run_cells(path: Path) -> dict:
    """What stands in the namespace of a notebook at its end."""
    namespace: dict = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_shows_what_it_says(path):
    shown = run_cells(path)
    fit, predicted = shown["fit"], shown["predicted"]
    assert fit.predicates == ["is about delivery", "is about an invoice", "is about logging in"]
    assert fit.summary()["texts"].tolist() == [19, 18, 18, 6]
    # Messages of one team are in one cluster, those of the others in none.
    assert set(predicted.groupby("team")["predicate"].nunique()) == {1}
    assert set(predicted.loc[predicted["team"] == "other", "predicate"]) == {"none of these"}
    said = json.loads(path.read_text(encoding="utf-8"))
    outputs = [output for cell in said["cells"] for output in cell.get("outputs", ())]
    assert not any(output["output_type"] == "error" for output in outputs)
    assert any("none of these" in str(output.get("data")) for output in outputs)
