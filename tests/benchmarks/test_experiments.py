"""Every experiment of `configs/` composes, is checked, is built and runs with a scripted model on small data sets."""

import dataclasses
import functools
import itertools
import json
import re
import sys
from pathlib import Path

import hydra
import pytest
from hydra.errors import HydraException

from benchmarks.experiments.arms import ARMS
from benchmarks.experiments.base import DataError
from benchmarks.experiments.build import build, build_arm, build_settings
from benchmarks.experiments.composing import CONFIGS, ENTRY, compose, register
from benchmarks.experiments.data import sets
from benchmarks.experiments.data.catalogue import remedy
from benchmarks.experiments.execute import execute
from benchmarks.experiments.schema import Config, ConfigError, UnfitError, validate
from nlparam.fitting.search import SearchOptions


def choices(group: str) -> list[str]:
    """The names of a group, as they are given on the command line."""
    folder = CONFIGS / group
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))


EXPERIMENTS = choices("experiment")
TOPICS = {
    "sport": "match goal player season league coach stadium",
    "business": "market profit shares company bank trade",
    "health": "doctor patient hospital disease medicine nurse",
}
# Two steps: a selection, and one round of refinement.
SMALL = (
    "lm=scripted",
    "embedder=hashed",
    "refinement=default",
    "refinement.n_rounds=1",
    "refinement.n_judged=12",
    "optim.n_restarts=2",
    "budget.max_judgments=150",
    "model.n_predicates=3",
    "dataset.n_texts=36",
)


