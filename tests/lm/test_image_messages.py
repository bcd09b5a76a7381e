"""Images as parts of messages: sent to a real server, kept in the store, and refused by text-only models."""

import asyncio
import base64
import json

import numpy as np
import pytest

from nlparam.comparing.images import Captioner, read_images
from nlparam.denotation.judge import LabelJudge
from nlparam.errors import LanguageModelError
from nlparam.lm import Image, Message, Request, RequestError, ScriptedModel
from nlparam.lm.embedded import EmbeddedModel
from nlparam.lm.engine import Engine
from nlparam.lm.server import ServerModel, ServerPool
from nlparam.lm.server.dialect import Dialect
from nlparam.lm.store import Store, completion_key
from nlparam.runtime.costs import Costs
from tests.helpers.fake_server import FakeServer
from tests.helpers.faulty_server import FaultyServer
from tests.helpers.vision_server import VisionServer, write_image


@pytest.fixture(scope="module")
def server():
    with VisionServer() as running:
        yield running


def image(content: bytes = b"pixels", **fields) -> Image:
    return Image("0" * 64, lambda: content, **fields)


def asks(*images: Image, text: str = "What is it?", **fields) -> Request:
    return Request((Message("system", "Look."), Message("user", text, images)), **fields)


def test_a_message_with_images_is_sent_as_content_parts_the_image_first():
    body = Dialect().body("m", asks(image(detail="low"), image(b"more", media_type="image/png")))
    system, user = json.loads(body)["messages"]
    assert system == {"role": "system", "content": "Look."}
    low, plain, text = user["content"]
    encoded = base64.b64encode(b"pixels").decode()
    assert low == {
        "type": "image_url",
        "image_url": {"url": f"data:image/jpeg;base64,{encoded}", "detail": "low"},
    }
    assert plain["image_url"] == {"url": "data:image/png;base64," + base64.b64encode(b"more").decode()}
    assert text == {"type": "text", "text": "What is it?"}


def test_the_content_of_an_image_is_its_key_and_nothing_else():
    same, other = image(b"read later"), Image("1" * 64, lambda: b"")
    assert image() == same
    assert completion_key("m", asks(image())) == completion_key("m", asks(same))
    keys = {
        completion_key("m", request)
        for request in (asks(), asks(image()), asks(other), asks(image(detail="low")), asks(image(), other))
    }
    assert len(keys) == 5


def test_a_request_without_images_has_the_key_that_it_always_had():
    request = Request((Message("user", "hello"),), max_tokens=8)
    assert completion_key("m", request) == "83c71fb1d8f217cc1b6806294e1e1cea203e3bd9ca3143bb80f948f4f44e9396"


def test_images_pass_through_the_engine_with_the_text_neutralised():
    seen: list[Request] = []
    lm = ScriptedModel(lambda request: seen.append(request) or "fine")
    with Engine(lm, store=None, costs=Costs()) as engine:
        engine.run([asks(image(), text="<|im_end|>")])
    [request] = seen
    assert request.messages[-1].images == (image(),)
    assert request.messages[-1].content == "<| im_end|>"


def test_a_backend_that_reads_text_only_is_never_sent_an_image():
    lm = ScriptedModel(["never"])
    lm.takes_images = False
    costs = Costs()
    with Engine(lm, store=None, costs=costs) as engine, pytest.raises(LanguageModelError, match="reads text only"):
        engine.run([asks(image())] * 3)
    assert costs.calls == 0


def test_the_embedded_backend_refuses_an_image_before_it_loads_anything(tmp_path):
    weights = tmp_path / "some.gguf"
    weights.write_bytes(b"GGUF")
    with pytest.raises(LanguageModelError, match=r"some.gguf reads text only.*--mmproj"):
        asyncio.run(EmbeddedModel(weights).complete(asks(image())))


@pytest.mark.parametrize("style", ["vllm", "llama", "openai", "old"])
def test_a_server_of_a_text_model_is_found_out_by_one_image(style):
    with FaultyServer("--style", style) as server:
        costs = Costs()
        lm = ServerModel(server.url)
        lm.max_in_flight = 1
        with Engine(lm, store=None, costs=costs, backoff=0.01) as engine:
            engine.run([Request((Message("user", "text"),), max_tokens=4)])
            calls = costs.calls
            with pytest.raises(LanguageModelError, match=r"reads text only.*it answered"):
                engine.run([asks(image(), max_tokens=4)] * 5)
        assert costs.calls - calls == 1


def test_a_refusal_after_the_first_answer_concerns_one_request_only():
    with FakeServer(answer=lambda _: "fine", statuses=[200, 400, 200]) as server:
        costs = Costs()
        lm = ServerModel(server.url)
        lm.max_in_flight = 1
        with Engine(lm, store=None, costs=costs) as engine:
            answers = engine.run([Request((Message("user", f"text {n}"),), max_tokens=4) for n in range(3)])
    assert [given is not None for given in answers] == [True, False, True]
    assert costs.failures == 1


def test_the_probe_says_whether_a_server_sees(server):
    assert ServerModel(server.url).capabilities().images
    with VisionServer("--refuses", "images") as blind:
        assert not ServerModel(blind.url).capabilities().images


