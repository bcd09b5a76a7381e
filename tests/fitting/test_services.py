"""A fit by a service that answers in text: what it says of that, and what it keeps to itself."""

import pytest

import nlparam
from nlparam import testing
from nlparam.errors import FitWarning
from nlparam.models import Clustering
from tests.helpers.services import KEY, SpokenService, answer_to

THINGS = ("delivery", "price")
TEXTS = [f"{number}: the {THINGS[number % 2]} of my order, again" for number in range(48)]


def says(question: str) -> str:
    return '["mentions the delivery", "mentions the price"]' if "JSON array" in question else answer_to(question)


def test_text_is_said_and_the_key_is_kept(tmp_path, monkeypatch):
    with SpokenService("anthropic", says=says) as service:
        for variable, value in service.variables.items():
            monkeypatch.setenv(variable, value)
        with pytest.warns(FitWarning, match="gives no log-probabilities"):
            fit = nlparam.fit(
                Clustering(2),
                TEXTS,
                lm="anthropic:model-1",
                embedder=testing.ScriptedEmbedder(),
                store=tmp_path / "store.sqlite",
                options={"n_rounds": 0, "n_restarts": 2},
                inference=False,
                out=tmp_path / "fit",
            )
    assert set(fit.predicates) == {"mentions the delivery", "mentions the price"}
    assert fit.settings["answers"] == "text"
    assert (fit.settings["lm"], fit.settings["lm_identity"]) == ("anthropic:model-1", "server:model-1-20260101")
    assert "yes or no in text, without a probability" in (tmp_path / "fit" / "report.html").read_text(encoding="utf-8")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
