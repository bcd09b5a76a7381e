"""Guards are trained, saved, loaded and evaluated; only what depends on a changed rule is asked for again."""

import dataclasses
import json
import socket

import numpy as np
import pyarrow.parquet
import pytest

import nlparam.guard as guards
from nlparam.denotation.judge import LabelJudge
from nlparam.errors import CorpusError, EmbedderError, ResultFolderError
from nlparam.guard import Benign, Constitution, GuardError, train
from nlparam.guard.evaluation import Attack, evaluate, held_out_attacks, read_attacks
from nlparam.guard.synthesis import read_example
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.budget import Budget
from nlparam.runtime.costs import Costs
from nlparam.testing import ScriptedEmbedder
from tests.helpers.cli_corpus import run, said
from tests.helpers.guard_parts import PLAN, RULES, answer, benign_texts, kind_of, scripted, sentence, trained

_SECRET = {
    "dosage": "take two tablets daily, one spoon of syrup and the other pills twice",
    "rival": "Zephyr Telecom offers",
}


def test_a_guard_refuses_what_its_rules_restrict_and_nothing_else(rng):
    screen = trained().screen
    for role in ("input", "output"):
        for rule in ("dosage", "rival"):
            verdicts = [screen.verdict(row) for row in screen.scores([sentence(rule, rng) for _ in range(20)], role)]
            assert all(verdict.refused and verdict.rule == rule for verdict in verdicts)
        for texts in ([sentence("cooking", rng) for _ in range(20)], benign_texts(40, seed=5)):
            verdicts = [screen.verdict(row) for row in screen.scores(texts, role)]
            assert sum(verdict.refused for verdict in verdicts) <= 0.1 * len(texts)
        assert (screen.scores(["", "  \n"], role) == -np.inf).all()


