"""Comparisons in which a real language model, the 1.5B, proposes, judges and rates."""

import csv
import functools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from benchmarks.commands import n_judgments, read_rows
from benchmarks.comparing.planted import Problem, planted_in
from benchmarks.simulated import quiet
from nlparam.comparing.driver import compare
from nlparam.comparing.records import Finding
from nlparam.comparing.result import Comparison
from nlparam.denotation.session import Session
from nlparam.language.propose.groups import StateGroups
from nlparam.language.ratings import CRITERIA, Rater
from nlparam.numerics.statistics.effects import auroc

# The set, the planted property (by a word of it), and the shares of the two groups.
PROBLEMS = (
    ("agnews", "sports", (0.6, 0.15)),
    ("syngoalex", "anime", (0.55, 0.1)),
    ("agnews", "politics", (0.6, 0.15)),
    ("series", "health", (0.6, 0.15)),
    ("agnews", "technology", (0.6, 0.15)),
)
# A small model on one core answers two to three questions a second.
OPTIONS: dict[str, Any] = {"n_directions": 2, "n_kept": 4, "n_first": 8, "n_screened": 12, "n_validated": 36}
HEADLINES = OPTIONS | {"n_directions": 3, "n_kept": 5, "n_first": 12, "n_screened": 36, "n_validated": 100}
# How well the answers for a predicate must tell the texts with the planted property from the others to count as found.
_FOUND = 0.8


def measure_model(data: Path, lm: str, store: Path | None = None, problems: str | None = None) -> dict[str, Any]:
    """How often a planted topic is among the first three findings, and claimed, all done by the model itself."""
    results = []
    for number in range(len(PROBLEMS)) if problems is None else map(int, problems.split(",")):
        name, word, shares = PROBLEMS[number]
        problem = planted_in(data, name, word, shares, sizes=(300, 300), seed=number)
        start = time.perf_counter()
        proposer = functools.partial(StateGroups, n_shown=3, n_candidates=2)
        arguments = {"store": store, "ratings": False, "options": OPTIONS, "proposer": proposer, "timeout": 900}
        with quiet():
            comparison = compare(problem.groups, goal="the topic", lm=lm, seed=number, **arguments)
        place = _place(comparison, problem)
        found = {"problem": f"{name}: {word}", "place": place}
        found |= {"claimed": place is not None and comparison.findings[place - 1].claimed} | _figures(comparison)
        results.append(found | {"seconds": round(time.perf_counter() - start)})
        print(json.dumps(results[-1]), flush=True)
    in_three = sum(result["place"] is not None and result["place"] <= 3 for result in results)
    return {"in the first 3": in_three, "of": len(results), "problems": results}


def _figures(comparison: Comparison) -> dict[str, Any]:
    return {
        "findings": [_described(finding) for finding in comparison.tested],
        "candidates": len(comparison.findings),
        "judgments": n_judgments(comparison.costs),
    }


def _place(comparison: Comparison, problem: Problem) -> int | None:
    """The place of the first finding towards the first group whose answers are those of the planted property."""
    assert problem.planted is not None
    holds = problem.truth[problem.planted]
    for place, finding in enumerate(comparison.tested, 1):
        answers = comparison.judgments[:, comparison.findings.index(finding)]
        rows = np.flatnonzero(np.isfinite(answers))
        members = np.asarray([holds[comparison.corpus.distinct[row]] for row in rows])
        if finding.more == "first" and auroc(answers[rows], members) >= _FOUND:
            return place
    return None


def _described(finding: Finding) -> str:
    assert finding.estimate is not None
    mark = "*" if finding.claimed else ""
    return f"{finding.predicate}{mark} ({finding.more} {finding.estimate.effect:+.2f}, p {finding.p_adjusted:.1g})"


def measure_d5(data: Path, lm: str, store: Path | None = None) -> dict[str, Any]:
    """The headlines of 2020 (A) and of 2019 (B), 500 of each."""
    rows = read_rows(data / "d5/example_problem")
    fields = json.loads((data / "d5/example_problem/meta.json").read_text(encoding="utf-8"))["problem_fields"]
    rng = np.random.default_rng(0)
    groups, options = {}, {"seed": 0, "options": HEADLINES, "timeout": 900}
    for year, name in (("A", "2020"), ("B", "2019")):
        texts = [row["text"] for row in rows if row["class"] == year]
        groups[name] = [texts[number] for number in rng.permutation(len(texts))[:500]]
    with quiet():
        comparison = compare(groups, goal=fields["target"], lm=lm, store=store, **options)
    rated = [finding.ratings for finding in comparison.tested if finding.ratings is not None]
    return _figures(comparison) | {
        "goal": fields["target"],
        "ratings": [[round(getattr(one, name) or 0.0, 2) for name in CRITERIA] for one in rated],
        "dropped": sum(finding.outcome.name == "dropped" for finding in comparison.findings),
    }


def measure_ratings(data: Path, lm: str, store: Path | None = None) -> dict[str, Any]:
    """Spearman's correlation of the model's ratings with the mean of D5's three authors, and of each author with the
    mean of the other two.
    """
    with (data / "d5/meaningfulness_ratings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    authors = {
        criterion: np.asarray([[float(row[f"author{a}_{criterion[:3]}"]) for a in range(3)] for row in rows])
        for criterion in CRITERIA
    }
    ratings = np.full((len(rows), len(CRITERIA)), np.nan)
    with Session(lm=lm, store=store, timeout=900) as session:
        rater = Rater(session.engine)
        for number, row in enumerate(rows):
            ratings[number] = rater.rate([row["hypothesis"].rstrip(". ")], goal=row["target"])[0]
    figures: dict[str, Any] = {"hypotheses": len(rows)}
    for column, criterion in enumerate(CRITERIA):
        theirs = authors[criterion]
        among = [_spearman(theirs[:, a], np.delete(theirs, a, axis=1).mean(axis=1)) for a in range(3)]
        figures[criterion] = {
            "model": _spearman(ratings[:, column], theirs.mean(axis=1)),
            "authors": float(np.mean(among)),
            "mean of the model": float(np.nanmean(ratings[:, column])),
            "mean of the authors": float(theirs.mean()),
        }
    return figures


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    found: Any = scipy.stats.spearmanr(first, second, nan_policy="omit")
    return float(found.statistic)
