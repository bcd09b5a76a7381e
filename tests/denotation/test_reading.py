"""How labels are read is found out once, said once, and kept."""

import warnings

import numpy as np
import pytest

from nlparam.denotation.session import Session
from nlparam.errors import FitWarning
from nlparam.lm.server import ServerModel
from nlparam.results.page.rows import named_settings
from tests.helpers.fake_server import FakeServer

TEXTS = ["a late goal", "a late train"]
ANSWERS = {"yes": 0.9, "no": 0.1}


def judged(server: FakeServer, store, texts=TEXTS, *, interrupted=False) -> tuple[list[float], Session]:
    session = Session(lm=ServerModel(server.url), store=store)
    with session:
        answers = session.judge().judge(texts, ["is late"], np.array([[n, 0] for n in range(len(texts))]))
        if interrupted:
            raise KeyboardInterrupt
    return answers.tolist(), session


def test_text_in_the_place_of_probabilities_is_said_once_and_kept(tmp_path):
    with FakeServer(logprobs=False, answer=lambda body: ANSWERS if body.get("logprobs") else "Yes.") as server:
        with pytest.warns(FitWarning, match="gives no log-probabilities: a judgment is its yes or no in text") as said:
            answers, session = judged(server, tmp_path / "store")
        assert len(said) == 1
        assert answers == [1.0, 1.0]
        assert session.reading.as_setting() == {"answers": "text"}
        n_calls = len(server.calls)
        # What is stored is not asked again, and still said: another run of the same command has the same settings.
        with pytest.warns(FitWarning, match="gives no log-probabilities"):
            answers, session = judged(server, tmp_path / "store")
        assert (answers, len(server.calls)) == ([1.0, 1.0], n_calls)
        assert session.reading.as_setting() == {"answers": "text"}
        with pytest.warns(FitWarning, match="gives no log-probabilities"):
            judged(server, tmp_path / "store", ["another text"])
        assert ["logprobs" in body for body in server.calls[n_calls:]] == [False]
    [row] = named_settings({"answers": "text"})
    assert "no log-probabilities" in row.value


def test_probabilities_are_nothing_to_speak_of(tmp_path):
    with FakeServer(answer=lambda _: ANSWERS) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        answers, session = judged(server, tmp_path / "store")
    assert answers == pytest.approx([0.9, 0.9])
    assert session.reading.as_setting() == {}


def test_an_answer_in_text_is_never_found_as_a_probability(tmp_path):
    in_text = FakeServer(logprobs=False, answer=lambda body: ANSWERS if body.get("logprobs") else "Yes.")
    with in_text, FakeServer(answer=lambda _: ANSWERS) as exact:
        with pytest.warns(FitWarning, match="gives no log-probabilities"):
            assert judged(in_text, tmp_path / "store")[0] == [1.0, 1.0]
        # The same model at another address gives log-probabilities: it is asked, and for these.
        assert judged(exact, tmp_path / "store")[0] == pytest.approx([0.9, 0.9])
        assert all(body["logprobs"] for body in exact.calls)
        n_calls = len(in_text.calls) + len(exact.calls)
        with pytest.warns(FitWarning, match="gives no log-probabilities"):
            assert judged(in_text, tmp_path / "store")[0] == [1.0, 1.0]
        assert judged(exact, tmp_path / "store")[0] == pytest.approx([0.9, 0.9])
        assert len(in_text.calls) + len(exact.calls) == n_calls


def test_a_run_that_is_interrupted_keeps_how_labels_are_read(tmp_path):
    with FakeServer(logprobs=False, answer=lambda body: ANSWERS if body.get("logprobs") else "Yes.") as server:
        with pytest.warns(FitWarning, match="gives no log-probabilities"), pytest.raises(KeyboardInterrupt):
            judged(server, tmp_path / "store", interrupted=True)
        n_calls = len(server.calls)
        with pytest.warns(FitWarning, match="gives no log-probabilities"):
            judged(server, tmp_path / "store")
        assert len(server.calls) == n_calls
