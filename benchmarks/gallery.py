"""The gallery of the documentation: models fitted to real texts with the embedded language model.

`python -m benchmarks.gallery [--data ../shared/data] [--only sotu] [--docs docs] [--out out/gallery]` fits every
exhibit, saves the fits and their reports under `--out`, and writes `gallery.md` and its figures into the documentation.
A page is made of the exhibits that have been fitted so far; what is fitted already costs nothing the second time. The
last line is one JSON object.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nlparam
from benchmarks.commands import DATA, n_judgments, read_results, read_rows
from nlparam.corpus.datasets import load_dataset
from nlparam.models import Classification, TimeSeries

HELD_OUT = 0.25


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """One fit: `load(data)` gives texts and data."""

    title: str
    about: str
    goal: str
    quantity: str
    load: Callable[[Path], tuple[list[str], list[Any]]]
    model: Any
    unit: str  # what the figures of the quantity are


def _sotu(data: Path):
    del data
    table = load_dataset("sotu")
    return table.texts, table.columns["year"]


def _classes(folder: str, *classes: Any):
    def load(data: Path):
        kept = [row for row in read_rows(data / "classification" / folder) if row["class"] in classes]
        return [row["text"] for row in kept], [str(row["class"]) for row in kept]

    return load


SERIES = TimeSeries(n_predicates=4, smoothness=50.0)
CLASSIFICATION = Classification(n_predicates=3, n_classes=2, ridge=8.0)


EXHIBITS = {
    "sotu": Exhibit(
        "State of the Union, 1790 to today",
        "22,041 paragraphs of every address, by year. What do presidents speak about, and when?",
        "which area of policy the paragraph speaks of",
        "prevalence",
        _sotu,
        SERIES,
        "share of paragraphs",
    ),
    "arguments": Exhibit(
        "What makes an argument convincing",
        "800 arguments from debates, each labelled convincing or unconvincing by its readers.",
        "the tone and style of the argument",
        "coefficient",
        _classes("convincing_arguments", "convincing", "unconvincing"),
        CLASSIFICATION,
        "log-odds of unconvincing",
    ),
    "memorability": Exhibit(
        "Which images are remembered",
        "256 captions of images; class 1 are those that people remember better than the median.",
        "what the image shows",
        "coefficient",
        _classes("demo_mem", 0, 1),
        CLASSIFICATION,
        "log-odds of being remembered",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Fits the exhibits of the gallery and writes its page")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--docs", type=Path, default=Path(__file__).parents[1] / "docs" / "reference")
    parser.add_argument("--out", type=Path, default=Path("out/gallery"))
    parser.add_argument("--lm", default="embedded")
    parser.add_argument("--only", choices=list(EXHIBITS), action="append")
    arguments = parser.parse_args()
    for name in arguments.only or EXHIBITS:
        result = exhibit(name, EXHIBITS[name], arguments)
        print(json.dumps(result), flush=True)
    results = read_results(arguments.out, EXHIBITS, "exhibit.json")
    page = "\n".join([_HEAD, *(_section(name, EXHIBITS[name], found) for name, found in results.items())])
    (arguments.docs / "gallery.md").write_text(page, encoding="utf-8")
    print(json.dumps(results))


def exhibit(name: str, what: Exhibit, arguments: argparse.Namespace) -> dict[str, Any]:
    """Fits one exhibit, saves it with its report, figure and posterior, and says what came out."""
    from nlparam.fitting.posterior import credible_intervals

    texts, data = what.load(arguments.data)
    held_out = np.zeros(len(texts), dtype=bool)
    if what.quantity == "coefficient":
        held_out[np.random.default_rng(0).choice(len(texts), int(HELD_OUT * len(texts)), replace=False)] = True
    kept = np.flatnonzero(~held_out)
    folder = arguments.out / name
    start = time.perf_counter()
    kept_texts, kept_data = [texts[i] for i in kept], [data[i] for i in kept]
    fit = nlparam.fit(what.model, kept_texts, kept_data, goal=what.goal, lm=arguments.lm, out=folder, overwrite=True)
    seconds = time.perf_counter() - start
    samples = fit.posterior(method="nuts" if what.quantity == "coefficient" else "svi", seed=0)
    intervals = credible_intervals(samples, probability=0.9)[what.quantity]
    fit.report(folder / "report.html", posterior=samples)
    figure = arguments.docs / "images" / "gallery" / f"{name}.svg"
    figure.parent.mkdir(parents=True, exist_ok=True)
    fit.plot(what.quantity, posterior=samples).save(figure)
    result = {
        "n_texts": len(kept),
        "seconds": seconds,
        "judgments": n_judgments(fit.costs),
        "calls": fit.costs.calls,
        "result": fit.result.value,
        "loss": fit.loss,
        "predicates": fit.predicates,
        "agreement": [agreement.agreement for agreement in fit.agreement],
        "intervals": [np.asarray(part).tolist() for part in intervals],
        "coords": fit.coords,
    }
    if held_out.any():
        names, truth = fit.coords["class"], [data[i] for i in np.flatnonzero(held_out)]
        guessed = [names[code] for code in fit.predict([texts[i] for i in np.flatnonzero(held_out)])]
        result["held_out"] = len(truth)
        result["accuracy"] = float(np.mean(np.asarray(guessed) == truth))
        result["majority"] = max(truth.count(label) for label in set(truth)) / len(truth)
    (folder / "exhibit.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


_HEAD = """# Gallery

