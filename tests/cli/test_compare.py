"""`nlparam compare`, from files to a folder and a report."""

import json
import re

import numpy as np
import pytest

import nlparam
from nlparam.corpus.marks import LABELS_FILE, Mark, add_labels
from tests.comparing.test_driver import PREDICATES, make_texts
from tests.helpers.cli_corpus import run, said
from tests.helpers.fake_server import FakeServer


def answer(body: dict) -> str | dict[str, float]:
    """Proposes, judges by the last word of the predicate, and rates."""
    content = body["messages"][-1]["content"]
    if not body.get("logprobs"):
        return json.dumps(PREDICATES)
    if "Answer with 0, 1 or 2" in content:
        return {"0": 0.1, "1": 0.2, "2": 0.7}
    text, _, question = content.rpartition("Property: ")
    yes = 0.95 if question.removesuffix(". Yes or no?").split()[-1] in text.split() else 0.05
    return {"yes": yes, "no": 1 - yes}


@pytest.fixture(scope="module")
def server():
    with FakeServer(answer=answer) as running:
        yield running


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two files of texts and a file of hypotheses; the texts of the first mention rain."""
    folder = tmp_path_factory.mktemp("texts")
    rng = np.random.default_rng(0)
    for seed, (name, share) in enumerate((("north", 0.9), ("south", 0.1))):
        rows = [
            {
                "text": text,
                "region": name,
                "words": len(text.split()),
                "source": str(rng.integers(3)),
                "one": 1,
                "author": f"{name} {number // 6}",
            }
            for number, text in enumerate(make_texts(90, seed=seed, rain=share))
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    both = "".join((folder / f"{name}.jsonl").read_text(encoding="utf-8") for name in ("north", "south"))
    (folder / "both.jsonl").write_text(both + '{"text": "of no region"}\n', encoding="utf-8")
    (folder / "hypotheses.txt").write_text("\n".join([*PREDICATES, "", PREDICATES[0]]), encoding="utf-8")
    return folder


def compare(files, server, out, *arguments):
    """Runs the command with hypotheses that need no embedder."""
    given = () if "--proposer" in arguments else ("--predicates", files / "hypotheses.txt")
    return run("compare", *arguments, *given, "--lm", server.url, "--out", out, "--goal", "the weather")


@pytest.mark.slow
def test_two_files(files, server, tmp_path):
    out = tmp_path / "out"
    result = compare(files, server, out, files / "north.jsonl", files / "south.jsonl")
    assert result.exit_code == 0, result.output
    first = next(line for line in result.stdout.splitlines() if "mentions rain" in line)
    assert re.search(r"mentions rain +yes +north +\+\d+\.\d \[", first)
    assert re.search(r" 1\.6 +1\.6 +1\.6", first)
    assert "Predicates claimed: 1 of 5 considered" in result.stdout
    assert "Errors kept to: 0.05, Benjamini-Hochberg (false discovery rate)" in result.stdout
    assert f"report: {out / 'report.html'}" in result.stdout
    assert "mentions rain" in (out / "report.html").read_text(encoding="utf-8")
    written = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert [group["name"] for group in written["groups"]] == ["north", "south"]
    calls = len(server.calls)
    again = compare(files, server, out, files / "north.jsonl", files / "south.jsonl", "--json")
    assert json.loads(again.stdout)["findings"] == written["findings"]
    assert len(server.calls) == calls


@pytest.mark.slow
def test_one_file_with_a_field_and_covariates(files, server, tmp_path):
    arguments = ("--group-field", "region", "--adjust", "words", "--adjust", "source", "--no-ratings")
    result = compare(files, server, tmp_path / "out", files / "both.jsonl", *arguments, "--correction", "holm")
    assert result.exit_code == 0, result.output
    assert "Adjusted for: words, source" in result.stdout
    assert "Errors kept to: 0.05, Holm (family-wise error rate)" in result.stdout
    assert "1 of 181 texts left out, without a 'region'" in said(result)
    assert json.loads((tmp_path / "out/comparison.json").read_text(encoding="utf-8"))["covariates"] == [
        "words",
        "source",
    ]


@pytest.mark.slow
def test_texts_of_authors_labels_and_a_second_look(files, server, tmp_path):
    out, two = tmp_path / "out", (files / "north.jsonl", files / "south.jsonl")
    result = compare(files, server, out, *two, "--no-ratings")
    assert "'author' looks like what texts belong to (30 values in 180 texts)" in said(result)
    assert "--cluster-field" in said(result)
    assert "Target: as the language model sees it; unequal errors are not in the intervals" in result.stdout
    assert "Explained by errors" in result.stdout
    rows = nlparam.load(out).to_label(100)
    labels = tmp_path / "labels.jsonl"
    said_by_people = [row | {"label": float(row["predicate"].split()[-1] in row["text"].split())} for row in rows]
    labels.write_text("".join(json.dumps(row) + "\n" for row in said_by_people), encoding="utf-8")
    arguments = ("--cluster-field", "author", "--labels", labels, "--look", 2, "--adjust", "length", "--no-ratings")
    result = compare(files, server, tmp_path / "second", *two, *arguments)
    assert result.exit_code == 0, result.output
    assert "looks like" not in said(result)
    assert "Clusters of these" in result.stdout
    assert "as your labels see it" in result.stdout
    written = json.loads((tmp_path / "second/comparison.json").read_text(encoding="utf-8"))
    assert written["level"] == pytest.approx(0.05 / 6)
    assert written["covariates"] == ["length"]
    assert written["findings"][0]["target"] == "people"
    assert written["findings"][0]["predicate"] == "mentions rain"
    # Labels in the folder are taken when it is made anew.
    add_labels(
        out / LABELS_FILE,
        [Mark(row["text"], row["predicate"], "yes" if row["label"] else "no", "ann") for row in said_by_people],
    )
    assert "as your labels see it" in compare(files, server, out, *two, "--no-ratings", "--overwrite").stdout


def test_a_dry_run_writes_nothing(files, server, tmp_path):
    out = tmp_path / "out"
    result = compare(files, server, out, files / "north.jsonl", files / "south.jsonl", "--dry-run", "--max-calls", 50)
    assert result.exit_code == 0, result.output
    assert "judgments" in result.stdout
    assert "over the budget: calls are limited to 50" in result.stdout
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("north.jsonl",), "expected another one or --group-field"),
        (("north.jsonl", "north.jsonl"), "got a file twice"),
        (("north.jsonl", "nowhere.jsonl"), "there is no file or folder"),
        (("north.jsonl", "south.jsonl", "--group-field", "region"), "expected one in which the field says the group"),
        (("both.jsonl", "--group-field", "colour"), "has no field 'colour'"),
        (("both.jsonl", "--group-field", "text"), "different values, expected at most 26 groups"),
        (("north.jsonl", "--group-field", "region"), "expected at least two to compare"),
        (("north.jsonl", "south.jsonl", "--adjust", "colour"), "has no field 'colour'"),
        (("north.jsonl", "south.jsonl", "--adjust", "region"), "says which of the groups"),
        (("north.jsonl", "south.jsonl", "--adjust", "one"), "nothing to adjust for"),
        (("north.jsonl", "south.jsonl", "--name", "n"), "got 1 names for 2 files"),
        (("north.jsonl", "south.jsonl", "--name", "n", "--name", "n"), "got a name twice"),
        (("north.jsonl", "south.jsonl", "--name", "n", "--name", " "), "'--name': got nothing"),
        (("north.jsonl", "south.jsonl", "--judge", "images"), "'--judge': got no folder of images"),
        (("north.jsonl", "south.jsonl", "--max-side", "256"), "'--max-side': got no folder of images"),
        (("both.jsonl", "--group-field", "region", "--detail", "low"), "'--detail': got no folder of images"),
        (("north.jsonl", "south.jsonl", "--level", "2"), "got level=2.0"),
        (("north.jsonl", "south.jsonl", "--research", "1"), "between 0 and 1"),
        (("north.jsonl", "south.jsonl", "--cluster-field", "colour"), "has no field 'colour'"),
        (("north.jsonl", "south.jsonl", "--cluster-field", "region"), "has 1 cluster in 90 texts, expected at least 3"),
        (("north.jsonl", "south.jsonl", "--labels", "nowhere.csv"), "there is no file"),
        (("north.jsonl", "south.jsonl", "--predicates", "nowhere.txt"), "cannot read the predicates"),
    ],
)
def test_mistakes_are_said(files, server, tmp_path, arguments, message):
    given = [files / word if word.endswith((".jsonl", ".txt")) else word for word in arguments]
    result = run("compare", *given, "--lm", server.url, "--out", tmp_path / "out")
    assert result.exit_code in (1, 2), result.output
    assert message in said(result)


def test_identical_files_are_an_error(files, server, tmp_path):
    copy = tmp_path / "copy.jsonl"
    copy.write_text((files / "north.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    result = compare(files, server, tmp_path / "out", files / "north.jsonl", copy)
    assert result.exit_code == 1
    assert "hold the same 90 distinct texts" in said(result)