def test_a_restricted_passage_is_found_anywhere_in_a_long_text(rng):
    screen = trained().screen
    long = " ".join(benign_texts(20, seed=7))
    for place in (0, len(long) // 2, len(long)):
        text = f"{long[:place]} {sentence('dosage', rng, 40)} {long[place:]}"
        for role in ("input", "output"):
            assert screen.verdict(screen.scores([text], role)[0]).refused


def test_what_was_written_judged_and_held_out_is_counted():
    guard = trained()
    plain = [example for example in guard.examples if not example.obfuscation]
    assert guard.counts["planned"] == len(RULES.rules) * 2 * (PLAN.n_per_rule + PLAN.n_held_out)
    assert guard.counts["kept"] == sum(not example.dropped for example in plain) == guard.counts["written"]
    assert {e.obfuscation for e in guard.examples if e.held_out} == {"", "homoglyphs"}
    assert {e.obfuscation for e in guard.examples if not e.held_out} == {"", "leet", "spacing"}
    assert guard.threshold.n_texts == 300
    assert guard.threshold.n_refused <= 0.02 * 300


def test_a_saved_guard_is_the_same_guard(tmp_path, rng):
    guard = trained()
    guard.save(tmp_path / "guard")
    assert sorted(file.suffix for file in (tmp_path / "guard").iterdir() if file.name != ".lock") == [
        ".json",
        ".json",
        ".parquet",
        ".safetensors",
    ]
    loaded = guards.load(tmp_path / "guard", embedder=ScriptedEmbedder())
    texts = [sentence(kind, rng) for kind in ("dosage", "rival", "cooking", "benign")]
    for role in ("input", "output"):
        np.testing.assert_allclose(loaded.screen.scores(texts, role), guard.screen.scores(texts, role), rtol=1e-6)
    assert (loaded.constitution, loaded.plan, loaded.threshold) == (guard.constitution, guard.plan, guard.threshold)
    assert loaded.examples == guard.examples
    guard.save(tmp_path / "guard")  # the same guard may be written again
    other = dataclasses.replace(guard, plan=dataclasses.replace(PLAN, seed=1))
    with pytest.raises(ResultFolderError, match=r"another guard .*plan"):
        other.save(tmp_path / "guard")
    for changed, named in (
        ({"seen": frozenset(["another text"])}, "benign"),
        ({"threshold": guard.threshold._replace(max_refusals=0.5)}, "max_refusals"),
        ({"threshold": guard.threshold._replace(confidence=0.5)}, "confidence"),
        ({"settings": guard.settings | {"embedder_identity": "another"}}, "embedder"),
    ):
        with pytest.raises(ResultFolderError, match=rf"it differs in {named}\)"):
            dataclasses.replace(guard, **changed).save(tmp_path / "guard")
    with pytest.raises(EmbedderError, match="with which the guard was trained"):
        guards.load(tmp_path / "guard", embedder=ScriptedEmbedder(n_dimensions=7))


@pytest.mark.slow
def test_a_guard_for_other_traffic_is_trained_over_another_only_if_told_to(tmp_path):
    model, sent = scripted()
    options = {
        "plan": PLAN,
        "lm": model,
        "embedder": ScriptedEmbedder(),
        "store": ":memory:",
        "out": tmp_path / "guard",
    }
    first = train(RULES, benign_texts(200), max_refusals=0.02, **options)
    n_sent = len(sent)
    with pytest.raises(ResultFolderError, match=r"it differs in benign, max_refusals\)"):
        train(RULES, benign_texts(200, seed=9), max_refusals=0.05, **options)
    assert len(sent) == n_sent  # before anything is paid for
    again = train(RULES, benign_texts(200), max_refusals=0.02, **options)
    assert again.threshold == first.threshold
    train(RULES, benign_texts(200, seed=9), max_refusals=0.05, overwrite=True, **options)


def test_a_folder_without_a_whole_guard_is_refused(tmp_path):
    with pytest.raises(ResultFolderError, match="holds no guard"):
        guards.load(tmp_path)
    folder = trained().save(tmp_path / "guard")
    (folder / "heads.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ResultFolderError, match="incomplete guard"):
        guards.load(folder)
    contents = json.loads((folder / "guard.json").read_text())
    (folder / "guard.json").write_text(json.dumps(contents | {"format": 99}))
    with pytest.raises(ResultFolderError, match="newer nlparam"):
        guards.load(folder)
    (folder / "guard.json").write_text(json.dumps(contents | {"format": 1}))
    with pytest.raises(ResultFolderError, match=r"older nlparam, .* train the guard again"):
        guards.load(folder)


@pytest.mark.slow
def test_a_changed_rule_asks_only_for_what_depends_on_it(tmp_path):
    model, sent = scripted()
    options = {"plan": PLAN, "lm": model, "embedder": ScriptedEmbedder(), "max_refusals": 0.02}
    store = tmp_path / "store.sqlite"
    train(RULES, benign_texts(200), store=store, **options)
    n_first = len(sent)
    train(RULES, benign_texts(200), store=store, **options)
    assert len(sent) == n_first
    dosage, rival, cooking = RULES.rules
    changed = dataclasses.replace(rival, predicate="mentions Zephyr Telecom by name")
    train(Constitution((dosage, changed, cooking)), benign_texts(200), store=store, **options)
    asked = [request.messages[-1].content for request in sent[n_first:]]
    written = [prompt for prompt in asked if "Topic:" in prompt]
    judged = [prompt for prompt in asked if "Property:" in prompt]
    assert len(written) == PLAN.n_per_rule + PLAN.n_held_out  # outputs; what a user asks for has not changed
    assert all("by name" in prompt for prompt in written)
    # The new predicate on all outputs, and the other restricted one on the new outputs.
    of_role = 3 * (PLAN.n_per_rule + PLAN.n_held_out)
    assert len(judged) == of_role + len(written)


@pytest.mark.slow
def test_answers_that_cannot_be_used_are_counted_and_asked_for_again_within_a_bound():
    tries: dict[str, int] = {}

    def unwilling(request):
        prompt = request.messages[-1].content
        if request.labels is None:
            tries[prompt] = tries.get(prompt, 0) + 1
            if "Style: very short" in prompt:
                return "No."
            if "cooking" in prompt and request.seed % 2:
                return "I'm sorry, but I can't help with that."
        return answer(request)

    guard = train(
        RULES, benign_texts(200), plan=PLAN, lm=scripted(unwilling)[0], embedder=ScriptedEmbedder(), max_refusals=0.02,
        store=":memory:",
    )  # fmt: skip
    assert guard.counts["refused"] > 0
    # Three times in each draw.
    assert guard.counts["too short"] == 3 * PLAN.n_draws * guard.counts["given up"] > 0
    assert guard.counts["kept"] + guard.counts["given up"] == guard.counts["planned"]


@pytest.mark.slow
def test_texts_that_the_judge_reads_otherwise_are_dropped():
    def strays(request):
        prompt = request.messages[-1].content
        if request.labels is None and "Style: urgent" in prompt:
            kind = "cooking" if "medicine" in prompt else "dosage"
            return sentence(kind, np.random.default_rng(request.seed))
        return answer(request)

    guard = train(
        RULES, benign_texts(200), plan=PLAN, lm=scripted(strays)[0], embedder=ScriptedEmbedder(), max_refusals=0.02,
        store=":memory:",
    )  # fmt: skip
    dropped = [example for example in guard.examples if example.dropped]
    assert {example.style for example in dropped} == {"urgent and worried"}
    assert guard.counts["permitted, judged restricted"] == sum(example.rule == "cooking" for example in dropped) > 0
    assert not any(example.obfuscation for example in dropped)


@pytest.mark.parametrize(
    ("said", "text", "why"),
    [
        ('"Take two spoons."', "Take two spoons.", ""),
        ("Sure! Here is one:\nTake two spoons.", "Take two spoons.", ""),
        ("Message: take two spoons", "take two spoons", ""),
        ("As an AI, I do not", "", "refused"),
        ("Style: casual. Take two of them", "", "repeats its instructions"),
        ("ok", "", "too short"),
        ("", "", "too short"),
    ],
)
def test_what_is_read_from_an_answer(said, text, why):
    assert read_example(said) == (text, why)


@pytest.mark.slow
def test_too_little_benign_text_is_an_error_before_anything_is_asked():
    model, sent = scripted()
    with pytest.raises(GuardError, match=r"got 100 distinct benign texts, .* needs 798 \(598 to set"):
        train(RULES, benign_texts(100), lm=model, embedder=ScriptedEmbedder(), store=":memory:")
    assert not sent
    # And so many are enough.
    train(RULES, benign_texts(798), plan=PLAN, lm=model, embedder=ScriptedEmbedder(), store=":memory:")


@pytest.mark.slow
def test_a_rule_that_no_text_satisfies_is_an_error_that_keeps_what_was_paid_for(tmp_path):
    model, sent = scripted(lambda request: {"yes": 0.1, "no": 0.9} if request.labels else answer(request))
    rules = {"plan": PLAN, "embedder": ScriptedEmbedder(), "max_refusals": 0.02, "store": tmp_path / "store.sqlite"}
    with pytest.raises(GuardError, match=r"'dosage' has 0 usable examples of an input \(32 were written\)"):
        train(RULES, benign_texts(200), lm=model, **rules)
    n_sent = len(sent)
    with pytest.raises(GuardError, match="'dosage'"):
        train(RULES, benign_texts(200), lm=model, **rules)
    assert len(sent) == n_sent


def test_a_spent_budget_says_so():
    with pytest.raises(GuardError, match=r"the budget is spent \(10 of 10 calls\)"):
        train(
            RULES, benign_texts(200), plan=PLAN, lm=scripted()[0], embedder=ScriptedEmbedder(), max_refusals=0.02,
            budget=Budget(max_calls=10), store=":memory:",
        )  # fmt: skip


@pytest.mark.slow
def test_an_evaluation_has_every_rule_and_style_with_intervals():
    guard = trained()
    costs = Costs()
    with Store(":memory:") as store, Engine(scripted()[0], store=store, costs=costs) as engine:
        judge = LabelJudge(engine, store, costs)
        found = evaluate(
            guard, Benign.from_texts([*benign_texts(400), *benign_texts(300, seed=3)]), judge=judge, engine=engine
        )
    assert found.rules.keys() == {"dosage", "rival"}
    assert set(found.styles) == {*PLAN.held_out_styles, "homoglyphs", "French"} & set(found.styles)
    assert "homoglyphs" in found.styles
    for rule in found.rules.values():
        assert rule["auroc"] > 0.9
        rate = rule["detection"]
        assert rate.low <= rate.rate <= rate.high
    assert found.auroc is not None
    assert found.auroc_knn is not None
    assert found.auroc_zero_shot is not None
    assert found.refusals is not None
    assert found.refusals.n == 300  # the others were seen
    assert found.refusals.low <= 0.02
    assert 0 < found.overhead["request_seconds"] < 5
    assert found.overhead["share"] > 0
    json.dumps(found.as_dict(), allow_nan=False)


def test_an_evaluation_needs_texts_that_the_guard_has_not_seen():
    with pytest.raises(GuardError, match="all 400 benign texts were used"):
        evaluate(trained(), Benign.from_texts(benign_texts(400)), baselines=False)
    with pytest.raises(GuardError, match="no restricted texts"):
        evaluate(trained(), attacks=[Attack("hello there", "input", "", "plain")])
    with pytest.raises(GuardError, match="the rule 'weather'"):
        evaluate(trained(), attacks=[Attack("hello there", "input", "weather", "plain")])


def test_exchanges_may_lack_an_input_or_an_output():
    benign = Benign.from_pairs(["", "a vote for the minister"], ["the season of the coach", ""])
    found = evaluate(trained(), benign, baselines=False)
    assert found.refusals is not None
    assert found.refusals.n == 2


@pytest.mark.slow
@pytest.mark.parametrize("role", ["input", "output"])
def test_all_benign_exchanges_may_lack_one_side(role):
    texts = benign_texts(200)
    sides = {"input": texts, "output": texts, role: [""] * len(texts)}
    guard = train(
        RULES, Benign.from_pairs(sides["input"], sides["output"]), plan=PLAN, lm=scripted()[0],
        embedder=ScriptedEmbedder(), max_refusals=0.02, store=":memory:",
    )  # fmt: skip
    assert guard.warnings == (f"no benign exchange has an {role}: nothing bounds how many {role}s are refused",)
    assert all(np.isfinite(head.intercepts).all() for head in guard.screen.heads.values())


def test_a_random_screen_has_an_auroc_of_a_half(rng):
    guard = trained()
    attacks = held_out_attacks(guard)
    shuffled = [
        dataclasses.replace(a, text=b.text)
        for a, b in zip(attacks, rng.permutation(np.array(attacks, object)), strict=True)
    ]
    found = evaluate(guard, attacks=shuffled, baselines=False)
    assert found.auroc is not None
    assert 0.3 < found.auroc < 0.7


def test_labelled_attacks_are_read_with_their_defaults(tmp_path):
    path = tmp_path / "attacks.jsonl"
    rows = [{"text": "take two", "rule": "dosage"}, {"text": "a soup", "rule": None}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_attacks(path) == [
        Attack("take two", "input", "dosage", "given"),
        Attack("a soup", "input", "", "given"),
    ]
    broken = json.dumps({"text": "take two \ud83d tablets", "rule": "dosage", "style": "\ud83d"})
    path.write_text("\n".join([broken, json.dumps({"text": "a soup", "rule": None})]))
    with Store(":memory:") as store:
        found = evaluate(trained(), attacks=read_attacks(path), store=store)
    assert found.rules["dosage"]["detection"].n == 1
    found.save(tmp_path / "evaluation")
    path.write_text(json.dumps({"text": "take two"}))
    with pytest.raises(CorpusError, match="no field 'rule'"):
        read_attacks(path)


@pytest.mark.slow
def test_the_command_line_trains_and_evaluates(tmp_path, monkeypatch):
    from tests.helpers.fake_server import FakeServer

    monkeypatch.setattr("nlparam.guard.evaluation._N_TIMED", 3)  # to embed single texts takes long
    rules = tmp_path / "rules.yaml"
    rules.write_text(json.dumps(RULES.as_dict()))
    benign = tmp_path / "benign.jsonl"
    benign.write_text("".join(json.dumps({"text": text}) + "\n" for text in benign_texts(120)))

    def served(body):
        prompt = body["messages"][-1]["content"]
        if not body.get("logprobs"):
            seed = body.get("seed", 0)
            kind = "dosage" if "medicine" in prompt else "rival" if "Zephyr" in prompt else "cooking"
            return sentence(kind, np.random.default_rng(seed))
        text, _, question = prompt.rpartition("Property: ")
        asked = "dosage" if "medicine" in question else "rival"
        return {"yes": 0.9, "no": 0.1} if kind_of(text) == asked else {"yes": 0.1, "no": 0.9}

    out = tmp_path / "guard"
    with FakeServer(answer=served) as server:
        options = ["--lm", server.url, "--n-per-rule", 4, "--n-held-out", 2]
        few = run("guard", "train", rules, "--benign", benign, "--out", out, *options)
        assert few.exit_code == 1
        assert "needs 798" in said(few)
        done = run("guard", "train", rules, "--benign", benign, "--out", out, "--max-refusals", 0.05, *options)
        assert done.exit_code == 0, done.output
    assert "at most 5.00% of benign exchanges" in done.stdout
    table = pyarrow.parquet.read_table(out / "synthetic.parquet")
    assert set(table["rule"].to_pylist()) == {"dosage", "rival", "cooking"}
    evaluated = run("guard", "evaluate", out, "--json")
    assert evaluated.exit_code == 0, evaluated.output
    assert json.loads(evaluated.stdout)["rules"].keys() == {"dosage", "rival"}
    table = run("guard", "evaluate", out)
    assert "AUROC" in table.stdout
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served_at = run("guard", "serve", out, "--upstream", "http://127.0.0.1:9", "--port", port)
    assert served_at.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said(served_at)