Models fitted to real texts by the embedded 1.5B language model on two CPU cores, made by `python -m
benchmarks.gallery`. Predicates are shown as the language model worded them; intervals are 90% credible intervals of
the weights given the predicates (see [Posteriors](../how-to/posteriors.md)), not of the choice of predicates. Where
they reach across zero and the held-out texts are guessed no better than by the larger class, this small model found
nothing; that is shown as well. The goals of the addresses and of the arguments were reworded once, after a first one
("what the paragraph is about"; "how the argument is made: its tone, its form, its evidence") gave vaguer predicates.
"""


def _section(name: str, what: Exhibit, found: dict[str, Any]) -> str:
    lines = [f"## {what.title}", "", what.about, ""]
    lines += [
        f'`{type(what.model).__name__}`, {len(found["predicates"])} predicates, the goal "{what.goal}": '
        f"{found['n_texts']:,} texts, "
        f"{found['judgments']:,} judgments, {found['seconds']:,.0f} seconds; ended because {found['result']}.",
        "",
    ]
    mean, lower, upper = (np.asarray(part) for part in found["intervals"])
    if mean.ndim == 1:
        lines += [f"| predicate | {what.unit} | 90% interval | head agrees |", "| --- | ---: | ---: | ---: |"]
        for k, predicate in enumerate(found["predicates"]):
            interval = f"{lower[k]:+.2f} to {upper[k]:+.2f}"
            lines.append(f"| {_plain(predicate)} | {mean[k]:+.2f} | {interval} | {found['agreement'][k]:.0%} |")
    else:
        lines += [
            f"| predicate | {what.unit}, first step | peak | last step | head agrees |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        times = found["coords"]["step"]
        for k, predicate in enumerate(found["predicates"]):
            peak = int(mean[:, k].argmax())
            lines.append(
                f"| {_plain(predicate)} | {mean[0, k]:.0%} | {mean[peak, k]:.0%} in {times[peak]:g} | "
                f"{mean[-1, k]:.0%} | {found['agreement'][k]:.0%} |"
            )
    if "accuracy" in found:
        lines += [
            "",
            f"On {found['held_out']} texts that the fit did not see, the model is right for {found['accuracy']:.0%}; "
            f"always saying the larger class, for {found['majority']:.0%}.",
        ]
    return "\n".join([*lines, "", f"![{what.title}](images/gallery/{name}.svg)", ""])


def _plain(predicate: str) -> str:
    # A language model's words must not become markup of the page.
    return "".join("\\" + c if c in "\\|*_`<>[]" else c for c in " ".join(predicate.split()))


if __name__ == "__main__":
    main()
