"""The report of a predicate taken apart: its decompositions in order, their repairs, and every text with its parts."""

from collections.abc import Mapping
from typing import Any

from nlparam.results.page.blocks import Block, Cell, Folded, Item, Quotation, Section, Table, Words
from nlparam.results.page.rows import Row
from nlparam.results.page.sections import Interval, SectionPage, named, number, of_contents, quoted
from nlparam.results.page.tables import PLACE, charted, table_of
from nlparam.results.page.text import DASH
from nlparam.runtime.words import counted


def describe_decomposed(contents: Mapping[str, Any]) -> SectionPage:
    """Chooses what the report shows. **Arguments:** `contents`, as `Decompositions.as_dict()` gives it."""
    ranked, texts = contents["ranked"], contents["texts"]
    settings = contents["settings"]
    task = settings.get("kind") == "task"
    sections = [
        Section("ranking", "Decompositions", [*_ranking(ranked), _READ, _expressions(ranked)]),
        Section("repair", "Repairs", _repairs(contents)),
        Section("parts", "Parts of the first", [_parts(contents)]),
        Section("texts", "All solutions" if task else "All texts", [_texts(contents)]),
    ]
    notes = list(contents.get("notes", ()))
    if unreadable := contents["unreadable"]:
        notes.append(f"{counted(len(unreadable), 'decomposition')} could not be read; the first: {unreadable[0]}")
        sections.append(Section("unreadable", "What could not be read", [_unreadable(unreadable)]))
    return SectionPage(
        title=named(contents["predicate"], 300),
        model="Decomposition",
        summary=(
            f"The best of {counted(len(ranked), 'decomposition')} says what the label says for "
            f"{Interval.read(ranked[0]['held_out']).cell().text} of the {'solutions' if task else 'texts'} held out."
            if ranked
            else "No decomposition could be read."
        ),
        facts=[
            Row("Solutions" if task else "Texts", f"{len(texts):,}"),
            Row("For which it holds", f"{sum(one['label'] for one in texts):,}"),
            Row("Labels", "of the language model" if settings.get("labels") == "judged" else "given"),
            Row("Predicates judged", f"{len(contents['judged']):,}"),
            Row("Language model", named(settings.get("lm", DASH), 200)),
        ],
        warnings=notes,
        sections=sections,
        **of_contents(contents),
    )


_READ = Words(
    "The assistive value is the mean of 1 / n over planted errors that n changes of one part repair (0 for others), "
    "and of 1 / (1 + n) for the decomposition as it stands. Localised are the errors for which the best single change "
    "is of the part that is wrong.",
    muted=True,
)


def _ranking(ranked: list[Mapping[str, Any]]) -> list[Block]:
    return [
        Words(
            "One half of the texts ranks the decompositions, either label counting half (balanced); on the other half, "
            "which is held out, the agreement with the labels is measured. Of those as good as the best within its "
            "standard error, the one that can be repaired best comes first."
        ),
        *charted(
            "agreement",
            "Agreement with the labels",
            ranked,
            [
                ("No.", "number", PLACE),
                ("Decomposition", "head", lambda one: quoted(one["expression"])),
                ("Right, held out", "drawn", lambda one: Interval.read(one["held_out"])),
                ("Right, balanced", "number:.1%", "balanced_agreement"),
                ("Assistive value", "number", "assistance.value"),
                ("Errors tried", "number", "assistance.n_errors"),
                ("Repaired", "number:.0%", "assistance.repaired"),
                ("Localised", "number:.0%", "assistance.localised"),
            ],
            label="Right, share of the texts held out",
            interval="Wilson's 95% interval",
            name="Decompositions, the best first",
        ),
    ]


def _expressions(ranked: list[Mapping[str, Any]]) -> Folded:
    items = []
    for one in ranked:
        lines = [(int(depth), named(words, 400)) for depth, words in one["outline"]]
        quotations = [Quotation("In words", lines=lines)]
        if one["fault"]:
            quotations.append(Quotation("What was wrong with what it was refined from", named(one["fault"], 2000)))
        if (made := one["repair"]) is not None:
            quotations.append(Quotation("The change of one part that helps most", named(_told(made), 2000)))
        remark = f"right for {one['agreement']:.0%} of the texts held out"
        items.append(Item(named(one["expression"], 300), remark, quotations))
    return Folded(items)


def _told(made: Mapping[str, Any]) -> str:
    what = "is left out" if made["replacement"] is None else f"becomes {made['replacement']}"
    return f"“{made['predicate']}” {what}: balanced agreement {made['before']:.1%} before, {made['after']:.1%} after."


def _repairs(contents: Mapping[str, Any]) -> list[Block]:
    made = contents["suggestion"]
    blocks: list[Block] = [Words("No change of one part of the first is an improvement on both halves of the texts.")]
    if made is not None:
        blocks = [
            Words("One change of the first is an improvement on both halves of the texts:"),
            Words(_told(made)),
            Words(f"The whole is then {made['expression']}."),
        ]
    ranked = enumerate(contents["ranked"], start=1)
    rows = [
        one["repair"] | {"place": place, "repaired": one["expression"]}
        for place, one in ranked
        if one["repair"] is not None
    ]
    if rows:
        repairs = table_of(
            "repairs",
            "For each decomposition the change of one part that helps most",
            rows,
            [
                ("No.", "number", "place"),
                ("Decomposition", "head", lambda one: quoted(one["repaired"])),
                ("Part", "", "predicate"),
                ("Becomes", "", lambda one: Cell(named(one["replacement"] or "(left out)", 300))),
                ("Before", "number:.1%", "before"),
                ("After", "number:.1%", "after"),
            ],
            note=(
                "Balanced agreement on all texts, by which the change was chosen too: on new texts, expect less. No "
                "judgment was made for it."
            ),
        )
        blocks.append(repairs)
    return blocks


def _parts(contents: Mapping[str, Any]) -> Table:
    def share(place: int, label: bool) -> Cell:
        held = [one["parts"][place] >= 0.5 for one in contents["texts"] if one["label"] == label]
        return number(sum(held) / len(held) if held else None, ".0%")

    return table_of(
        "parts",
        "How often each part holds, where the whole does and where it does not",
        enumerate(contents["parts"]),
        [
            ("Part", "head", lambda row: quoted(row[1])),
            ("Where the whole holds", "number", lambda row: share(row[0], True)),
            ("Where it does not", "number", lambda row: share(row[0], False)),
        ],
        note="By the language model's judgments, yes from 0.5 on.",
    )


def _texts(contents: Mapping[str, Any]) -> Table:
    parts = enumerate(contents["parts"])
    return table_of(
        "texts",
        "Each text: its label, the probability of the whole by the first decomposition, and those of its parts",
        sorted(contents["texts"], key=lambda one: one["right"]),
        [
            ("Text no.", "number", "text"),
            ("Text", "text", lambda one: quoted(one["words"])),
            ("Label", "choice", "label"),
            ("Whole is", "choice", lambda one: "right" if one["right"] else "wrong"),
            ("Whole", "number", "probability"),
            *((named(part, 60), "number", lambda one, at=at: one["parts"][at]) for at, part in parts),
        ],
        note="The whole is right if, with each part taken as yes from 0.5 on, it is what the label says.",
        search=True,
    )


def _unreadable(reasons: list[str]) -> Table:
    return table_of(
        "unreadable",
        "Decompositions that the language model wrote and that could not be read",
        reasons,
        [("No.", "number", PLACE), ("Why", "head", quoted)],
    )
