"""The sections of a fit about its predicates: their figures, texts for and against each, and how they overlap."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlparam.denotation.definitions import meant_so
from nlparam.results.page.blocks import Block, Cell, Column, Counts, Folded, Item, Row, Section, Table, Words
from nlparam.results.page.examples import Sides, choose_examples
from nlparam.results.page.rows import MAX_SENTENCE
from nlparam.results.page.sections import number, whole
from nlparam.results.page.tables import Declared, table_of
from nlparam.results.page.text import excerpt
from nlparam.results.records import NONE_OF_THESE
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from nlparam.fitting.records import Agreement, FitLike

# How far the head agrees with the language model; unknown in a fit from an older folder.
AGREEMENT: list[Declared] = [
    (name, kind, lambda one, figure=figure: getattr(one.agreement, figure, None))
    for name, kind, figure in (
        ("Judgments", "number", "n_judgments"),
        ("Agreement", "number:.1%", "agreement"),
        ("By chance", "number:.1%", "by_chance"),
        ("Kappa", "number", "kappa"),
        ("F1", "number", "f1"),
    )
]
# Predicates in the table of overlaps, so that the page stays legible.
MAX_OVERLAP = 30


class Predicate(NamedTuple):
    """One predicate as the page shows it.

    `number` counts from 1; `holds` counts the texts whose denotation is at least one half, and `share` is their share
    of all texts with words, repeated ones included; `answered` are the language model's answers; `judged` is the whole
    sentence.
    """

    number: int
    sentence: str
    holds: int
    share: float
    answered: list[float]
    agreement: "Agreement | None"
    sides: Sides
    judged: str

    @property
    def head(self) -> Cell:
        """Its name in tables that have no column for its number."""
        return Cell(f"{self.number} {self.sentence}")


def describe_predicates(fit: "FitLike", answers: Sequence[dict[int, float]] | None = None) -> list[Predicate]:
    """The predicates of a fit, in its order; with texts if there are `answers` for each, by text number."""
    clusters = fit.assignments if fit.model.assigns_texts else None
    denotations, worded = np.asarray(fit.denotations, dtype=float), ~fit.corpus.blank
    agreements = fit.agreement if len(fit.agreement) == len(fit.predicates) else [None] * len(fit.predicates)
    no_sides = [Sides([], [])] * len(fit.predicates)
    sides = no_sides if answers is None else choose_examples(fit.corpus, denotations, answers, clusters)
    described = []
    for index, sentence in enumerate(fit.predicates):
        column = denotations[:, index]
        holds = int((column[worded] >= 0.5).sum())
        described.append(
            Predicate(
                number=index + 1,
                sentence=excerpt(sentence, MAX_SENTENCE),
                holds=holds,
                share=holds / fit.n_counted,
                answered=[] if answers is None else list(answers[index].values()),
                agreement=agreements[index],
                sides=sides[index],
                judged=sentence,
            )
        )
    return described


def predicates_section(fit: "FitLike", predicates: list[Predicate]) -> Section:
    """What was found: each predicate, for how many texts it holds, and how far the head is to be trusted."""
    columns: list[Declared] = [
        ("No.", "number", "number"),
        ("Predicate", "head", lambda one: Cell(one.sentence, link=f"#predicate-{one.number}")),
        ("Holds for", "number", "holds"),
        ("Of all texts", "number:.1%", "share"),
        ("", "bar", lambda one: Cell("", one.share)),
        ("Head agrees", "number:.1%", lambda one: getattr(one.agreement, "agreement", None)),
    ]
    words = (
        "A predicate holds for a text when its denotation, the probability that it holds, is at least 0.5. Shares are "
        f"of the {counted(fit.n_counted, 'text')} with words, a repeated one counted each time; several predicates may "
        "hold for a text. “Head agrees”: how often the head, which denotes the texts, and the language model say the "
        "same of texts that the head was not trained on."
    )
    n_none = _n_holding(fit).count(0)
    none = [Cell(""), Cell(NONE_OF_THESE), whole(n_none), number(n_none / fit.n_counted, ".1%"), Cell(""), Cell("")]
    table = table_of("predicates", "Predicates, and for how many texts each holds", predicates, columns)
    shown = [dataclasses.replace(table, foot=none), Words(words, muted=True)]
    return Section("predicates", "What was found", shown, "Findings")


def _n_holding(fit: "FitLike") -> list[int]:
    """How many predicates hold for each text with words."""
    return (np.asarray(fit.denotations)[~fit.corpus.blank] >= 0.5).sum(axis=1).tolist()


def said_of_predicates(fit: "FitLike", predicates: list[Predicate]) -> str:
    """In sentences: the most common predicate, and for how many texts none or several hold."""
    n_texts = fit.n_counted
    if not predicates:
        return f"{counted(len(predicates), 'predicate')} in {counted(n_texts, 'text')} with words."
    holding = _n_holding(fit)
    n_none, n_several = holding.count(0), sum(held > 1 for held in holding)
    most = max(predicates, key=lambda one: one.holds)
    name = f"“{excerpt(most.sentence, 120)}”"
    found = f"holds for {most.holds:,} of {counted(n_texts, 'text')} ({most.share:.1%})"
    if len(predicates) == 1:
        return f"{name} {found}."
    several = f"for {n_several:,} ({n_several / n_texts:.1%}) several do" if n_several else "for none several do"
    if n_none:
        how_many = f"For {n_none:,} ({n_none / n_texts:.1%}) none holds, {several}."
    else:
        how_many = (
            f"At least one holds for every text, {several}." if n_several else "Exactly one holds for every text."
        )
    return f"The most common of {len(predicates):,} predicates, {name}, {found}. {how_many}"


def examples_section(predicates: list[Predicate], settings: Mapping[str, Any]) -> Section:
    """Texts for and against each predicate."""
    items = [
        Item(
            one.sentence,
            f"holds for {one.holds:,} ({one.share:.1%}), {len(one.answered):,} judged",
            one.sides.quotes(),
            str(one.number),
            f"predicate-{one.number}",
            notes=meant_so(settings, one.judged),
            predicate=one.judged,
        )
        for one in predicates
    ]
    more = Words(
        "The first figure of each text is its denotation. A second figure is the language model's own answer, before "
        "its bias is corrected, where it was asked about this text; all others were denoted by the head alone. Texts "
        "are numbered from 0 in the order of the corpus."
    )
    return Section(
        "examples", "Texts for and against each predicate", [more, Folded(items, noun="predicate")], "Examples"
    )


def overlap_section(fit: "FitLike") -> Section:
    """How many texts satisfy several predicates or none, and which predicates hold together."""
    holds = np.asarray(fit.denotations)[~fit.corpus.blank] >= 0.5
    per_text = Counter(holds.sum(axis=1).tolist())
    numbers = [("No predicate", per_text[0]), ("One predicate", per_text[1]), ("Two predicates", per_text[2])]
    numbers.append(("Three or more", sum(n for held, n in per_text.items() if held > 2)))
    numbers = numbers[: len(fit.predicates) + 1]
    blocks: list[Block] = [
        Words("A predicate holds for a text when its denotation is at least 0.5."),
        Counts([Row(label, f"{n:,}") for label, n in numbers], [f"{n / max(len(holds), 1):.1%}" for _, n in numbers]),
    ]
    blocks += [_overlap_table(fit.predicates, holds)] if len(fit.predicates) > 1 else []
    return Section("overlap", "Texts that satisfy several predicates, or none", blocks, "Overlap")


def _overlap_table(predicates: list[str], holds: np.ndarray) -> Table:
    """For the most prevalent predicates, how many texts satisfy each two of them."""
    shown = np.sort(np.argsort(-holds.sum(axis=0), kind="stable")[:MAX_OVERLAP]).tolist()
    selected = holds[:, shown].astype(np.int64)
    counts = selected.T @ selected
    shares = counts / np.maximum(np.diag(counts), 1)[:, None]
    omitted = len(predicates) - len(shown)
    rows = [
        [
            Cell(f"{index + 1} {excerpt(predicates[index], 100)}"),
            *(
                Cell(
                    f"{counts[i, j]:,}",
                    # Small shares are told apart, too.
                    None if i == j else float(shares[i, j]) ** 0.5,
                    note=f"{shares[i, j]:.1%} of the texts of predicate {index + 1}",
                )
                for j in range(len(shown))
            ),
        ]
        for i, index in enumerate(shown)
    ]
    return Table(
        "overlap",
        "Texts for which two predicates both hold. The stronger the shade, the larger their share of the row's texts."
        + (f" The {omitted} least prevalent predicates are left out." if omitted else ""),
        [Column("", "head"), *(Column(str(index + 1), "heat") for index in shown)],
        rows,
    )
