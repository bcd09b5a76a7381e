"""Sets of images compared from end to end: files, a real server that sees them, captions, judgments, claims."""

import json
from pathlib import Path

import numpy as np
import pytest

import nlparam
from benchmarks.visdiff.__main__ import main as visdiff
from benchmarks.visdiff.pairs import Pair, accuracies, agreement, find_sets, known_hypotheses, read_pairs
from nlparam.errors import CorpusError, EmbedderError, FitWarning, LanguageModelError
from nlparam.language.ranker import AbstractRanker
from nlparam.lm import ScriptedModel
from tests.helpers.cli_corpus import run, said
from tests.helpers.fake_server import FakeServer
from tests.helpers.tiny_clip import write_tiny_clip
from tests.helpers.vision_server import VisionServer, write_image

# Without directions nothing is embedded and nothing compiled: what is tested here is images.
PLAIN = {"ratings": False, "options": {"n_directions": 0}}
pytestmark = pytest.mark.filterwarnings("ignore:group .* distinct texts to test on:nlparam.errors.FitWarning")


@pytest.fixture(scope="module")
def server():
    with VisionServer() as running:
        yield running


def write_sets(folder: Path, *, n: int = 20, captions: bool = False) -> list[Path]:
    """Two folders: 90% of the first are red, 90% of the second blue, all with green below; no two images are equal."""
    sets = []
    for name, mostly, first_shade in (("first", "red", 0), ("second", "blue", 20)):
        for number in range(n):
            colour = "yellow" if number % 10 == 0 else mostly
            path = write_image(folder / name / f"{number:02}.png", colour, "green", shade=first_shade + number)
            if captions:
                path.with_suffix(".txt").write_text(f"A picture number {number}, {colour} above green.")
        sets.append(folder / name)
    return sets


def claims(comparison: nlparam.Comparison) -> dict[str, str | None]:
    return {finding.predicate: finding.more for finding in comparison.claims}


@pytest.mark.slow
def test_red_and_blue_folders_are_told_apart_by_what_the_server_sees(server, tmp_path):
    sets = write_sets(tmp_path)
    out = tmp_path / "out"
    before = server.seen()["calls"]
    comparison = nlparam.compare_images(sets, lm=server.url, store=tmp_path / "s.sqlite", out=out, **PLAIN)
    assert claims(comparison) == {"is mostly red": "first", "is mostly blue": "second"}
    assert not comparison.finding("is mostly green").claimed
    state = server.seen()
    assert not state["problems"]
    asked = {kind: n - before.get(kind, 0) for kind, n in state["calls"].items()}
    assert asked["captions"] == 40
    assert comparison.settings["judged"] == "images"
    assert comparison.settings["images"] == {"max_side": 512, "detail": "auto"}
    assert comparison.costs.stages["captions"]["calls"] == 40
    assert comparison.costs.calls == sum(asked.values())
    quoted = {example.text for finding in comparison.tested for example in finding.examples}
    assert quoted == set(comparison.pictures) == set(nlparam.Comparison.load(out).pictures)
    report = (out / "report.html").read_text()
    assert report.count('<img class="picture" src="data:image/jpeg;base64,') >= len(quoted)
    files = json.loads((out / "images.json").read_text())
    assert sorted(name for names in files.values() for name in names) == sorted(
        f"{path.parent.name}/{path.name}" for folder in sets for path in folder.iterdir()
    )
    # The same again, from other folders: nothing is asked.
    moved = [path.rename(tmp_path / f"moved_{path.name}") for path in sets]
    named = {"first": moved[0], "second": moved[1]}
    again = nlparam.compare_images(named, lm=server.url, store=tmp_path / "s.sqlite", out=out, **PLAIN)
    assert again.costs.calls == 0
    assert claims(again) == claims(comparison)


def test_with_captions_a_model_of_texts_is_enough(tmp_path):
    sets = write_sets(tmp_path, captions=True)

    def answer(request):
        said = request.messages[-1].content
        if request.labels is None:
            return json.dumps([f"mentions {colour}" for colour in ("red", "blue", "green")])
        text, _, question = said.rpartition("Property: ")
        return "yes" if question.split()[1].rstrip(".") in text else "no"

    lm = ScriptedModel(answer)
    lm.takes_images = False
    comparison = nlparam.compare_images(sets, lm=lm, **PLAIN)
    assert claims(comparison) == {"mentions red": "first", "mentions blue": "second"}
    assert (comparison.settings["judged"], comparison.settings["captions"]) == ("captions", None)
    with pytest.raises(LanguageModelError, match="reads text only"):
        nlparam.compare_images(sets, lm=lm, judged="images", **PLAIN)


