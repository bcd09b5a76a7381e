"""The report of explanations put to the test: precision and generality with intervals, and every counterfactual."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nlparam.results.page.blocks import Block, Counts, Folded, Item, Quotation, Section, Table, Words
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import Interval, SectionPage, counted, interval_chart, named, of_contents, quoted
from nlparam.results.page.tables import PLACE, table_of
from nlparam.results.page.text import DASH

RIGHT, WRONG, NOTHING = "right", "wrong", "nothing inferred"
_MOST_QUOTED = 100
_SIMILARITIES = {"cosine": "of embeddings (cosine)", "bleu": "BLEU", "jaccard": "of words (Jaccard)"}


def describe_simulatability(contents: Mapping[str, Any]) -> SectionPage:
    """Chooses what the report shows. **Arguments:** `contents`, as `Simulatability.as_dict()` gives it."""
    explanations = contents["explanations"]
    settings = contents["settings"]
    n, n_inputs = len(explanations), contents["n_counterfactuals"]
    notes = list(contents.get("notes", ()))
    if contents["n_failed"]:
        notes.append(
            f"{counted(contents['n_failed'], 'counterfactual')} without a usable inference or answer: left out."
        )
    listed = _explanations(explanations, list(contents["generality"]))
    return SectionPage(
        title=named(settings.get("task") or "Explanations put to the test", 300),
        model="Simulatability",
        summary=(
            f"This page shows how well the model's answers to new inputs can be told from "
            f"{counted(n, 'explanation')}: what a reader inferred from each for {n_inputs:,} "
            "counterfactuals, and what the model answered."
        ),
        facts=[
            Row("Explanations", f"{n:,}"),
            Row("Counterfactuals", f"{n_inputs:,}"),
            Row("Simulator", named(settings.get("lm", DASH), 200)),
            Row("Model that is explained", named(settings.get("model", DASH), 200)),
            Row("The reader sees", "the explanation and the case" if settings.get("with_case") else "the explanation"),
        ],
        warnings=notes,
        sections=[
            Section("summary", "On average", _summary(contents)),
            Section("explanations", "Explanations", [*_charts(explanations), listed, _cases(explanations)]),
            Section("counterfactuals", "Counterfactuals", _counterfactuals(explanations)),
        ],
        first=listed,
        **of_contents(contents),
    )


def _generality(similarity: str) -> str:
    return f"Generality, {_SIMILARITIES.get(similarity, similarity)}"


def _summary(contents: Mapping[str, Any]) -> list[Block]:
    measures = {"Precision": contents["precision"]}
    measures |= {_generality(name): value for name, value in contents["generality"].items()}
    measures["Simulatable"] = contents["simulatable"]
    found = {name: Interval.read(value) for name, value in measures.items()}
    return [
        Words(
            "Precision is the share of counterfactuals for which the model answered what was inferred, among those "
            "from which something was. Generality is 1 minus the mean similarity of two of these. Simulatable is the "
            "share from which something was inferred."
        ),
        *interval_chart(
            "means",
            "Means over explanations",
            list(found),
            {"": list(found.values())},
            label="Mean over explanations",
            caption="The line through a dot is the 95% bootstrap interval over explanations.",
        ),
        table_of(
            "means",
            "Means over explanations, with 95% intervals",
            found.items(),
            [("Measure", "head", lambda row: row[0]), ("Mean", "number", lambda row: row[1])],
        ),
    ]


def _charts(explanations: list[Mapping[str, Any]]) -> list[Block]:
    """Precision and one generality, the explanations in the order of the lower limit of their precision."""
    if len(explanations) < 2:
        return []
    low = np.asarray([Interval.read(one["precision"]).low for one in explanations], dtype=float)
    order = np.argsort(-np.nan_to_num(low, nan=-1.0), kind="stable").tolist()
    panels = {"Precision": [Interval.read(explanations[at]["precision"]) for at in order]}
    for first in list(explanations[0]["generality"])[:1]:
        panels[_generality(first)] = [Interval.read(explanations[at]["generality"][first]) for at in order]
    return interval_chart(
        "explanations",
        "Precision and generality of each explanation",
        [f"{at + 1}. {named(explanations[at]['explanation'])}" for at in order],
        panels,
        label="Share, with 95% intervals",
        caption=(
            "Sorted by the lower limit of precision, which is what explanations are to be compared by: one that says "
            "something of two inputs only may be right by chance."
        ),
    )


def _explanations(explanations: list[Mapping[str, Any]], similarities: list[str]) -> Table:
    def generality(name: str):
        return lambda one: Interval.read(one["generality"][name]).cell(".2f")

    return table_of(
        "explanations",
        "Each explanation with 95% intervals",
        explanations,
        [
            ("No.", "number", PLACE),
            ("Explanation", "head", lambda one: quoted(one["explanation"])),
            ("Inputs", "number", lambda one: len(one["counterfactuals"])),
            ("Simulatable", "number", lambda one: Interval.read(one["simulatable"]).cell(".0%")),
            ("Precision", "number", lambda one: Interval.read(one["precision"]).cell(".0%")),
            *((_generality(name), "number", generality(name)) for name in similarities),
            ("Left out", "number", "n_failed"),
        ],
    )


def _cases(explanations: list[Mapping[str, Any]]) -> Folded:
    return Folded(
        [
            Item(
                named(one["explanation"], 300),
                f"answered {named(one['answer'], 60)}",
                [
                    Quotation("The input that was explained", named(one["input"], 2000)),
                    Quotation("The whole explanation", named(one["explanation"], 4000)),
                    Quotation("Possible answers", ", ".join(one["answers"])),
                ],
            )
            for one in explanations[:_MOST_QUOTED]
        ],
        omitted=max(0, len(explanations) - _MOST_QUOTED),
    )


def _counterfactuals(explanations: list[Mapping[str, Any]]) -> list[Block]:
    rows = [
        one | {"place": place, "outcome": outcome(one)}
        for place, explanation in enumerate(explanations, start=1)
        for one in explanation["counterfactuals"]
    ]
    outcomes = [one["outcome"] for one in rows]
    return [
        Counts([Row(name, f"{outcomes.count(name):,}") for name in (RIGHT, WRONG, NOTHING)]),
        table_of(
            "counterfactuals",
            "Counterfactuals: what was inferred from the explanation, and what the model answered",
            rows,
            [
                ("No.", "number", "place"),
                ("Input", "text", lambda one: quoted(one["text"])),
                ("Inferred", "choice", lambda one: NOTHING if one["inferred"] is None else one["inferred"]),
                ("Answered", "choice", "answered"),
                ("Outcome", "choice", "outcome"),
                ("Sure", "number", "probability"),
            ],
            note=(
                "The number is that of the explanation above. How sure the simulated reader was is the probability of "
                "what it inferred."
            ),
            search=True,
        ),
    ]


def outcome(counterfactual: Mapping[str, Any]) -> str:
    """Whether what was inferred is what the model answered."""
    if counterfactual["inferred"] is None:
        return NOTHING
    return RIGHT if counterfactual["inferred"] == counterfactual["answered"] else WRONG
