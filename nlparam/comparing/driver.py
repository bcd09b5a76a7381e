"""`nlparam.compare`: what holds more often in one group of texts than in the others."""

import contextlib
import dataclasses
import datetime
import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from nlparam.comparing.answers import Answers
from nlparam.comparing.grouping import Grouped, Observations
from nlparam.comparing.panels import PanelRows, directed_panels, random_panels
from nlparam.comparing.people import label_matrix
from nlparam.comparing.race import race
from nlparam.comparing.records import Finding, Ranking, Ratings
from nlparam.comparing.result import Comparison
from nlparam.comparing.setup import CompareArguments, Setup, set_up
from nlparam.comparing.validation import findings, judge_finalists
from nlparam.denotation.following import GoalFollowing, goal_following
from nlparam.denotation.session import Session, accepts, check_names
from nlparam.errors import FitWarning, LanguageModelError, ResultFolderError
from nlparam.language.goals import read_goal
from nlparam.language.likeness import distinct
from nlparam.language.phrasing import what_it_says
from nlparam.language.propose.both import in_turn
from nlparam.language.propose.groups import Panel
from nlparam.numerics.statistics.effects import auroc, welch_p_value
from nlparam.results.versions import installed_versions

# Texts of the research split that are embedded to choose what is shown: more change no direction.
_MOST_EMBEDDED = 8000


