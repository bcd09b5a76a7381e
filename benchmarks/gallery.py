"""The gallery of the documentation: models fitted to real texts with the embedded language model.

`python -m benchmarks.gallery [--data ../shared/data] [--only sotu] [--docs docs] [--out out/gallery]` fits every
exhibit, saves the fits and their reports under `--out`, and writes `gallery.md` and its figures into the documentation.
A page is made of the exhibits that have been fitted so far; what is fitted already costs nothing the second time. The
last line is one JSON object.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import nlparam
from benchmarks.commands import DATA, chosen, command, markdown_table, n_judgments, read_results, timed
from benchmarks.experiments.data import load
from nlparam.models import Classification, TimeSeries

HELD_OUT = 0.25


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """One fit, of a data set of the experiments; of a classification two of its classes."""

    title: str
    about: str
    goal: str
    quantity: str
    dataset: str
    model: Any
    unit: str  # what the figures of the quantity are
    classes: tuple = ()


SERIES = TimeSeries(n_predicates=4, smoothness=50.0)
CLASSIFICATION = Classification(n_predicates=3, n_classes=2, ridge=8.0)


EXHIBITS = {
    "sotu": Exhibit(
        "State of the Union, 1790 to today",
        "22,041 paragraphs of every address, by year. What do presidents speak about, and when?",
        "which area of policy the paragraph speaks of",
        "prevalence",
        "sotu",
        SERIES,
        "share of paragraphs",
    ),
    "arguments": Exhibit(
        "What makes an argument convincing",
        "800 arguments from debates, each labelled convincing or unconvincing by its readers.",
        "the tone and style of the argument",
        "coefficient",
        "convincing_arguments",
        CLASSIFICATION,
        "log-odds of unconvincing",
        ("convincing", "unconvincing"),
    ),
    "memorability": Exhibit(
        "Which images are remembered",
        "256 captions of images; class 1 are those that people remember better than the median.",
        "what the image shows",
        "coefficient",
        "demo_mem",
        CLASSIFICATION,
        "log-odds of being remembered",
        (0, 1),
    ),
}


def write(
    data: Path = DATA,
    docs: Path = Path(__file__).parents[1] / "docs" / "reference",
    out: Path = Path("out/gallery"),
    lm: str = "embedded",
    only: Annotated[list[str] | None, ", ".join(EXHIBITS)] = None,
) -> dict[str, Any]:
    """Fits the exhibits of the gallery and writes its page."""
    for name in chosen(only, EXHIBITS):
        print(json.dumps(exhibit(name, EXHIBITS[name], data, docs, out / name, lm)), flush=True)
    results = read_results(out, EXHIBITS, "exhibit.json")
    page = "\n".join([_HEAD, *(_section(name, EXHIBITS[name], found) for name, found in results.items())])
    (docs / "gallery.md").write_text(page, encoding="utf-8")
    return results


def exhibit(name: str, what: Exhibit, data_folder: Path, docs: Path, folder: Path, lm: str) -> dict[str, Any]:
    """Fits one exhibit, saves it with its report, figure and posterior, and says what came out."""
    from nlparam.fitting.posterior import credible_intervals

    dataset = load(what.dataset, folder=data_folder)
    rows = [row for row, value in enumerate(dataset.data) if not what.classes or value in what.classes]
    texts = [dataset.texts[row] for row in rows]
    data = [str(dataset.data[row]) if what.classes else dataset.data[row] for row in rows]
    held_out = np.zeros(len(texts), dtype=bool)
    if what.quantity == "coefficient":
        held_out[np.random.default_rng(0).choice(len(texts), int(HELD_OUT * len(texts)), replace=False)] = True
    kept = np.flatnonzero(~held_out)
    kept_texts, kept_data = [texts[i] for i in kept], [data[i] for i in kept]
    options = {"goal": what.goal, "lm": lm, "out": folder, "overwrite": True}
    fit, seconds = timed(nlparam.fit, what.model, kept_texts, kept_data, **options)
    samples = fit.posterior(method="nuts" if what.quantity == "coefficient" else "svi", seed=0)
    intervals = credible_intervals(samples, probability=0.9)[what.quantity]
    fit.report(folder / "report.html", posterior=samples)
    figure = docs / "images" / "gallery" / f"{name}.svg"
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
    named = zip(map(_plain, found["predicates"]), (f"{agreement:.0%}" for agreement in found["agreement"]), strict=True)
    if mean.ndim == 1:
        header = ["predicate", what.unit, "90% interval", "head agrees"]
        rows = [[p, f"{mean[k]:+.2f}", f"{lower[k]:+.2f} to {upper[k]:+.2f}", a] for k, (p, a) in enumerate(named)]
    else:
        header = ["predicate", f"{what.unit}, first step", "peak", "last step", "head agrees"]
        rows, times, peaks = [], found["coords"]["step"], mean.argmax(axis=0)
        for k, (predicate, agrees) in enumerate(named):
            peak = f"{mean[peaks[k], k]:.0%} in {times[peaks[k]]:g}"
            rows.append([predicate, f"{mean[0, k]:.0%}", peak, f"{mean[-1, k]:.0%}", agrees])
    lines.append(markdown_table(header, rows))
    if "accuracy" in found:
        lines += [
            "",
            f"On {found['held_out']} texts that the fit did not see, the model is right for {found['accuracy']:.0%}; "
            f"always saying the larger class, for {found['majority']:.0%}.",
        ]
    return "\n".join([*lines, "", f"![{what.title}](images/gallery/{name}.svg)", ""])


def _plain(predicate: str) -> str:
    # A language model's words must not become markup of the page.
    return "".join("\\" + c if c in "\\*_`<>[]" else c for c in " ".join(predicate.split()))


if __name__ == "__main__":
    command(write)
