"""`nlparam.compare`: what holds more often in one group of texts than in the others."""

import dataclasses
import datetime
import functools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.comparing.answers import Answers
from nlparam.comparing.arguments import Arguments, GroupProposer
from nlparam.comparing.grouping import Grouped
from nlparam.comparing.options import CompareOptions
from nlparam.comparing.panels import PanelRows, directed_panels, random_panels
from nlparam.comparing.race import race
from nlparam.comparing.records import Finding, Ranking, Ratings
from nlparam.comparing.result import Comparison
from nlparam.comparing.setup import Setup, set_up
from nlparam.comparing.validation import findings, judge_finalists
from nlparam.denotation.judge import AbstractJudge
from nlparam.errors import FitWarning, LanguageModelError
from nlparam.fitting.setup import DEFAULT_GOAL
from nlparam.language.embed import AbstractEmbedder, embed_corpus
from nlparam.language.goals import with_examples
from nlparam.language.propose.groups import Panel
from nlparam.language.ranker import AbstractRanker
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.numerics.statistics.effects import auroc, welch_p_value
from nlparam.results.versions import installed_versions
from nlparam.runtime.budget import Budget
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

# Texts of the research split that are embedded to choose what is shown: more change no direction.
_MOST_EMBEDDED = 8000


def compare(
    groups: Grouped,
    *,
    goal: str = DEFAULT_GOAL,
    goal_examples: Sequence[str] = (),
    lm: str | Path | AbstractLanguageModel = "embedded",
    embedder: str | Path | AbstractEmbedder | None = None,
    proposer: GroupProposer | None = None,
    judge: AbstractJudge | Callable[[Engine], AbstractJudge] | None = None,
    form: str = "single",
    predicates: Iterable[str] | None = None,
    ranker: AbstractRanker | None = None,
    ratings: bool = True,
    adjust: Mapping[str, Grouped] | None = None,
    repeats: str = "once",
    options: CompareOptions | Mapping[str, Any] | None = None,
    confidence: float = 0.95,
    level: float = 0.05,
    correction: str = "bh",
    budget: Budget | None = None,
    store: str | Path | Store | None = None,
    timeout: float = 60.0,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    costs: Costs | None = None,
    notes: Iterable[str] = (),
    made_from: Mapping[str, Any] | None = None,
) -> Comparison:
    """Finds predicates that hold more often in one group of texts than in the others, and tests them.

    The texts are split in two. On the *research* split a language model proposes predicates from typical texts, and
    candidates compete (see `nlparam.comparing.race`). What is left is judged anew on the *validation* split, which
    nothing before has seen: effects, intervals and p-values come from there, and the p-values are adjusted for how many
    predicates were tested (D5, arXiv 2302.14233).

    **Arguments:**

    - `groups`: two or more groups of texts: a mapping of names to texts, or a list of lists. With a judge, a proposer
      and an embedder of your own, a "text" can be any string that these understand, such as the path of an image.
    - `goal`, `goal_examples`: what the predicates are to be about, in plain words, and answers a text could have to it.
    - `lm`: the language model, see `nlparam.fit`; `embedder`, `form`, `budget`, `store`, `timeout`, `progress` too.
    - `proposer`: `"contrast"` or `"state"`, by default as the language model can; or an `AbstractGroupProposer`, or a
      function that makes one from the engine.
    - `judge`: an `AbstractJudge`, or a function that makes one from the engine; by default a `LabelJudge`.
    - `predicates`: hypotheses of your own, which are all tested; nothing is then proposed.
    - `ranker`: an `AbstractRanker`. Its scores choose which candidates are judged at all, and AUROC and Welch's test of
      them are reported.
    - `ratings`: whether the language model rates relevance, novelty and significance of what was tested.
    - `adjust`: covariates by name, each in the shape of `groups`: numbers or categories.
    - `repeats`: `"once"`, each distinct text counts once in a group; `"count"`, as often as it occurs.
    - `options`: `CompareOptions`, or some of its fields as a mapping.
    - `confidence`, of the intervals; `level`, of the claims: the share of false ones among them (`correction="bh"`, or
      `"by"` under any dependence), or the probability of any (`"holm"`).
    - `seed`: the split, what is shown and what is judged.
    - `out`, `overwrite`: a folder for the comparison and its report.
    - `costs`, `notes`, `made_from`: for those who prepare the texts themselves (captions of images): what that has cost
      already, what a reader should know of it, and what to keep of it among the settings.

    **Raises:** `CorpusError` for groups that cannot be compared (empty, too small, the same) and covariates that cannot
    be adjusted for; `LanguageModelError` if nothing usable is proposed or answered; `ValueError` for wrong arguments;
    `ResultFolderError` for a folder that holds something else. Warns (`FitWarning`) of what a reader should know.
    """
    asked = Arguments(
        goal=with_examples(goal, goal_examples),
        lm=lm,
        embedder=embedder,
        proposer=proposer,
        judge=judge,
        form=form,
        predicates=predicates,
        ranker=ranker,
        ratings=ratings,
        adjust=adjust,
        repeats=repeats,
        options=options,
        confidence=confidence,
        level=level,
        correction=correction,
        budget=budget,
        store=store,
        timeout=timeout,
        seed=seed,
        progress=progress,
        costs=costs,
        notes=notes,
        made_from=made_from,
    )
    check = None if out is None else functools.partial(Comparison.check, out, overwrite=overwrite)
    with set_up(groups, asked, check=check) as setup:
        comparison = _compare(setup)
    for message in comparison.warnings:
        warnings.warn(message, FitWarning, stacklevel=2)
    if out is not None:
        comparison.save(out, overwrite=overwrite)
        comparison.report(Path(out) / "report.html")
    return comparison


