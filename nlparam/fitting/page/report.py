"""The page of a fit, put together; its card in a notebook; one of its quantities as a chart."""

import dataclasses
import re
from typing import TYPE_CHECKING

import numpy as np

from nlparam.denotation.agreement import agreement_with_people
from nlparam.denotation.following import following_rows
from nlparam.fitting.page.certainty import certainty_section
from nlparam.fitting.page.judging import agreement_section, calibration_section, certificate_section
from nlparam.fitting.page.predicates import (
    describe_predicates,
    examples_section,
    overlap_section,
    predicates_section,
    said_of_predicates,
)
from nlparam.fitting.page.quantities import goodness, view_quantities
from nlparam.fitting.page.search import stability_section, trace_section
from nlparam.fitting.records import doubts
from nlparam.fitting.wishes import wishes_told
from nlparam.results.page.blocks import Block, Counts, Section, Words
from nlparam.results.page.browser import Browser, browse_texts
from nlparam.results.page.card import Card, card_row
from nlparam.results.page.examples import answers_by_predicate
from nlparam.results.page.plots import quantity_chart
from nlparam.results.page.quantities import Intervals
from nlparam.results.page.quantity_blocks import quantity_blocks
from nlparam.results.page.rows import MAX_SENTENCE, Row, date_row, named_settings, title_of
from nlparam.results.page.searched import Searched, desk_section
from nlparam.results.page.sections import AbstractPage, SectionPage, number, of_result
from nlparam.results.page.text import excerpt, loss_figure
from nlparam.results.records import NONE_OF_THESE
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair

    from nlparam.denotation.labelling import PredicateAgreement
    from nlparam.fitting.inferred import Inference
    from nlparam.fitting.records import FitLike

# Characters of the name of a file.
_MAX_NAME = 80
_CHARTS = ("trace", "agreement", "reliability")


@dataclasses.dataclass(frozen=True)
class FitPage(AbstractPage):
    """The report of a fit; one whose predictions are not clusters is shown without sizes.

    `intervals` are the credible intervals of its quantities by name, as
    `nlparam.fitting.posterior.credible_intervals` gives them; `inference` is what the fit lets one say, `agreement` how
    people and judge agree.
    """

    fit: "FitLike"
    intervals: Intervals | None = None
    inference: "Inference | None" = None
    agreement: "Sequence[PredicateAgreement]" = ()

    def described(self) -> SectionPage:
        """Chooses what the report shows. The order of the fit's predicates is kept."""
        fit = self.fit
        model, n_texts = type(fit.model).__name__, len(fit.corpus)
        answers = _answers(fit)
        predicates = describe_predicates(fit, answers)
        texts = browse(fit, answers)
        found = [
            predicates_section(fit, predicates),
            certainty_section(fit, self.inference),
            self._results(),
            examples_section(predicates, fit.settings),
            Section("texts", "All texts", [texts]) if texts else None,
            overlap_section(fit),
            agreement_section(fit, predicates, answers),
            agreement_with_people(self.agreement),
            certificate_section(fit),
            calibration_section(fit),
            stability_section(fit.stability),
            trace_section(fit.trace),
            desk_section(self.searched(), fit.settings),
        ]
        return SectionPage(
            title=title_of(fit.settings, f"{model} of {counted(n_texts, 'text')}"),
            model=model,
            summary=" ".join([said_of_predicates(fit, predicates), *_scored(fit, self.inference)]),
            facts=_facts(fit, model),
            warnings=_sentences([*doubts(fit), *([] if self.inference is None else self.inference.warnings())]),
            sections=[section for section in found if section is not None],
            **of_result(fit),
        )

    def searched(self) -> Searched:
        """The texts with the denotations of all predicates."""
        fit = self.fit
        names = [f"{number}. {predicate}" for number, predicate in enumerate(fit.predicates, start=1)]
        places = [f"predicate-{number}" for number in range(1, len(names) + 1)]
        return Searched(fit.corpus, names, list(fit.predicates), np.asarray(fit.denotations, dtype=float), places)

    def card(self) -> Card:
        """The predicates, for how many texts each holds, and the agreement of the head."""
        fit = self.fit
        rows = [
            card_row(
                str(one.number),
                one.sentence,
                f"{one.holds:,}",
                number(one.share, ".1%").text,
                number(one.agreement.agreement if one.agreement else None, ".1%").text,
                bar=one.share,
            )
            for one in describe_predicates(fit)
        ]
        if fit.model.assigns_texts and (n_none := fit.n_none):
            rows.append(card_row("", NONE_OF_THESE, f"{n_none:,}", "", "", bar=0.0))
        return Card(
            f"{type(fit.model).__name__} of {counted(len(fit.corpus), 'text')}",
            str(fit.settings.get("goal") or ""),
            ["Holds for", "Of all texts", "Head agrees"],
            rows,
            f"{counted(len(fit.judgments), 'judgment')}. Ended because {fit.result.value}. "
            "fit.report(path) writes the whole report, fit.plot() draws a result.",
        )

    def _results(self) -> Section | None:
        fit, blocks, names = self.fit, list[Block](), set[str]()
        if measured := goodness(fit):
            more = "In-sample: measured on the texts that the model was fitted to. On new texts, expect less."
            blocks += [Counts([Row(*row) for row in measured.rows]), Words(more, muted=True)]
        for at, view in enumerate(view_quantities(fit, self.intervals), start=1):
            # The shares of clusters stand in the table of predicates already.
            if fit.model.assigns_texts and view.name == "share":
                continue
            # Quantities are named by whoever wrote the model: perhaps as another figure is.
            name = re.sub(r"[^\w-]+", "-", view.name)[:_MAX_NAME]
            name = f"{name}-{at}" if name in names or name in _CHARTS else name
            names.add(name)
            blocks += quantity_blocks(view, name)
        return Section("results", "What the model says", blocks, "Results") if blocks else None