def test_a_server_without_eyes_is_found_out_and_captions_are_judged(tmp_path):
    sets = write_sets(tmp_path, captions=True)

    def answer(body):
        said = body["messages"][-1]["content"]
        if not body.get("logprobs"):
            return json.dumps(["mentions red", "mentions blue"])
        text, _, question = said.rpartition("Property: ")
        yes = 0.9 if question.split()[1].rstrip(".") in text else 0.1
        return {"yes": yes, "no": 1 - yes}

    with FakeServer(answer=answer) as blind:
        comparison = nlparam.compare_images(sets, lm=blind.url, **PLAIN)
        assert claims(comparison) == {"mentions red": "first", "mentions blue": "second"}
        assert comparison.settings["judged"] == "captions"
        with_images = [call for call in blind.calls if isinstance(call["messages"][-1]["content"], list)]
        assert len(with_images) == 1


def test_captions_that_are_given_are_not_written_and_images_are_judged_all_the_same(server, tmp_path):
    sets = write_sets(tmp_path, captions=True)
    (sets[1] / "03.txt").unlink()
    before = server.seen()["calls"].get("captions", 0)
    comparison = nlparam.compare_images(sets, lm=server.url, **PLAIN)
    # The missing one, by which it is seen that the server sees.
    assert server.seen()["calls"]["captions"] - before == 1
    assert comparison.settings["judged"] == "images"
    assert "A picture number 3, red above green." in comparison.corpus.texts
    assert "A picture that is blue above and green below." in comparison.corpus.texts


@pytest.mark.slow
def test_images_that_cannot_be_read_or_described_are_named_and_the_rest_is_compared(tmp_path):
    sets = write_sets(tmp_path)
    (sets[0] / "bad.jpg").write_text("no image")
    write_image(sets[1] / "dark.png", "black")
    with VisionServer("--silent", "black") as server, pytest.warns(FitWarning) as warned:
        comparison = nlparam.compare_images(sets, lm=server.url, **PLAIN)
    said = " ".join(str(warning.message) for warning in warned)
    assert "1 of 21 images are left out: bad.jpg (no readable image" in said
    assert "the language model did not describe 1 of 21 images: dark.png; the comparison goes on" in said
    assert [group.n_texts for group in comparison.groups] == [20, 20]
    assert sum("bad.jpg" in note or "dark.png" in note for note in comparison.warnings) == 2


@pytest.mark.slow
def test_a_budget_that_ends_among_the_captions_loses_none_of_them(server, tmp_path):
    sets, store = write_sets(tmp_path), tmp_path / "s.sqlite"
    budget = nlparam.Budget(max_calls=15)
    with pytest.raises(LanguageModelError, match=r"15 of 15 calls.*before all of 20 images were described"):
        nlparam.compare_images(sets, lm=server.url, store=store, budget=budget, **PLAIN)
    before = server.seen()["calls"]["captions"]
    comparison = nlparam.compare_images(sets, lm=server.url, store=store, **PLAIN)
    assert server.seen()["calls"]["captions"] - before == 25
    assert len(comparison.claims) == 2


def test_without_eyes_and_captions_it_says_what_to_give(tmp_path):
    sets = write_sets(tmp_path, n=3)
    lm = ScriptedModel([])
    lm.takes_images = False
    with pytest.raises(CorpusError, match=r"no caption of 3 of 3 images.*captions.jsonl.*--lm URL"):
        nlparam.compare_images(sets, lm=lm, **PLAIN)


def test_identical_folders_are_an_error(server, tmp_path):
    sets = write_sets(tmp_path)
    for path in sets[1].iterdir():
        path.unlink()
    for path in sets[0].iterdir():
        (sets[1] / f"copy_of_{path.name}").write_bytes(path.read_bytes())
    with pytest.raises(CorpusError, match=r"hold the same 20 distinct texts"):
        nlparam.compare_images(sets, lm=server.url, **PLAIN)


def test_images_in_both_folders_count_in_each_with_a_warning(server, tmp_path):
    sets = write_sets(tmp_path)
    for number in range(3):
        (sets[1] / f"shared{number}.png").write_bytes((sets[0] / f"{number:02}.png").read_bytes())
    with pytest.warns(FitWarning, match="3 distinct texts are in more than one of the groups"):
        nlparam.compare_images(sets, lm=server.url, **PLAIN)


