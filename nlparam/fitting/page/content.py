"""What the report shows, as plain data: every figure and example is chosen here, none of it is HTML yet."""

import dataclasses
import datetime
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlparam.fitting.page.disagreements import DisagreementView, disagreements
from nlparam.fitting.page.judging import CalibrationView, CertificateView, calibration_view, certificate_view
from nlparam.fitting.page.quantities import Goodness, goodness, view_quantities
from nlparam.results.page.browser import Browser, browse_texts
from nlparam.results.page.examples import Example, choose_examples, excerpt
from nlparam.results.page.quantities import Intervals, QuantityView
from nlparam.results.page.rows import MAX_SENTENCE, NAMED_SETTINGS, Row, cost_rows, stage_rows, value_rows, value_text
from nlparam.results.page.text import loss_figure

if TYPE_CHECKING:
    from nlparam.denotation.goal import GoalFollowing
    from nlparam.fitting.records import Agreement, FitLike

# Bounds that keep the page small and legible, whatever the size of the fit.
MAX_OVERLAP = 30
MAX_POINTS = 1500


@dataclasses.dataclass(frozen=True)
class PredicateView:
    """One predicate as the report shows it.

    `number` counts from 1; `size` and `share` say how many texts the model assigns to it, `None` for a model without
    clusters; `holds` counts the texts whose denotation is at least one half; `prevalence` is the mean denotation over
    the texts with words; `judged` counts the language model's answers and `answered` is their mean.
    """

    number: int
    sentence: str
    size: int | None
    share: float | None
    holds: int
    prevalence: float
    judged: int
    answered: float | None
    agreement: "Agreement | None"
    examples_for: list[Example]
    examples_against: list[Example]


@dataclasses.dataclass(frozen=True)
class Overlap:
    """How many texts satisfy several predicates or none.

    `by_count` are lines such as ("two predicates", 31); `counts[i][j]` is the number of texts for which predicates
    `numbers[i]` and `numbers[j]` both hold, `shares[i][j]` that number as a share of the texts for which `numbers[i]`
    holds. Only the most prevalent predicates are in the matrix; `omitted` counts the others.
    """

    by_count: list[tuple[str, int]]
    numbers: list[int]
    sentences: list[str]
    counts: list[list[int]]
    shares: list[list[float]]
    omitted: int


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of the search; `added` and `dropped` are the predicates that differ from the step before."""

    number: int
    name: str
    loss: float
    n_candidates: int
    judgments: int
    seconds: float
    added: list[str]
    dropped: list[str]


class Point(NamedTuple):
    """One judged text: what the language model answered and what the fit denotes."""

    predicate: int
    text: int
    answered: float
    denoted: float


@dataclasses.dataclass(frozen=True)
class Page:
    """Everything that the report shows, in the order in which it shows it."""

    title: str
    model: str
    summary: str
    facts: list[Row]
    n_texts: int
    n_blank: int
    has_sizes: bool
    predicates: list[PredicateView]
    quantities: list[QuantityView]
    goodness: Goodness | None
    overlap: Overlap
    points: list[Point]
    n_points: int
    disagreements: DisagreementView
    n_judgments: int
    certificate: CertificateView | None
    calibration: CalibrationView | None
    trace: list[Step]
    costs: list[Row]
    stages: list[tuple[str, float]]
    settings: list[Row]
    versions: list[Row]


def describe(fit: "FitLike", intervals: Intervals | None = None) -> Page:
    """Chooses what the report of `fit` shows. The order of the fit's predicates is kept.

    `intervals` are the credible intervals of its quantities, see `view_quantities`.
    """
    n_texts, n_blank = len(fit.corpus), int(fit.corpus.blank.sum())
    clusters = _clusters(fit)
    predicates = _predicates(fit, clusters)
    points, answers = _points(fit), _answers(fit)
    stride = max(1, -(-len(points) // MAX_POINTS))
    model = type(fit.model).__name__
    goal = str(fit.settings.get("goal") or "").strip()
    return Page(
        title=excerpt(goal, MAX_SENTENCE) if goal else f"{model} of {n_texts:,} texts",
        model=model,
        summary=_summary(model, n_texts, predicates),
        facts=_facts(fit, model),
        n_texts=n_texts,
        n_blank=n_blank,
        has_sizes=clusters is not None,
        predicates=predicates,
        quantities=_quantities(fit, intervals),
        goodness=goodness(fit),
        overlap=_overlap(fit),
        points=points[::stride],
        n_points=len(points),
        disagreements=disagreements(
            fit.corpus,
            fit.predicates,
            np.asarray(fit.denotations, dtype=float),
            [answers.get(sentence, {}) for sentence in fit.predicates],
        ),
        n_judgments=len(fit.judgments),
        certificate=certificate_view(fit),
        calibration=calibration_view(fit),
        trace=_trace(fit),
        costs=cost_rows(fit.costs),
        stages=stage_rows(fit.costs),
        settings=value_rows(fit.settings),
        versions=value_rows(fit.versions),
    )


def _clusters(fit: "FitLike") -> np.ndarray | None:
    """The predicate that each text is assigned to, or `None` if the model's predictions are something else."""
    return np.asarray(fit.predictions) if fit.model.assigns_texts else None


