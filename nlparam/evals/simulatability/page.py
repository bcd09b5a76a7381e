"""The report of explanations put to the test: precision and generality with intervals, and every counterfactual."""

from collections.abc import Mapping
from typing import Any

from nlparam.results.page.blocks import Block, Counts, Folded, Item, Quotation, Section, Table, Words
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import Interval, SectionPage, named, of_contents, quoted
from nlparam.results.page.tables import PLACE, Declared, charted, table_of
from nlparam.results.page.text import DASH
from nlparam.runtime.words import counted

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
            f"From {counted(n, 'explanation')} a reader inferred the model's answers to {n_inputs:,} new inputs: "
            f"something could be inferred for {Interval.read(contents['simulatable']).cell().text} of them. It "
            f"is right for {Interval.read(contents['precision']).cell().text} (means over explanations)."
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
            Section("explanations", "Explanations", [*listed, _cases(explanations)]),
            Section("counterfactuals", "Counterfactuals", _counterfactuals(explanations)),
        ],
        first=next(block for block in listed if isinstance(block, Table)),
        **of_contents(contents),
    )


def _generality(similarity: str) -> str:
    return f"Generality, {_SIMILARITIES.get(similarity, similarity)}"


def _summary(contents: Mapping[str, Any]) -> list[Block]:
    measures = {"Precision": contents["precision"]}
    measures |= {_generality(name): value for name, value in contents["generality"].items()}
    measures["Simulatable"] = contents["simulatable"]
    return [
        Words(
            "Precision is the share of counterfactuals for which the model answered what was inferred, among those "
            "from which something was. Generality is 1 minus the mean similarity of two of these. Simulatable is the "
            "share from which something was inferred."
        ),
        *charted(
            "means",
            "Means over explanations",
            [{"measure": name, "mean": value} for name, value in measures.items()],
            [("Measure", "head", "measure"), ("Mean", "drawn", "mean")],
            label="Mean over explanations",
            interval="the 95% bootstrap interval over explanations",
            name="Means over explanations, with 95% intervals",
        ),
    ]


def _explanations(explanations: list[Mapping[str, Any]], similarities: list[str]) -> list[Block]:
    """Each explanation; precision and one generality are drawn, by the lower limit of precision."""

    def surest(one: Mapping[str, Any]) -> float:
        low = one["precision"]["low"]
        return 1.0 if low is None else -low

    columns: list[Declared] = [
        ("No.", "number", PLACE),
        ("Explanation", "head", lambda one: quoted(one["explanation"])),
        ("Inputs", "number", lambda one: len(one["counterfactuals"])),
        ("Simulatable", "number:.0%", "simulatable"),
        ("Precision", "drawn:.0%", "precision"),
        *((_generality(name), "number:.2f", f"generality.{name}") for name in similarities),
        ("Left out", "number", "n_failed"),
    ]
    if similarities:
        columns[5] = (columns[5][0], "drawn:.2f", columns[5][2])
    if len(explanations) < 2:
        return [table_of("explanations", "Each explanation with 95% intervals", explanations, columns)]
    return charted(
        "explanations",
        "Precision and generality of each explanation",
        explanations,
        columns,
        label="Share, with 95% intervals",
        interval="its interval",
        caption=(
            "Sorted by the lower limit of precision, which is what explanations are to be compared by: one that says "
            "something of two inputs only may be right by chance."
        ),
        order=surest,
        name="Each explanation with 95% intervals",
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