@accepts(CompareArguments, set_up, Session)
def compare(
    groups: Grouped,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    **asked: Unpack[CompareArguments],
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
    - `predicates`: hypotheses of your own, which are all tested; nothing is then proposed. `definitions`, what some
      of them mean, see `nlparam.fit`.
    - `ranker`: an `AbstractRanker`. Its scores choose which candidates are judged at all, and AUROC and Welch's test of
      them are reported.
    - `ratings`: whether the language model rates relevance, novelty and significance of what was tested.
    - `adjust`: covariates by name, each in the shape of `groups`: categories, or numbers, which act along a natural
      spline. `"length"` needs no values (`adjust=["length"]`): it is that of the texts.
    - `clusters`: what texts belong to (their author, thread, speech), in the shape of `groups`. Texts of equal value
      are of one split, and clusters, not texts, count as independent.
    - `repeats`: `"once"`, each distinct text counts once in a group; `"count"`, as often as it occurs, and equal texts
      are a cluster.
    - `labels`: what people say of some texts, a `Labelled` or a file of it: effects are then as people see them. The
      texts must be drawn at random, as `Comparison.to_label` does.
    - `look`: if you look again whenever there are more texts, how often you have looked, this time included. Each look
      is given a part of the `level`, so that all of them keep to it.
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
    check_names(compare, asked)
    check = None if out is None else functools.partial(Comparison.check, out, overwrite=overwrite)
    before = _earlier(Path(out)) if out is not None and overwrite else None
    with set_up(groups, check=check, **asked) as setup:
        comparison = _compare(setup)
    if before is not None and asked.get("look") is None:
        comparison.warnings.extend(_looked_again(comparison, before))
    for message in comparison.warnings:
        warnings.warn(message, FitWarning, stacklevel=2)
    if out is not None:
        comparison.save(out, overwrite=overwrite)
        comparison.report(Path(out) / "report.html")
    return comparison


def _compare(setup: Setup) -> Comparison:
    seen, session, settings = setup.seen, setup.session, setup.settings
    notes = list(seen.warnings)
    candidates = propose(setup, choose_panels(setup))
    if not candidates:
        raise LanguageModelError(_nothing_proposed(setup))
    following = _followed(setup, candidates)
    notes += [] if following is None else following.warnings()
    answers = Answers(seen.corpus.distinct, candidates, setup.judge, costs=session.costs, meter=session.meter)
    scores = _scores(setup, candidates)
    entrants = race(setup, answers, {} if scores is None else _not_raced(setup, scores))
    judge_finalists(setup, answers, entrants)
    if session.meter.spent is not None:
        notes.append(
            f"the budget was spent ({session.meter.spent}): what follows rests on what had been judged by then"
        )
    rankings = {} if scores is None else _rankings(setup, scores, entrants)
    labels = None
    if setup.labels is not None:
        labels, strange = label_matrix(setup.labels, seen.corpus.distinct, candidates)
        notes += strange + _seldom_labelled(labels, seen)
    found, columns = findings(setup, answers, entrants, rankings, labels)
    if not answers.asked.any() or not np.isfinite(answers.matrix).any():
        raise LanguageModelError(
            f"none of {int(answers.asked.sum())} judgments was answered: see `nlparam doctor`, or allow more"
        )
    found = rate(setup, found)
    session.costs.money = session.meter.cost
    return Comparison(
        groups=seen.groups,
        goal=settings["goal"],
        findings=found,
        corpus=seen.corpus,
        units=seen.units,
        judgments=answers.matrix[:, columns],
        covariates=() if setup.covariates is None else setup.covariates.names,
        unadjusted=setup.unadjusted,
        following=following,
        confidence=settings["confidence"],
        level=setup.level,
        correction=settings["correction"],
        warnings=notes,
        settings=settings
        | session.reading.as_setting()
        | {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")},
        versions=installed_versions(),
        costs=session.costs,
    )


def _earlier(folder: Path) -> Comparison | None:
    """The comparison that a folder holds, if it can be read."""
    with contextlib.suppress(ResultFolderError):
        return Comparison.load(folder)
    return None


def _looked_again(comparison: Comparison, before: Comparison) -> list[str]:
    """A warning where some of the texts were compared before under the same goal, and more have come."""
    known = set(before.corpus.distinct)
    n_again = sum(text in known for text in comparison.corpus.distinct)
    if n_again == 0 or before.goal != comparison.goal or n_again == len(comparison.corpus.distinct) == len(known):
        return []
    return [
        f"{n_again:,} of these texts have been compared before in this folder: who looks again whenever there are more "
        "texts makes more false claims than the level says; say how often you have looked (look=, --look)"
    ]


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
        distinct = list(dict.fromkeys(texts))
        place = {text: number for number, text in enumerate(distinct)}
        embeddings = setup.session.embed(distinct)[[place[text] for text in texts]]
        with setup.session.costs.stage("relaxation"), setup.session.progress.task("relaxing", None):
            panels += directed_panels(
                embeddings,
                groups,
                seen.n_groups,
                n_shown,
                n_directions=options.n_directions,
                rng=rng,
                seed=setup.settings["seed"],
            )
    panels += random_panels(groups, seen.n_groups, n_shown, rng=rng)

    def shown(chosen: np.ndarray) -> tuple[str, ...]:
        return tuple(seen.corpus.distinct[text] for text in seen.units.text[rows[chosen]].tolist())

    return [Panel(seen.groups[panel.group].name, shown(panel.more), shown(panel.fewer)) for panel in panels]


def propose(setup: Setup, panels: Sequence[Panel]) -> list[str]:
    """The candidates, the best of every panel before the second best, each once, whatever its case."""
    with setup.session.costs.stage("proposing"):
        proposals = setup.proposer.propose(panels, goal=setup.settings["goal"], rng=setup.rng(2))
    return list(distinct(in_turn(proposals)))


def _followed(setup: Setup, candidates: Sequence[str]) -> GoalFollowing | None:
    """How well the candidates follow the goal, if there is one to follow."""
    if not setup.by_goal:
        return None
    known, session = setup.seen.corpus.distinct, setup.session
    texts = [known[row] for row in setup.rng(5).permutation(len(known))]
    with session.costs.stage("proposing"):
        said = [what_it_says(candidate) for candidate in candidates]
        return goal_following(session.goal_reader(), read_goal(setup.settings["goal"]), texts, said)


def rate(setup: Setup, found: list[Finding]) -> list[Finding]:
    """The findings with the ratings of those that were tested."""
    tested = [finding.predicate for finding in found if finding.tested]
    if setup.rater is None or not tested or setup.session.meter.spent is not None:
        return found
    with setup.session.costs.stage("rating"), setup.session.progress.task("rating", None):
        rated = dict(zip(tested, setup.rater.rate(tested, goal=setup.settings["goal"]).tolist(), strict=True))
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
    with setup.session.costs.stage("ranking"), setup.session.progress.task("ranking", None):
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


def _seldom_labelled(labels: np.ndarray, seen: Observations) -> list[str]:
    """A warning of labels that do not count, as their texts were not drawn to be judged on the validation split."""
    drawn = np.zeros(len(labels), dtype=bool)
    drawn[seen.units.text[seen.units.validated]] = True
    n_wasted = int(np.isfinite(labels[~drawn]).sum())
    if n_wasted == 0:
        return []
    return [
        f"{n_wasted} of {int(np.isfinite(labels).sum())} labels are of texts that were not drawn for testing, and were "
        "left out: label texts that `Comparison.to_label` draws"
    ]


def _nothing_proposed(setup: Setup) -> str:
    if setup.session.meter.spent is not None:
        return f"the budget is spent ({setup.session.meter.spent}) before a predicate was proposed: allow more"
    return (
        f"the language model {setup.judge.identity.split()[0]!r} proposed no usable predicate: try a stronger model, "
        "another proposer or a plainer goal, or give predicates of your own"
    )
