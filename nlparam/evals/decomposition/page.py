"""The report of a predicate taken apart: its decompositions in order, their repairs, and every text with its parts."""

from collections.abc import Mapping
from typing import Any

from nlparam.results.page.rows import Row
from nlparam.results.page.sections import (
    Block,
    Cell,
    Column,
    Folded,
    Interval,
    Quotation,
    Section,
    SectionPage,
    Table,
    Words,
    counted,
    interval_chart,
    named,
    number,
    quoted,
    set_by,
    table,
    used,
    whole,
)
from nlparam.results.page.text import DASH


def describe_decomposed(contents: Mapping[str, Any]) -> SectionPage:
    """Chooses what the report shows. **Arguments:** `contents`, as `Decomposed.as_dict()` gives it."""
    ranked, texts = contents["ranked"], contents["texts"]
    costs, stages = used(contents["costs"])
    settings = contents["settings"]
    n_true = sum(one["label"] for one in texts)
    listed = _ranking(ranked)
    task = settings.get("kind") == "task"
    n_unreadable = len(contents["unreadable"])
    return SectionPage(
        title=named(contents["predicate"], 300),
        model="Decomposition",
        summary=(
            f"This page shows {len(ranked):,} ways to take this {'task' if task else 'predicate'} apart, ranked by how "
            f"often the whole is what the label says for {len(texts):,} {'solutions' if task else 'texts'}, and how "
            "well each can be repaired by changing one part."
        ),
        facts=[
            Row("Solutions" if task else "Texts", f"{len(texts):,}"),
            Row("For which it holds", f"{n_true:,}"),
            Row("Labels", "of the language model" if settings.get("labels") == "judged" else "given"),
            Row("Predicates judged", f"{len(contents['judged']):,}"),
            Row("Language model", named(settings.get("lm", DASH), 200)),
        ],
        warnings=[
            *contents.get("notes", ()),
            *([f"{counted(n_unreadable, 'decomposition')} could not be read."] if n_unreadable else []),
        ],
        sections=[
            Section("ranking", "Decompositions", [*_agreement(ranked), listed, _READ, _expressions(ranked)]),
            Section("repair", "Repairs", _repairs(contents)),
            Section("parts", "Parts of the first", [_parts(contents)]),
            Section("texts", "All solutions" if task else "All texts", [_texts(contents)]),
            *([Section("unreadable", "What could not be read", [_unreadable(contents)])] if n_unreadable else []),
        ],
        first=listed,
        costs=costs,
        stages=stages,
        settings=set_by(settings),
    )


_READ = Words(
    "The assistive value is the mean of 1 / n over planted errors that n changes of one part repair (0 for others), "
    "and of 1 / (1 + n) for the decomposition as it stands. Localised are the errors for which the best single change "
    "is of the part that is wrong.",
    muted=True,
)


def _agreement(ranked: list[Mapping[str, Any]]) -> list[Block]:
    return [
        Words(
            "One half of the texts ranks the decompositions, either label counting half (balanced); on the other half, "
            "which is held out, the agreement with the labels is measured. Of those as good as the best within its "
            "standard error, the one that can be repaired best comes first."
        ),
        *interval_chart(
            "agreement",
            "Agreement with the labels",
            [f"{place}. {named(one['expression'])}" for place, one in enumerate(ranked, start=1)],
            {"": [Interval.read(one["held_out"]) for one in ranked]},
            label="Right, share of the texts held out",
            caption="The line through a dot is Wilson's 95% interval.",
        ),
    ]


def _ranking(ranked: list[Mapping[str, Any]]) -> Table:
    return table(
        "ranking",
        "Decompositions, the best first",
        [
            Column("No.", "number"),
            Column("Decomposition", "head"),
            Column("Right, held out", "number"),
            Column("Right, balanced", "number"),
            Column("Assistive value", "number"),
            Column("Errors tried", "number"),
            Column("Repaired", "number"),
            Column("Localised", "number"),
        ],
        [
            [
                whole(place),
                quoted(one["expression"]),
                Interval.read(one["held_out"]).cell(),
                number(one["balanced_agreement"], ".1%"),
                number(one["assistance"]["value"]),
                whole(one["assistance"]["n_errors"]),
                number(one["assistance"]["repaired"], ".0%"),
                number(one["assistance"]["localised"], ".0%"),
            ]
            for place, one in enumerate(ranked, start=1)
        ],
    )