def _compare(setup: Setup) -> Comparison:
    seen, costs, options, asked = setup.seen, setup.costs, setup.options, setup.asked
    notes = list(seen.warnings)
    candidates = propose(setup, choose_panels(setup))
    if not candidates:
        raise LanguageModelError(_nothing_proposed(setup))
    answers = Answers(seen.corpus.distinct, candidates, setup.judge, costs=costs, meter=setup.meter)
    scores = _scores(setup, candidates)
    entrants = race(
        answers,
        seen,
        options,
        confidence=asked.confidence,
        rng=setup.rng(3),
        out_already={} if scores is None else _not_raced(setup, scores),
    )
    judge_finalists(answers, entrants, seen, setup.rng(4))
    if setup.meter.spent is not None:
        notes.append(f"the budget was spent ({setup.meter.spent}): what follows rests on what had been judged by then")
    rankings = {} if scores is None else _rankings(setup, scores, entrants)
    found, columns = findings(
        answers,
        entrants,
        seen,
        setup.covariates,
        rankings,
        confidence=asked.confidence,
        level=asked.level,
        correction=asked.correction,
        n_examples=options.n_examples,
    )
    if not answers.asked.any() or not np.isfinite(answers.matrix).any():
        raise LanguageModelError(
            f"none of {int(answers.asked.sum())} judgments was answered: see `nlparam doctor`, or allow more"
        )
    found = rate(setup, found)
    costs.money = setup.meter.cost
    return Comparison(
        groups=seen.groups,
        goal=asked.goal,
        findings=found,
        corpus=seen.corpus,
        units=seen.units,
        judgments=answers.matrix[:, columns],
        covariates=() if setup.covariates is None else setup.covariates.names,
        confidence=asked.confidence,
        level=asked.level,
        correction=asked.correction,
        warnings=notes,
        settings=setup.settings | {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")},
        versions=installed_versions(),
        costs=costs,
    )


def choose_panels(setup: Setup) -> list[Panel]:
    """What the proposer is shown. Texts are embedded only where directions are relaxed."""
    seen, options, n_shown = setup.seen, setup.options, setup.proposer.n_shown
    rng = setup.rng(1)
    rows = np.flatnonzero(seen.units.research)
    if n_shown == 0:
        return [Panel(group.name, (), ()) for group in seen.groups[:1]]
    if len(rows) > _MOST_EMBEDDED:
        rows = np.sort(rng.choice(rows, _MOST_EMBEDDED, replace=False))
    groups = seen.units.group[rows]
    panels: list[PanelRows] = []
    if options.n_directions > 0:
        texts = [seen.corpus.distinct[text] for text in seen.units.text[rows].tolist()]
        with setup.costs.stage("embedding"):
            distinct = list(dict.fromkeys(texts))
            embedded = embed_corpus(distinct, setup.embedder, setup.store, costs=setup.costs, progress=setup.progress)
            place = {text: number for number, text in enumerate(distinct)}
            embeddings = embedded[[place[text] for text in texts]]
        with setup.costs.stage("relaxation"), setup.progress.task("relaxing", None):
            panels += directed_panels(
                embeddings,
                groups,
                seen.n_groups,
                n_shown,
                n_directions=options.n_directions,
                rng=rng,
                seed=setup.asked.seed,
            )
    panels += random_panels(groups, seen.n_groups, n_shown, rng=rng)

    def shown(chosen: np.ndarray) -> tuple[str, ...]:
        return tuple(seen.corpus.distinct[text] for text in seen.units.text[rows[chosen]].tolist())

    return [Panel(seen.groups[panel.group].name, shown(panel.more), shown(panel.fewer)) for panel in panels]


def propose(setup: Setup, panels: Sequence[Panel]) -> list[str]:
    """The candidates, the best of every panel before the second best, each once, whatever its case."""
    with setup.costs.stage("proposing"):
        proposals = setup.proposer.propose(panels, goal=setup.asked.goal, rng=setup.rng(2))
    depth = max((len(panel) for panel in proposals), default=0)
    in_turn = [panel[rank] for rank in range(depth) for panel in proposals if rank < len(panel)]
    by_case: dict[str, str] = {}
    for predicate in in_turn:
        by_case.setdefault(predicate.casefold(), predicate)
    return list(by_case.values())


def rate(setup: Setup, found: list[Finding]) -> list[Finding]:
    """The findings with the ratings of those that were tested."""
    tested = [finding.predicate for finding in found if finding.tested]
    if setup.rater is None or not tested or setup.meter.spent is not None:
        return found
    with setup.costs.stage("rating"), setup.progress.task("rating", None):
        rated = dict(zip(tested, setup.rater.rate(tested, goal=setup.asked.goal).tolist(), strict=True))
    return [
        dataclasses.replace(
            finding, ratings=Ratings(*(None if np.isnan(grade) else grade for grade in rated[finding.predicate]))
        )
        if finding.tested
        else finding
        for finding in found
    ]


def _scores(setup: Setup, candidates: list[str]) -> np.ndarray | None:
    """`(n_distinct, n_candidates)` scores of the ranker."""
    if setup.ranker is None:
        return None
    with setup.costs.stage("ranking"), setup.progress.task("ranking", None):
        scores = np.asarray(setup.ranker.score(setup.seen.corpus.distinct, candidates))
    expected = (len(setup.seen.corpus.distinct), len(candidates))
    if scores.shape != expected:
        raise ValueError(f"the ranker gave scores of shape {scores.shape}, expected {expected}: items by predicates")
    return scores


def _not_raced(setup: Setup, scores: np.ndarray) -> dict[int, str]:
    """The candidates that the ranker does not let through, and why: by their AUROC on the research split."""
    units, n_raced = setup.seen.units, setup.options.n_raced
    rows = np.flatnonzero(units.research)
    best = np.asarray(
        [
            max(auroc(column, units.group[rows] == group) for group in range(setup.seen.n_groups))
            for column in scores[units.text[rows]].T
        ]
    )
    passed_over = np.argsort(-best, kind="stable")[n_raced:].tolist()
    return {
        c: f"the ranker tells the groups apart by {n_raced} others better (AUROC {best[c]:.2f})" for c in passed_over
    }


def _rankings(setup: Setup, scores: np.ndarray, entrants) -> dict[int, Ranking]:
    """AUROC and Welch's test of the scores on the whole validation split, towards the group of the screening."""
    units = setup.seen.units
    rows = np.flatnonzero(~units.research)
    rankings = {}
    for entrant in entrants:
        if entrant.standing is not None:
            column, members = scores[units.text[rows], entrant.column], units.group[rows] == entrant.standing.towards
            rankings[entrant.column] = Ranking(auroc(column, members), welch_p_value(column, members))
    return rankings


def _nothing_proposed(setup: Setup) -> str:
    if setup.meter.spent is not None:
        return f"the budget is spent ({setup.meter.spent}) before a predicate was proposed: allow more"
    return (
        f"the language model {setup.judge.identity.split()[0]!r} proposed no usable predicate: try a stronger model, "
        "another proposer or a plainer goal, or give predicates of your own"
    )