def test_images_are_not_compared_with_texts(tmp_path):
    sets = write_sets(tmp_path, n=2)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a text")
    with pytest.raises(CorpusError, match=r"first holds images and .*texts holds none: images are compared with"):
        nlparam.compare_images([sets[0], tmp_path / "texts"], lm=ScriptedModel([]))


@pytest.mark.parametrize(
    ("folders", "message"), [(["first"], "expected at least two"), (["first", "first"], "got a folder twice")]
)
def test_folders_that_make_no_comparison(tmp_path, folders, message):
    write_sets(tmp_path, n=1)
    with pytest.raises(CorpusError, match=message):
        nlparam.compare_images([tmp_path / name for name in folders], lm=ScriptedModel([]))


@pytest.mark.slow
def test_folders_of_one_name_are_told_apart_by_what_stands_before(server, tmp_path):
    first, second = write_sets(tmp_path)
    paths = [first.rename(_made(tmp_path / "old") / "set"), second.rename(_made(tmp_path / "new") / "set")]
    comparison = nlparam.compare_images(paths, lm=server.url, **PLAIN)
    assert [group.name for group in comparison.groups] == ["old/set", "new/set"]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("options", [{"judged": "texts"}, {"captions": {"third": "x.jsonl"}}])
def test_options_that_make_no_sense(tmp_path, options):
    with pytest.raises(ValueError, match="expected"):
        nlparam.compare_images(write_sets(tmp_path, n=1), lm=ScriptedModel([]), **options)


@pytest.mark.slow
def test_the_command_takes_two_folders(server, tmp_path):
    sets, out = write_sets(tmp_path), tmp_path / "out"
    (sets[0] / "\x1b[31mbad.png").write_text("no image")
    options = ("--lm", server.url, "--store", tmp_path / "s.sqlite", "--no-ratings", "--out", out)
    result = run("compare", *sets, *options, "--max-side", 64, "--detail", "low")
    assert result.exit_code == 0, result.output
    assert "is mostly red" in result.stdout
    assert "Predicates claimed: 2 of" in result.stdout
    assert "bad.png (no readable image" in said(result)
    assert "\x1b" not in result.stderr
    assert {"report.html", "images.json", "pictures.json"} <= {path.name for path in out.iterdir()}
    again = run("compare", *sets, *options, "--max-side", 64, "--detail", "low", "--json")
    contents = json.loads(again.stdout)
    assert contents["settings"]["images"] == {"max_side": 64, "detail": "low"}
    assert contents["costs"]["calls"] == 0