def _rows(n_texts: int, names: list[str]) -> list[dict]:
    """Texts of the topics in turn, each with what any of the formats may say of it."""
    rows = []
    for number in range(n_texts):
        topic = names[number % len(names)]
        words = TOPICS[topic].split()
        text = " ".join(words[(number + step) % len(words)] for step in range(4)) + f" and the number {number}"
        denotation = [int(topic == name) for name in names]
        rows.append({"text": text, "label": topic, "time": number // 4, "class": number % 2, "denotation": denotation})
    return rows


def _write_set(folder: Path, kind: str, fields: tuple[str, ...]) -> None:
    folder.mkdir(parents=True)
    # Conjunctions of this set are two classes, as others have: equal shapes are compiled once.
    names = list(TOPICS)[:2] if folder.name == "syngoalex_topic" else list(TOPICS)
    rows = [{name: row[name] for name in ("text", *fields)} for row in _rows(48, names)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    meta = {"kind": kind, "k": 3, "goal": "what the text is about"}
    if "label" in fields or "denotation" in fields:
        meta |= {"labels": names, "reference_predicates": [f"has a topic of {name}" for name in names]}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory) -> Path:
    """Sets of the names that the experiments ask for, in the form of the evaluation sets."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("agnews", "syngoalex_topic", "demo_math"):
        _write_set(folder / "cluster" / name, "clustering", ("label",))
    for name in ("topics", "language"):
        _write_set(folder / "time_series" / name, "time_series", ("time", "denotation"))
    for name in ("demo_mem", "convincing_arguments"):
        _write_set(folder / "classification" / name, "classification", ("class",))
    _write_set(folder / "d5" / "example_problem", "classification", ("class",))
    return folder


def _small(data_folder: Path, tmp_path: Path, *overrides: str) -> Config:
    return compose([*SMALL, f"data_folder={data_folder}", f"out={tmp_path / 'outputs'}", *overrides])


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.filterwarnings("ignore::nlparam.errors.FitWarning")
def test_experiment_runs_two_steps(experiment, data_folder, tmp_path):
    config = _small(data_folder, tmp_path, f"experiment={experiment}")
    assert config.name == experiment
    run, new = execute(config)
    assert new
    assert run.experiment == experiment
    assert run.predicates
    assert run.folder.is_relative_to(tmp_path / "outputs" / experiment)
    assert (run.folder / "fit" / "fit.json").exists() == (run.arm not in ("goalex", "published"))
    assert ("accuracy" in run.metrics) == (run.task == "classification")
    assert bool(run.trace) == (run.arm != "goalex")
    assert run.costs["calls"] > 0
    assert run.identities["lm"] == "scripted words"
    assert ("f1_hungarian" in run.metrics) == bool(run.reference_predicates)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_all_that_an_experiment_sweeps_over_is_there(experiment):
    register()
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        composed = hydra.compose(ENTRY, overrides=[f"experiment={experiment}"], return_hydra_config=True)
    params = composed.hydra.sweeper.params or {}
    groups = {group: [one.strip() for one in listed.split(",")] for group, listed in params.items() if group != "seed"}
    # A choice of each group at a time: all combinations are run.
    for chosen in itertools.zip_longest(*groups.values()):
        swept = (f"{group}={choice or groups[group][0]}" for group, choice in zip(groups, chosen, strict=True))
        config = compose([f"experiment={experiment}", *swept])
        assert config.name == experiment
        build_arm(config)


@pytest.mark.parametrize("arm", choices("arm"))
def test_arm_files_say_the_fields_of_their_class(arm):
    config = compose([f"arm={arm}"])
    built, made = build_arm(config), ARMS[arm]
    assert type(built) is (made.func if isinstance(made, functools.partial) else made)
    assert config.arm.options.items() <= {name: getattr(built, name) for name in _fields(built)}.items()
    assert built == ARMS[arm]()


def test_an_arm_that_does_not_fit_is_refused_before_anything_is_computed(data_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NLPARAM_PEERS", sys.executable)
    for arm, said in (("shuffled", "got a clustering, expected a data set for time_series"), ("lloom", "make peers")):
        with pytest.raises(UnfitError, match=rf"the arm {arm} cannot be run on agnews: .*{said}"):
            execute(_small(data_folder, tmp_path, "dataset=agnews", f"arm={arm}"))
    assert not (tmp_path / "outputs").exists()


def test_every_arm_has_a_file():
    assert set(choices("arm")) == set(ARMS)


def _fields(arm) -> list[str]:
    return [field.name for field in dataclasses.fields(arm)]


@pytest.mark.parametrize("group", ["dataset", "model", "lm", "embedder", "judge", "refinement", "optim", "budget"])
def test_every_choice_of_a_group_is_valid(group):
    for choice in choices(group):
        name = [] if "???" not in (CONFIGS / group / f"{choice}.yaml").read_text() else [f"{group}.name=anything"]
        settings = build_settings(compose([f"{group}={choice}", "embedder=hashed", *name]))
        known = {field.name for field in dataclasses.fields(SearchOptions)}
        assert settings["options"].keys() <= known


def test_options_of_the_search_are_left_to_the_language_model_unless_set():
    assert build_settings(compose([]))["options"] == {}
    config = compose(["refinement=thorough", "refinement.n_judged=all", "optim=random", "budget=standard"])
    assert build_settings(config)["options"] == {
        "n_rounds": 3,
        "n_slots_refined": None,
        "n_judged": None,
        "relaxation": False,
        "max_judgments": 1500,
    }


def test_settings_are_what_a_fit_takes():
    import inspect

    import nlparam

    config = compose(
        ["judge=cascade", "budget.max_calls=5", "store=s.sqlite", "proposer=state", "representation=embedding"]
    )
    settings = build_settings(config)
    assert settings.keys() <= set(inspect.signature(nlparam.fit).parameters)
    assert settings["judge"].target_recall == 0.95
    assert settings["budget"].max_calls == 5


def test_an_instruction_reaches_the_embedder():
    embedder = build_settings(compose(["embedder.instruction=by its style"]))["embedder"]
    assert embedder.instruction == "by its style"
    with pytest.raises(ConfigError, match="hashed follows no instruction"):
        build_settings(compose(["embedder=hashed", "embedder.instruction=by its style"]))


def test_overrides_change_the_data_set(data_folder, tmp_path):
    config = _small(
        data_folder, tmp_path, "dataset=agnews", "dataset.series={n_times: 7}", "dataset.goal=the sport", "dataset.k=2"
    )
    problem, _ = build(config.model_copy(update={"model": validate({"dataset": {"name": "x"}}).model}))
    assert problem.dataset.task == "time_series"
    assert set(problem.dataset.data) <= set(range(7))
    assert problem.dataset.goal == "the sport"
    assert problem.model.n_predicates == 2


def test_a_file_of_ones_own(data_folder, tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(
        "".join(json.dumps({"body": row["text"], "kind": row["label"]}) + "\n" for row in _rows(48, list(TOPICS)))
    )
    fields = ("dataset=file", f"dataset.name={path}", "dataset.text_field=body", "dataset.label_field=kind")
    problem, _ = build(_small(data_folder, tmp_path, *fields))
    assert problem.dataset.name == "mine"
    assert len(problem.dataset.reference_predicates) == 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["refinement.n_round=2"], r"refinement has no key 'n_round' \(did you mean 'n_rounds'\?\)"),
        (["+refinement.foo=2"], "refinement has no key 'foo', expected one of refinement, n_rounds"),
        (["judge.form=double"], "got judge.form='double', expected 'single' or 'contrastive'"),
        (["seed=-1"], "got seed=-1, expected greater than or equal to 0"),
        (["refinement.n_judged=most"], "got refinement.n_judged='most', expected integer.* or 'all' or null"),
        (["dataset=file"], "dataset.name is not set, expected dataset.name=VALUE"),
        (["lm=file"], "lm.name is not set, expected lm.name=VALUE"),
        (["lm=vllm"], "lm.name is not set"),
        (["embedder=hub"], "embedder.name is not set"),
        (["name=../up"], "got name='../up'"),
    ],
)
def test_wrong_overrides_are_answered_with_what_would_be_right(overrides, message):
    with pytest.raises(ConfigError, match=message):
        compose(overrides)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sed=1", "Could not override 'sed'"),
        ("dataset=agnew", r"Could not find 'dataset/agnew'(?s:.*)agnews"),
        ("arm=fulll", r"Could not find 'arm/fulll'(?s:.*)bertopic"),
        ("experiment=paper/cluster", "Could not find 'experiment/paper/cluster'"),
        ("hydra/launcher=slurm", r"Could not find 'hydra/launcher/slurm'(?s:.*)basic\s+joblib"),
    ],
)
def test_hydra_answers_wrong_choices_with_those_there_are(override, message):
    with pytest.raises(HydraException, match=message):
        compose([override])


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ConfigError) as caught:
        compose(["judge.forms=single", "refinement.n_round=1"])
    assert len(str(caught.value).splitlines()) == 2


def test_a_wrong_key_in_a_file_is_named():
    with pytest.raises(ConfigError, match=r"judge has no key 'forms'.*did you mean 'form'"):
        validate({"dataset": {"name": "agnews"}, "judge": {"forms": "single"}})
    with pytest.raises(ConfigError, match="dataset is missing"):
        validate({})


def test_an_arm_is_not_given_what_it_does_not_have():
    config = validate({"dataset": {"name": "agnews"}, "arm": {"name": "full", "overlap": 0.5}})
    with pytest.raises(ConfigError, match="the arm full has no overlap, expected no key beside name"):
        build_arm(config)
    config = validate({"dataset": {"name": "agnews"}, "arm": {"name": "best"}})
    with pytest.raises(ConfigError, match="there is no arm 'best', expected one of bertopic"):
        build_arm(config)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["arm.overlap_=1"], "the arm full has no overlap_, expected no key beside name"),
        (["arm=kmeans", "arm.n_words=3"], "the arm kmeans has no n_words, expected some of n_init"),
        (["arm=tfidf_kmeans", "arm.n_words=abc"], "got arm.n_words='abc', expected integer"),
        (["arm=goalex", "arm.overlap=null"], "got arm.overlap=None, expected number"),
    ],
)
def test_wrong_fields_of_an_arm_are_answered_with_what_would_be_right(overrides, message):
    with pytest.raises(ConfigError, match=message):
        build_arm(compose(overrides))


def test_a_model_must_fit_the_data_set(data_folder, tmp_path):
    with pytest.raises(ConfigError, match=r"got model=time_series for the data set 'bbc'.*dataset\.series=true"):
        build(_small(data_folder, tmp_path, "model=time_series"))
    with pytest.raises(ConfigError, match="a clustering has no smoothness, expected some of n_predicates, temperature"):
        build(_small(data_folder, tmp_path, "model.smoothness=2"))


def test_unknown_names_of_sets_are_answered_with_those_there_are(data_folder, tmp_path):
    with pytest.raises(DataError, match=r"unknown data set 'nowhere'.*agnews"):
        build(_small(data_folder, tmp_path, "dataset=file", "dataset.name=nowhere"))


def test_the_commands_of_the_documentation_are_right():
    page = CONFIGS.parent / "docs" / "how-to" / "experiments.md"
    commands = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("python -m ben")]
    shown = [line.split()[3:] for line in commands if line.split()[2] == "benchmarks.run"]
    assert len(shown) > 5
    for arguments in shown:
        # The first of what a sweep lists.
        compose([one.partition(",")[0] for one in arguments if one != "-m" and not one.startswith("hydra")])


@pytest.mark.parametrize("dataset", [name for name in choices("dataset") if name != "file"])
def test_the_shared_sets_are_as_the_configuration_says(dataset, shared_data):
    config = compose([f"dataset={dataset}", "dataset.n_texts=150", f"data_folder={shared_data}"])
    name = config.dataset.name
    how = remedy(name)
    if how is not None and name not in sets(shared_data) and not Path(name).exists():
        with pytest.raises(DataError, match=re.escape(how)):  # what cannot be here says how to get it
            build(config)
        return
    problem, _ = build(config)
    assert problem.dataset.k > 1
    assert problem.dataset.goal
    assert problem.dataset.name in (dataset, dataset.removesuffix("_dummy") + "/dummy")