def _quantities(fit: "FitLike", intervals: Intervals | None) -> list[QuantityView]:
    # The shares of clusters stand in the table of predicates already.
    return [view for view in view_quantities(fit, intervals) if not (fit.model.assigns_texts and view.name == "share")]


def _predicates(fit: "FitLike", clusters: np.ndarray | None) -> list[PredicateView]:
    answers = _answers(fit)
    worded = ~fit.corpus.blank
    denotations = np.asarray(fit.denotations, dtype=float)
    # A fit read from an older folder may lack agreement figures; the page then shows a dash.
    agreements = fit.agreement if len(fit.agreement) == len(fit.predicates) else [None] * len(fit.predicates)
    examples = choose_examples(fit.corpus, denotations, [answers.get(p, {}) for p in fit.predicates], clusters)
    views = []
    for index, sentence in enumerate(fit.predicates):
        column, judged = denotations[:, index], answers.get(sentence, {})
        size = None if clusters is None else int((clusters == index).sum())
        views.append(
            PredicateView(
                number=index + 1,
                sentence=excerpt(sentence, MAX_SENTENCE),
                size=size,
                share=None if size is None else size / max(len(column), 1),
                holds=int((column[worded] >= 0.5).sum()),
                prevalence=float(column[worded].mean()) if worded.any() else 0.0,
                judged=len(judged),
                answered=float(np.mean(list(judged.values()))) if judged else None,
                agreement=agreements[index],
                examples_for=examples[index].examples_for,
                examples_against=examples[index].examples_against,
            )
        )
    return views


def _answers(fit: "FitLike") -> dict[str, dict[int, float]]:
    """Per predicate, the language model's answer for each text number; the last answer counts."""
    answers: dict[str, dict[int, float]] = {}
    for judgment in fit.judgments:
        if 0 <= judgment.text < len(fit.corpus):
            answers.setdefault(judgment.predicate, {})[int(judgment.text)] = float(judgment.probability)
    return answers


def _points(fit: "FitLike") -> list[Point]:
    answers = _answers(fit)
    return [
        Point(index + 1, text, answered, float(fit.denotations[text, index]))
        for index, sentence in enumerate(fit.predicates)
        for text, answered in sorted(answers.get(sentence, {}).items())
    ]


def _overlap(fit: "FitLike") -> Overlap:
    holds = np.asarray(fit.denotations)[~fit.corpus.blank] >= 0.5
    shown = np.sort(np.argsort(-holds.sum(axis=0), kind="stable")[:MAX_OVERLAP])
    selected = holds[:, shown].astype(np.int64)
    counts = selected.T @ selected
    shares = counts / np.maximum(np.diag(counts), 1)[:, None]
    per_text = Counter(holds.sum(axis=1).tolist())
    by_count = [("No predicate", per_text[0]), ("One predicate", per_text[1]), ("Two predicates", per_text[2])]
    if len(fit.predicates) > 2:
        by_count.append(("Three or more", sum(n for held, n in per_text.items() if held > 2)))
    return Overlap(
        by_count=by_count[: len(fit.predicates) + 1],
        numbers=[int(index) + 1 for index in shown],
        sentences=[excerpt(fit.predicates[index], 100) for index in shown],
        counts=counts.tolist(),
        shares=shares.tolist(),
        omitted=len(fit.predicates) - len(shown),
    )