def test_the_command_takes_a_table_of_captions_for_each_folder(server, tmp_path):
    sets, tables = write_sets(tmp_path), []
    for folder in sets:
        rows = [{"file_name": path.name, "caption": f"{path.stem} of {folder.name}"} for path in folder.iterdir()]
        tables.append(tmp_path / f"{folder.name}.jsonl")
        tables[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    shared = ("compare", *sets, "--lm", server.url, "--no-ratings", "--out", tmp_path / "out")
    one = run(*shared, "--captions", tables[0])
    assert one.exit_code == 2
    assert "got 1 files for 2 folders" in said(one)
    before = server.seen()["calls"]
    predicates = tmp_path / "predicates.txt"
    predicates.write_text("is mostly red\n")
    result = run(*shared, "--captions", tables[0], "--captions", tables[1], "--predicates", predicates)
    assert result.exit_code == 0, result.output
    # The first image is shown once, to see whether the server sees; nothing else is described or proposed.
    after = server.seen()["calls"]
    assert after["captions"] - before.get("captions", 0) == 1
    assert after.get("texts") == before.get("texts")


def test_the_command_says_that_images_and_texts_do_not_mix(tmp_path):
    sets = write_sets(tmp_path, n=2)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a text")
    result = run("compare", sets[0], tmp_path / "texts", "--lm", "http://127.0.0.1:9/v1", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "images are compared with images" in said(result)
    texts = run("compare", tmp_path / "texts", tmp_path / "texts", "--captions", "x.jsonl", "--out", tmp_path / "out")
    assert texts.exit_code == 2
    assert "got no folder of images, to which it belongs" in said(texts)


class ByGroup(AbstractRanker):
    """Knows which images are of the first set."""

    identity = "oracle"

    def score(self, items, predicates):
        return np.array([[float("red" in item)] * len(predicates) for item in items])


@pytest.mark.slow
def test_a_ranker_gives_auroc_and_welch_of_its_scores(server, tmp_path):
    comparison = nlparam.compare_images(write_sets(tmp_path), lm=server.url, ranker=ByGroup(), **PLAIN)
    ranking = comparison.finding("is mostly red").ranking
    assert ranking is not None
    assert ranking.auroc > 0.8
    assert ranking.p_value < 0.01


@pytest.mark.slow
def test_a_clip_model_ranks_the_images_and_what_cannot_be_loaded_costs_nothing(server, tmp_path):
    sets = write_sets(tmp_path)
    calls = server.seen()["calls"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmbedderError):
        nlparam.compare_images(sets, lm=server.url, ranker=tmp_path / "empty", **PLAIN)
    assert server.seen()["calls"] == calls
    clip = write_tiny_clip(_made(tmp_path / "clip"))
    comparison = nlparam.compare_images(sets, lm=server.url, ranker=clip, **PLAIN)
    assert comparison.settings["ranker"].startswith("cosine of images clip@sha256:")
    assert all(finding.ranking is not None for finding in comparison.tested)
    assert comparison.costs.stages["ranking"]["embeddings_computed"] == 40


@pytest.mark.slow
def test_the_harness_finds_the_difference_of_a_pair_of_folders(server, tmp_path, capsys):
    rows = [
        {"id": "easy_1", "difficulty_path": "easy", "set_a": "mostly red pictures", "set_b": "mostly blue pictures"},
        {"id": "easy_2", "difficulty_path": "easy", "set_a": "cats", "set_b": "dogs"},
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = write_sets(tmp_path)
    sets = tmp_path / "sets" / "easy_1"
    sets.mkdir(parents=True)
    first.rename(sets / "a")
    second.rename(sets / "b")
    shared = ["--pairs", str(tmp_path / "pairs.jsonl"), "--store", str(tmp_path / "s.sqlite")]
    with FakeServer(answer=_graded) as grader:
        visdiff(["run", "--sets", str(tmp_path / "sets"), "--lm", server.url, "--grader", grader.url, *shared])
    *_, row, last = capsys.readouterr().out.splitlines()
    assert json.loads(row)["hypotheses"][0] == "is mostly red"
    result = json.loads(last)
    assert (result["pairs"], result["of"], result["images"]) == (1, 2, 1)
    assert result["acc@1"] == result["acc@5"] == result["by_source"]["easy"]["acc@1"] == 1.0


def _graded(body) -> str:
    said = body["messages"][-1]["content"].rpartition("\nA: ")[2]
    set_a, hypothesis = said.partition("\n")[0], said.partition("Hypothesis: ")[2].partition("\n")[0]
    return "full" if hypothesis.split()[-1] in set_a else "no"


def test_the_harness_takes_files_of_captions(tmp_path):
    pair = Pair("hard_1", "hard", "a", "b")
    assert find_sets(tmp_path, pair) is None
    folder = _made(tmp_path / "hard_1")
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text("x")
    sets = find_sets(tmp_path, pair)
    assert sets is not None
    assert not sets.images


def test_accuracies_are_the_best_grade_among_the_first():
    assert accuracies([0.5, 0.0, float("nan"), 1.0, 0.0, 1.0]) == {"acc@1": 0.5, "acc@5": 1.0}
    assert accuracies([float("nan"), 0.5]) == {"acc@1": 0.0, "acc@5": 0.5}
    assert accuracies([]) == {"acc@1": 0.0, "acc@5": 0.0}


def test_a_grader_is_checked_by_hypotheses_whose_grade_is_known(shared_data, tmp_path, capsys):
    pairs = read_pairs(shared_data / "visdiff" / "pairs.jsonl", sources=["easy", "imagenetr"], most=3)
    assert [pair.source for pair in pairs] == ["easy"] * 3 + ["imagenetr"] * 3
    assert pairs[-1].set_b == "ordinary photographs"
    known = known_hypotheses(pairs)
    assert len(known) == 18
    kinds, right = [row[0] for row in known], [row[3] for row in known]
    always = agreement(kinds, right, np.ones(18))
    assert (always["identical"]["right"], always["swapped"]["right"]) == (1.0, 0.0)
    with FakeServer(answer=lambda _: "I think full") as server:
        given = ["check-grader", "--pairs", str(shared_data / "visdiff" / "pairs.jsonl"), "--most", "1"]
        visdiff([*given, "--grader", server.url, "--store", str(tmp_path / "s.sqlite"), "--similarity"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["grader"]["identical"]["right"], result["grader"]["identical"]["unanswered"]) == (0.0, 1.0)
    assert result["grader"]["identical"]["mean_grade"] is None
    assert result["failures"] > 0
