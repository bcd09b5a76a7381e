"""Runs with a real language model whose answers are recorded: what they find must not change when code moves.

The answers lie in `tests/recorded/` as exports of a store, the findings in `expected.json`: for each run a list, as
processors round differently and a tree may then ask about other texts. To record them anew (after a change that is
meant to change them), empty `tests/recorded/` and run `python -m tests.helpers.recorded_runs FOLDER`, with the weights
of the 0.5B model and an empty folder; it takes some minutes. Without emptying it, what this processor finds is added.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import nlparam
from nlparam.corpus.datasets import load_dataset
from nlparam.errors import LanguageModelError
from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.lm.store.transfer import export, merge
from nlparam.models import Classification, Clustering, TimeSeries
from nlparam.runtime.compiled import machine
from nlparam.runtime.costs import Costs

RECORDED = Path(__file__).parents[1] / "recorded"
KINDS = ("judgments", "completions", "embeddings")
TOPICS = ("sports", "politics", "entertainment")
N_TEXTS = 50
# Of floating-point numbers of another processor.
TOLERANCE = 2e-3
OPTIONS = nlparam.SearchOptions(n_judged=24, max_judgments=72)
COMMON = {"goal": "what the story is about", "seed": 0}
GOAL_MAP = nlparam.GoalRepresentation(n_stated=24)


def corpus() -> tuple[list[str], list[str]]:
    """News articles and their topics, as many of each."""
    table = load_dataset("bbc")
    labels = np.asarray(table.columns["label"])
    rows = np.stack([np.flatnonzero(labels == topic)[:N_TEXTS] for topic in TOPICS], axis=1).ravel()
    return [table.texts[row] for row in rows], [str(labels[row]) for row in rows]


def run(lm: AbstractLanguageModel, store: Path, out: Path) -> dict[str, Any]:
    """What every run finds, as plain data; each leaves its folder in `out`."""
    texts, topics = corpus()
    given: dict[str, Any] = COMMON | {"lm": lm, "store": store}
    fitted: dict[str, Any] = given | {"options": OPTIONS, "representation": GOAL_MAP, "inference": False}
    times = [f"2004-{1 + at * 12 // len(texts):02d}-01" for at in range(len(texts))]
    fits = {
        "clustering": nlparam.fit(Clustering(n_predicates=3), texts, **fitted, out=out / "clustering"),
        "classification": nlparam.fit(
            # The prior of the recorded run, which was 1e-3 for each text.
            Classification(n_predicates=2, n_classes=3, ridge=1e-3 * len(texts)),
            texts,
            topics,
            **fitted,
            out=out / "classification",
        ),
        "time_series": nlparam.fit(TimeSeries(n_predicates=2), texts, times, **fitted, out=out / "time_series"),
    }
    tree = nlparam.taxonomy(
        texts,
        **given,
        depth=1,
        children=3,
        options=nlparam.TaxonomyOptions(n_stated=40, n_candidates=6, n_screened=12, n_judged=24, n_compared=2),
        out=out / "taxonomy",
    )
    groups = {topic: [text for text, of in zip(texts, topics, strict=True) if of == topic] for topic in TOPICS[:2]}
    comparison = nlparam.compare(
        groups,
        **given,
        ratings=False,
        options=nlparam.CompareOptions(n_directions=1, n_kept=2, n_first=6, n_screened=12, n_validated=16),
        out=out / "comparison",
    )
    found: dict[str, Any] = {name: _of_fit(fit) for name, fit in fits.items()}
    found["taxonomy"] = {
        "names": [node.name for node in tree.nodes.values()],
        "sizes": [len(node) for node in tree.nodes.values()],
        "measures": {name: float(value) for name, value in tree.measures().items()},
        "judgments": _n_judged(tree.costs),
    }
    found["comparison"] = {
        "predicates": [finding.predicate for finding in comparison.findings],
        "effects": [None if finding.crude is None else float(finding.crude.effect) for finding in comparison.findings],
        "p_adjusted": [finding.p_adjusted for finding in comparison.findings],
        "judgments": _n_judged(comparison.costs),
    }
    for name in found:
        found[name]["files"] = sorted(path.name for path in (out / name).iterdir() if path.name != ".lock")
    return found


def recorded_model(identity: str) -> ScriptedModel:
    """A model that has answered already: whatever it is asked anew is an error."""

    def refuse(request: Any) -> str:
        raise LanguageModelError(f"asked for something that is not recorded: {request.messages[-1].content[:300]}")

    return ScriptedModel(refuse, identity=identity, strong=False)


def recorded_store(path: Path, folder: Path = RECORDED) -> Path:
    """A store with the recorded answers."""
    with Store(path) as store:
        for kind in KINDS:
            merge(store, folder / f"{kind}.parquet")
    return path


def export_recorded(store: Store, folder: Path = RECORDED) -> None:
    """Writes the answers in a store to the folder of a recording."""
    folder.mkdir(exist_ok=True)
    for kind in KINDS:
        export(store, folder / f"{kind}.parquet", what=kind)


def same(found: Any, expected: Any) -> bool:
    """Whether two findings are the same but for the rounding of numbers."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return bool(np.isclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE))
    return found == expected


def _of_fit(fit: nlparam.Fit) -> dict[str, Any]:
    quantities: dict[str, Any] = {name: quantity.values for name, quantity in fit.quantities().items()}
    if fit.model.assigns_texts:  # of the nearest clusters, as it was recorded
        quantities["share"] = np.bincount(fit.predictions, minlength=len(fit.predicates)) / len(fit.texts)
    return {
        "predicates": list(fit.predicates),
        "candidates": len(fit.candidates),
        "loss": float(fit.loss),
        "result": fit.result.value,
        "shares": np.asarray(fit.denotations).mean(axis=0).tolist(),
        "quantities": {
            name: np.asarray(values, dtype=float).ravel()[:40].tolist() for name, values in quantities.items()
        },
        "judgments": _n_judged(fit.costs),
    }


def _n_judged(costs: Costs) -> int:
    # Proposals are left out: equal requests of one batch are asked once, and served each.
    return costs.judgments_asked + costs.judgments_served


def _record(folder: Path) -> None:
    from nlparam.lm import load_language_model

    lm = load_language_model("native:qwen2.5-coder-0.5b")
    before = RECORDED / "expected.json"
    recorded = json.loads(before.read_text(encoding="utf-8")) if before.exists() else {}
    known, machines = recorded.get("found", {}), recorded.get("machines", [])
    path = folder / "store.sqlite"
    if known:
        recorded_store(path)
    warnings.simplefilter("ignore")
    found = {name: [new] for name, new in run(lm, path, folder / "first").items()}
    for name, (new,) in found.items():
        found[name] += [old for old in known.get(name, ()) if not same(new, old)]
    with Store(path) as store:
        export_recorded(store)
    recorded = {
        "identity": lm.identity,
        "embedder": SentenceTransformerEmbedder(None).identity,
        "machines": sorted({*machines, machine()}),
        "found": found,
    }
    before.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _record(Path(sys.argv[1]))