def _expressions(ranked: list[Mapping[str, Any]]) -> Folded:
    items = []
    for one in ranked:
        quotations = [Quotation("In words", lines=_lines(one["outline"]))]
        if one["fault"]:
            quotations.append(Quotation("What was wrong with what it was refined from", named(one["fault"], 2000)))
        if (made := one["repair"]) is not None:
            quotations.append(Quotation("The change of one part that helps most", named(_told(made), 2000)))
        remark = f"right for {one['agreement']:.0%} of the texts held out"
        items.append((named(one["expression"], 300), remark, quotations))
    return Folded(items)


def _lines(outline: list[Any]) -> list[tuple[int, str]]:
    return [(int(depth), named(words, 400)) for depth, words in outline]


def _told(made: Mapping[str, Any]) -> str:
    what = "is left out" if made["replacement"] is None else f"becomes {made['replacement']}"
    return f"“{made['predicate']}” {what}: balanced agreement {made['before']:.1%} before, {made['after']:.1%} after."


def _repairs(contents: Mapping[str, Any]) -> list[Block]:
    made = contents["suggestion"]
    if made is None:
        blocks: list[Block] = [
            Words("No change of one part of the first is an improvement on both halves of the texts.")
        ]
    else:
        blocks = [
            Words("One change of the first is an improvement on both halves of the texts:"),
            Words(_told(made)),
            Words(f"The whole is then {made['expression']}."),
        ]
    rows = [
        [
            whole(place),
            quoted(one["expression"]),
            Cell(named(one["repair"]["predicate"], 200)),
            Cell(named(one["repair"]["replacement"] or "(left out)", 300)),
            number(one["repair"]["before"], ".1%"),
            number(one["repair"]["after"], ".1%"),
        ]
        for place, one in enumerate(contents["ranked"], start=1)
        if one["repair"] is not None
    ]
    if rows:
        blocks.append(
            table(
                "repairs",
                "For each decomposition the change of one part that helps most",
                [
                    Column("No.", "number"),
                    Column("Decomposition", "head"),
                    Column("Part"),
                    Column("Becomes"),
                    Column("Before", "number"),
                    Column("After", "number"),
                ],
                rows,
                note=(
                    "Balanced agreement on all texts, by which the change was chosen too: on new texts, expect less. "
                    "No judgment was made for it."
                ),
            )
        )
    return blocks


def _parts(contents: Mapping[str, Any]) -> Table:
    texts = contents["texts"]

    def share(place: int, label: bool) -> Cell:
        held = [one["parts"][place] >= 0.5 for one in texts if one["label"] == label]
        return number(sum(held) / len(held) if held else None, ".0%")

    return table(
        "parts",
        "How often each part holds, where the whole does and where it does not",
        [Column("Part", "head"), Column("Where the whole holds", "number"), Column("Where it does not", "number")],
        [[quoted(part), share(place, True), share(place, False)] for place, part in enumerate(contents["parts"])],
        note="By the language model's judgments, yes from 0.5 on.",
    )


def _texts(contents: Mapping[str, Any]) -> Table:
    return table(
        "texts",
        "Each text: its label, the probability of the whole by the first decomposition, and those of its parts",
        [
            Column("Text no.", "number"),
            Column("Text", "text"),
            Column("Label", "choice"),
            Column("Whole is", "choice"),
            Column("Whole", "number"),
            *(Column(named(part, 60), "number") for part in contents["parts"]),
        ],
        [
            [
                whole(one["text"]),
                quoted(one["words"]),
                Cell("yes" if one["label"] else "no"),
                Cell("right" if one["right"] else "wrong"),
                number(one["probability"]),
                *(number(part) for part in one["parts"]),
            ]
            for one in sorted(contents["texts"], key=lambda one: one["right"])
        ],
        note="The whole is right if, with each part taken as yes from 0.5 on, it is what the label says.",
        search=True,
    )


def _unreadable(contents: Mapping[str, Any]) -> Table:
    return table(
        "unreadable",
        "Decompositions that the language model wrote and that could not be read",
        [Column("No.", "number"), Column("Why", "head")],
        [[whole(place), quoted(why)] for place, why in enumerate(contents["unreadable"], start=1)],
    )
