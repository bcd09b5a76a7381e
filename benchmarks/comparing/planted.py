"""Planted differences and none at all, with scripted proposals and a scripted judge that errs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from benchmarks.comparing.problems import Problem, many_problem, null_problem, planted_problem
from benchmarks.inference.worlds import quiet
from nlparam.comparing.driver import compare
from nlparam.comparing.result import Comparison
from nlparam.denotation.judge import AbstractJudge
from nlparam.language.propose.groups import AbstractGroupProposer
from nlparam.lm import ScriptedModel

N_PLANTED, N_NULL, N_RACES = 40, 200, 20
ERROR, RACE_ERROR = 0.15, 0.05
# Enough for differences of a quarter, and a fraction of what a strong model would be asked for.
OPTIONS: dict[str, Any] = {"n_directions": 0, "n_kept": 6}


class NoisyJudge(AbstractJudge):
    """Knows the truth and errs in a share of its answers, always the same ones."""

    identity = "noisy"

    def __init__(self, truth: dict[str, dict[str, bool]], *, seed: int, error: float = ERROR):
        self.truth, self.error, self.n_asked = truth, error, 0
        self.errs: dict[tuple[str, str], bool] = {}
        self.rng = np.random.default_rng([7, seed])

    def judge(self, texts: Sequence[str], predicates: Sequence[str], pairs: np.ndarray) -> np.ndarray:
        answers = []
        for row, column in pairs.tolist():
            text, predicate = str(texts[row]), str(predicates[column])
            if (text, predicate) not in self.errs:
                self.errs[text, predicate] = bool(self.rng.random() < self.error)
                self.n_asked += 1
            answers.append(self.truth[predicate][text] != self.errs[text, predicate])
        return np.asarray(answers, np.float64)


@dataclasses.dataclass
class ScriptedProposer(AbstractGroupProposer):
    """Gives the planted predicate and distractors, in random order, whatever it is shown of the research split."""

    predicates: list[str]
    n_shown: int = 12
    identity: str = "scripted"

    def propose(self, panels, *, goal, rng):
        del goal
        shuffled = rng.permutation(self.predicates).tolist()
        return [shuffled[number :: len(panels)] for number in range(len(panels))]


def run(problem: Problem, number: int, *, error: float = ERROR, **options: Any) -> tuple[Comparison, int]:
    """The comparison of one problem, and how many judgments it took."""
    judge = NoisyJudge(problem.truth, seed=number, error=error)
    proposer = ScriptedProposer(list(problem.truth))
    arguments = {"lm": ScriptedModel([]), "judge": judge, "proposer": proposer, "ratings": False, "store": ":memory:"}
    with quiet():
        comparison = compare(problem.groups, options=OPTIONS | options, seed=number, **arguments)
    return comparison, judge.n_asked


def measure_planted(data: Path) -> dict[str, Any]:
    """How often the planted predicate is seen in its group, how far up, and claimed; `nan` where it is not seen."""
    ranks, spent, covered, claimed = [], [], [], []
    for number in range(N_PLANTED):
        problem = planted_problem(data, number)
        comparison, n_asked = run(problem, number)
        seen = [f.predicate == problem.planted and f.more == "first" for f in comparison.findings]
        ranks.append(seen.index(True) + 1 if any(seen) else np.nan)
        spent.append(n_asked)
        covered += _covered(comparison, problem)
        claimed.append(any(f.predicate == problem.planted and f.more == "first" for f in comparison.claims))
    return {
        "problems": N_PLANTED,
        "in the first 3": float(np.mean(np.asarray(ranks) <= 3)),
        "first": float(np.mean(np.asarray(ranks) == 1)),
        "claimed": float(np.mean(claimed)),
        "judgments": float(np.mean(spent)),
        "intervals that cover": float(np.mean(covered)),
    }


def _covered(comparison: Comparison, problem: Problem) -> list[bool]:
    """For each tested predicate whether its interval has the effect over all texts, as such a judge would see it."""
    covered = []
    for finding in comparison.tested:
        assert finding.crude is not None
        shares = [
            np.mean([problem.truth[finding.predicate][text] for text in group]) for group in problem.groups.values()
        ]
        effect = (shares[0] - shares[1]) * (1 - 2 * ERROR) * (1 if finding.more == "first" else -1)
        covered.append(finding.crude.low <= effect <= finding.crude.high)
    return covered


def measure_null(data: Path) -> dict[str, Any]:
    claimed, p_values = 0, []
    for number in range(N_NULL):
        comparison, _ = run(null_problem(data, number), number)
        claimed += bool(comparison.claims)
        p_values += [finding.crude.p_value for finding in comparison.tested if finding.crude is not None]
    low, high = scipy.stats.binomtest(claimed, N_NULL).proportion_ci()
    return {
        "problems": N_NULL,
        "with a claim": claimed / N_NULL,
        "interval": [round(float(low), 4), round(float(high), 4)],
        "p-values below 0.05": float(np.mean(np.asarray(p_values) < 0.05)),
    }


def measure_racing(data: Path) -> dict[str, Any]:
    """What dropping candidates early saves and loses, where four of 19 differ much and four are wanted."""
    figures: dict[str, Any] = {}
    for name, first in {"dropping early": 16, "judging all": 128}.items():
        found, spent = [], []
        for number in range(N_RACES):
            problem, planted = many_problem(data, number)
            comparison, n_asked = run(problem, number, error=RACE_ERROR, n_kept=4, n_first=first, n_validated=100)
            found.append(sum(finding.predicate in planted for finding in comparison.claims) / len(planted))
            spent.append(n_asked)
        figures[name] = {"of the four claimed": float(np.mean(found)), "judgments": float(np.mean(spent))}
    return figures