def test_a_server_that_passes_over_images_in_silence_does_not_see():
    with FakeServer(answer=lambda body: {"yes": 0.5, "no": 0.5} if body.get("logprobs") else "Red.") as fake:
        fake.ignores_images = True
        assert not ServerModel(fake.url).capabilities().images


def test_a_pool_of_servers_takes_images(server, tmp_path):
    folder = read_images(write_image(tmp_path / "a.png", "red").parent)
    with (
        VisionServer() as other,
        Engine(ServerPool([ServerModel(server.url), ServerModel(other.url)]), store=None, costs=Costs()) as engine,
    ):
        assert Captioner(engine).caption(folder.images) == ["A plain red image."]


def test_captions_come_from_what_is_in_the_image_and_each_is_asked_once(server, tmp_path):
    write_image(tmp_path / "1.png", "red")
    write_image(tmp_path / "2.jpg", "blue", "green", size=(1600, 900))
    write_image(tmp_path / "again" / "3.png", "red")
    folder = read_images(tmp_path, max_side=256, detail="low")
    assert folder.images[0] == folder.images[2] != folder.images[1]
    before = server.seen()["calls"]["captions"] if server.seen()["calls"].get("captions") else 0
    costs = Costs()
    with Store(tmp_path / "s.sqlite") as store:
        for _ in range(2):
            with Engine(ServerModel(server.url), store=store, costs=costs) as engine:
                captions = Captioner(engine).caption(folder.images)
                expected = "A picture that is blue above and green below."
                assert captions == ["A plain red image.", expected, "A plain red image."]
    state = server.seen()
    assert state["calls"]["captions"] - before == costs.calls == 2
    assert [256, 144] in state["sizes"]
    assert "low" in state["details"]
    assert not state["problems"]


def test_judgments_of_images_are_stored_under_their_content(server, tmp_path):
    write_image(tmp_path / "in" / "1.png", "red")
    write_image(tmp_path / "in" / "2.png", "blue")
    pairs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    costs = Costs()
    with Store(tmp_path / "s.sqlite") as store:

        def judge(folder, texts):
            images = dict(zip(texts, read_images(folder).images, strict=True))
            with Engine(ServerModel(server.url), store=store, costs=costs) as engine:
                judge = LabelJudge(engine, store, costs, images=images)
                return judge.judge(texts, ["is mostly red", "is mostly blue"], pairs)

        assert judge(tmp_path / "in", ["x", "y"]) == pytest.approx([0.9, 0.1, 0.1, 0.9])
        assert costs.calls == 4
        # Elsewhere, under other names, captions and in another order: the same images.
        (tmp_path / "in").rename(tmp_path / "out")
        (tmp_path / "out" / "1.png").rename(tmp_path / "out" / "z.png")
        assert judge(tmp_path / "out", ["caption of 2", "of 1"]) == pytest.approx([0.1, 0.9, 0.9, 0.1])
        assert (costs.calls, costs.judgments_served) == (4, 4)


def test_the_image_stands_first_and_the_predicate_last():
    seen: list[Request] = []
    lm = ScriptedModel(lambda request: seen.append(request) or "yes")
    costs = Costs()
    with Store(":memory:") as store, Engine(lm, store=store, costs=costs) as engine:
        judge = LabelJudge(engine, store, costs, images={"a text": image()})
        assert judge.judge(["a text"], ["p", "q"], np.array([[0, 0], [0, 1]])) == pytest.approx([1, 1])
        with pytest.raises(ValueError, match="stands for an image"):
            judge.judge(["another"], ["p"], np.array([[0, 0]]))
    first, second = (request.messages[-1] for request in seen)
    assert first.images == second.images == (image(),)
    assert {first.content, second.content} == {f"Property of the image: {p}. Yes or no?" for p in "pq"}
    assert all("a text" not in message.content for request in seen for message in request.messages)


def test_images_are_judged_by_single_questions_only():
    with (
        Store(":memory:") as store,
        Engine(ScriptedModel([]), store=store, costs=Costs()) as engine,
        pytest.raises(ValueError, match="expected 'single'"),
    ):
        LabelJudge(engine, store, Costs(), form="contrastive", images={})


def test_a_file_that_changed_or_went_is_a_failure_and_not_a_wrong_answer(server, tmp_path):
    for name in ("1.png", "2.png", "3.png"):
        write_image(tmp_path / name, "red", shade=int(name[0]))
    folder = read_images(tmp_path)
    write_image(tmp_path / "1.png", "blue")
    (tmp_path / "2.png").unlink()
    with pytest.raises(RequestError, match="has changed since"):
        folder.images[0].read()
    costs = Costs()
    with Store(tmp_path / "s.sqlite") as store, Engine(ServerModel(server.url), store=store, costs=costs) as engine:
        assert Captioner(engine).caption(folder.images) == [None, None, "A plain red image."]
        assert store.counts().completions == 1
    assert costs.failures == 2


def test_a_refusal_of_the_model_is_no_caption(tmp_path):
    write_image(tmp_path / "1.png", "red")
    write_image(tmp_path / "2.png", "black")
    with VisionServer("--silent", "black") as server:
        costs = Costs()
        with Engine(ServerModel(server.url), store=None, costs=costs) as engine:
            assert Captioner(engine).caption(read_images(tmp_path).images) == ["A plain red image.", None]
    assert costs.failures == 1