def _trace(fit: "FitLike") -> list[Step]:
    steps, before = [], ()
    for number, entry in enumerate(fit.trace, start=1):
        changed = bool(entry.predicates)
        steps.append(
            Step(
                number=number,
                name=excerpt(entry.step, 100),
                loss=float(entry.loss),
                n_candidates=entry.n_candidates,
                judgments=entry.judgments,
                seconds=float(entry.seconds),
                added=[excerpt(p, MAX_SENTENCE) for p in entry.predicates if p not in before],
                dropped=[excerpt(p, MAX_SENTENCE) for p in before if p not in entry.predicates] if changed else [],
            )
        )
        before = entry.predicates or before
    return steps


def _summary(model: str, n_texts: int, predicates: list[PredicateView]) -> str:
    found = len(predicates)
    return (
        f"This page shows the {found:,} {'predicate' if found == 1 else 'predicates'} that {model} found in "
        f"{n_texts:,} {'text' if n_texts == 1 else 'texts'}: how common each is, texts that speak for and against it, "
        "how far its probabilities agree with the language model, and what the fit cost."
    )


def _facts(fit: "FitLike", model: str) -> list[Row]:
    n_texts, n_distinct, n_blank = len(fit.corpus), len(fit.corpus.distinct), int(fit.corpus.blank.sum())
    notes = [f"{n_distinct:,} distinct"] if n_distinct + n_blank < n_texts else []
    notes += [f"{n_blank:,} without words"] if n_blank else []
    # A fit that says when it was made keeps its date in every later report.
    date = fit.settings.get("date") or datetime.date.today().isoformat()
    facts = [
        Row("Model", model),
        Row("Texts", f"{n_texts:,}" + (f" ({', '.join(notes)})" if notes else "")),
        Row("Predicates", f"{len(fit.predicates):,}, from {len(fit.candidates):,} considered"),
    ]
    facts += [
        Row(label, value_text(fit.settings[key])) for key, label in NAMED_SETTINGS.items() if fit.settings.get(key)
    ]
    return [
        *facts,
        *([Row("Representation", represented)] if (represented := _representation(fit)) else []),
        *([] if fit.following is None else following_rows(fit.following)),
        Row("Judgments", f"{len(fit.judgments):,}"),
        Row("Loss", loss_figure(fit.loss)),
        Row("Date", excerpt(str(date), 40)),
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
    return f"embeddings and statements under the goal, the latter with a share of {goal_map.share:.0%}"


def following_rows(following: "GoalFollowing") -> list[Row]:
    """How well a goal was followed, as lines of a table."""
    shown = ", ".join(f"{excerpt(statement, 60)} ({n})" for statement, n in following.statements[:6])
    figures = (
        ("Goal understood as", excerpt(following.aspect, MAX_SENTENCE)),
        (f"Texts that tell it (of {following.n_asked})", _share(following.told)),
        (f"Statements that answer it (of {following.n_stated})", _share(following.answering)),
        ("Explained of statements left out", _share(following.explained)),
        ("Frequent statements", shown or None),
    )
    return [Row(label, value) for label, value in figures if value is not None]


def _share(value: float | None) -> str | None:
    return None if value is None else f"{max(value, 0.0):.0%}"


def browse(fit: "FitLike") -> Browser | None:
    """The texts of a fit; `None` if it has none with words, or no predicate."""
    answers: dict[str, dict[int, float]] = {}
    for judgment in fit.judgments:
        if 0 <= judgment.text < len(fit.corpus):
            answers.setdefault(judgment.predicate, {})[int(judgment.text)] = float(judgment.probability)
    return browse_texts(
        fit.corpus,
        [f"{number}. {predicate}" for number, predicate in enumerate(fit.predicates, start=1)],
        np.asarray(fit.denotations, dtype=float),
        [answers.get(predicate, {}) for predicate in fit.predicates],
        clusters=np.asarray(fit.predictions) if fit.model.assigns_texts else None,
    )