def browse(fit: "FitLike", answers: list[dict[int, float]]) -> Browser | None:
    """The texts of a fit; `None` if it has none with words, or no predicate."""
    return browse_texts(
        fit.corpus,
        [f"{number}. {predicate}" for number, predicate in enumerate(fit.predicates, start=1)],
        np.asarray(fit.denotations, dtype=float),
        answers,
        clusters=fit.assignments if fit.model.assigns_texts else None,
        mapped=range(len(fit.predicates)),
    )


def _scored(fit: "FitLike", inference: "Inference | None") -> list[str]:
    """How well the model tells what it was fitted to, where that was measured; on texts held out if there are some."""
    if inference is not None and inference.scores:
        return [
            f"{score.name[:1].upper()}{score.name[1:]} on {inference.scored_on}: {score.value:.1%} "
            f"[{score.low:.1%}, {score.high:.1%}], against {score.baseline:.1%} without any predicate."
            for score in inference.scores
        ]
    measured = goodness(fit)
    return [] if measured is None else _sentences([measured.sentence])


def _sentences(parts: list[str]) -> list[str]:
    return [f"{part[:1].upper()}{part[1:]}." for part in parts]


def _answers(fit: "FitLike") -> list[dict[int, float]]:
    answers = answers_by_predicate(fit.judgments, len(fit.corpus))
    return [answers.get(predicate, {}) for predicate in fit.predicates]


def _facts(fit: "FitLike", model: str) -> list[Row]:
    n_texts, n_distinct, n_blank = len(fit.corpus), len(fit.corpus.distinct), int(fit.corpus.blank.sum())
    notes = [f"{n_distinct:,} distinct"] if n_distinct + n_blank < n_texts else []
    notes += [f"{n_blank:,} without words"] if n_blank else []
    return [
        Row("Model", model),
        Row("Texts", f"{n_texts:,}" + (f" ({', '.join(notes)})" if notes else "")),
        Row("Predicates", f"{len(fit.predicates):,}, from {len(fit.candidates):,} considered"),
        *(Row(label, excerpt(words, MAX_SENTENCE)) for label, words in wishes_told(fit.settings, fit.predicates)),
        *named_settings(fit.settings),
        *([Row("Representation", represented)] if (represented := _representation(fit)) else []),
        *following_rows(fit.following),
        Row("Judgments", f"{len(fit.judgments):,}"),
        Row("Loss", loss_figure(fit.loss)),
        date_row(fit.settings),
        Row("Ended because", str(getattr(fit.result, "value", fit.result))),
    ]


def _representation(fit: "FitLike") -> str | None:
    """How far the goal entered what was relaxed; nothing for embeddings as they are because nothing else was asked."""
    # A fit that was put together by hand may have nothing to denote with.
    goal_map = fit.denoter.goal_map if fit.denoter else None
    if goal_map is None:
        return None
    if goal_map.share == 0:
        return "embeddings (statements under the goal would not have improved them)"
    said = "states" if fit.following is not None and fit.following.n_states else "statements"
    return f"embeddings and {said} under the goal, the latter with a share of {goal_map.share:.0%}"


def plot_quantity(
    fit: "FitLike", quantity: str | None = None, intervals: Intervals | None = None
) -> "altair.TopLevelMixin":
    """The chart of one quantity of a fit, by default the first.

    Raises `ValueError` if there is none of this name or it cannot be drawn.
    """
    views = {view.name: view for view in view_quantities(fit, intervals)}
    if quantity is None and views:
        quantity = next(iter(views))
    if quantity not in views:
        known = ", ".join(map(repr, views)) or "none"
        raise ValueError(f"got the quantity {quantity!r}, expected one of {known}")
    chart = quantity_chart(views[quantity])
    if chart is None:
        raise ValueError(
            f"the quantity {quantity!r} cannot be drawn (it is a single number, has over two dimensions, or no finite "
            "value): see quantities() for its numbers"
        )
    return chart
