"""Planted differences and none at all, with scripted proposals and a scripted judge that errs.

Problems have a known answer: two groups of texts that are mixed with known shares of a known property.
"""

import dataclasses
import functools
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from benchmarks.commands import read_rows
from benchmarks.simulated import TableJudge, quiet, silent
from nlparam.comparing.driver import compare
from nlparam.comparing.result import Comparison
from nlparam.language.propose.groups import AbstractGroupProposer

# The sets, and whether their gold is one label per text or a denotation per reference predicate.
_SETS = {
    "agnews": "cluster/agnews",
    "syngoalex": "cluster/syngoalex_topic",
    "letters": "classification/dummy",
    "series": "time_series/topics",
}
# Properties of the form of a text, which a proposer could name and which the plant does not aim at.
_FORMS = {
    "contains a digit": r"\d",
    "contains a question": r"\?",
    "contains a quotation": r"[\"“”«»]",
    "contains an acronym": r"\b[A-Z]{2,}\b",
    "contains parentheses": r"\(",
    "begins with the letter A": r"^\W*[Aa]",
    "contains the word new": r"\bnew\b",
    "contains the word said": r"\bsaid\b",
    "contains the word year": r"\byears?\b",
    "contains the word first": r"\bfirst\b",
    "contains a hyphen": r"-",
    "contains a semicolon": r";",
    "contains an apostrophe": r"'",
    "contains a long word": r"\w{13,}",
    "mentions a weekday": r"(?i)\b(mon|tues|wednes|thurs|fri|satur|sun)day\b",
}


class Problem(NamedTuple):
    """Two groups, `planted`, the property that the first has more of, and the truth of all candidates by text."""

    name: str
    groups: dict[str, list[str]]
    planted: str | None
    truth: dict[str, dict[str, bool]]


def planted_problem(folder: Path, number: int, *, seed: int = 0) -> Problem:
    """Problem `number` of a family: set, property, sizes and shares vary with it."""
    rng = np.random.default_rng([seed, number])
    name = list(_SETS)[number % len(_SETS)]
    texts, truth = _gold(folder, name)
    properties = [p for p in truth if p not in _FORMS and not p.startswith("other: ")]
    planted = properties[(number // len(_SETS)) % len(properties)]
    first, second = [(0.5, 0.25), (0.45, 0.15), (0.6, 0.3), (0.35, 0.1)][int(rng.integers(4))]
    sizes = int(rng.integers(300, 500)), int(rng.integers(300, 500))
    return _mixed(name, planted, (first, second), sizes, texts, truth, rng)


def planted_in(
    folder: Path, name: str, word: str, shares: tuple[float, float], *, sizes: tuple[int, int], seed: int
) -> Problem:
    """A problem of a given set, in which the property that has a word in it is planted."""
    texts, truth = _gold(folder, name)
    planted = next(p for p in truth if word in p)
    return _mixed(name, planted, shares, sizes, texts, truth, np.random.default_rng([3, seed]))


def _mixed(name: str, planted: str, shares, sizes, texts: list[str], truth, rng: np.random.Generator) -> Problem:
    holders = rng.permutation([text for text in texts if truth[planted][text]]).tolist()
    others = rng.permutation([text for text in texts if not truth[planted][text]]).tolist()
    # Small sets do not hold that many texts with the property, or without it.
    wanted = sum(share * size for share, size in zip(shares, sizes, strict=True))
    scale = min(1.0, len(holders) / wanted, len(others) / (sum(sizes) - wanted))
    groups = {}
    for group, share, n in zip(("first", "second"), shares, sizes, strict=True):
        n_holders, n_others = int(share * n * scale), int((1 - share) * n * scale)
        groups[group] = [holders.pop() for _ in range(n_holders)] + [others.pop() for _ in range(n_others)]
    return Problem(f"{name}: {planted}", groups, planted, truth)


def null_problem(folder: Path, number: int, *, seed: int = 1) -> Problem:
    """Two groups drawn at random from one corpus: nothing tells them apart but chance."""
    rng = np.random.default_rng([seed, number])
    name = list(_SETS)[number % len(_SETS)]
    texts, truth = _gold(folder, name)
    n = int(rng.integers(200, 400))
    drawn = rng.permutation(texts)[: 2 * n].tolist()
    return Problem(name, {"first": drawn[:n], "second": drawn[n:]}, None, truth)


@functools.cache
def _gold(folder: Path, name: str) -> tuple[list[str], dict[str, dict[str, bool]]]:
    """Texts, and the truth of about 15 distractors beside the properties of the set."""
    place = folder / _SETS[name]
    rows = list({row["text"]: row for row in read_rows(place)}.values())
    texts = [row["text"] for row in rows]
    references = json.loads((place / "meta.json").read_text(encoding="utf-8"))["reference_predicates"]
    truth: dict[str, dict[str, bool]] = {}
    if name == "letters":
        # The texts are lists of letters; those without a meaning for the classes are the distractors.
        for letter in "abcdefghijklmnopqrstu":
            kind = "" if letter in references else "other: "
            truth[f"{kind}contains the letter {letter}"] = {text: letter in text.split() for text in texts}
        return texts, truth
    for number, reference in enumerate(references):
        name = reference.rstrip(".")
        held = (row["denotation"][number] if "denotation" in row else name.endswith(row["label"]) for row in rows)
        truth[name] = dict(zip(texts, map(bool, held), strict=True))
    for form, pattern in _FORMS.items():
        truth[form] = {text: re.search(pattern, text) is not None for text in texts}
    return texts, truth


N_PLANTED, N_NULL, ERROR = 40, 200, 0.15
# Enough for differences of a quarter, and a fraction of what a strong model would be asked for.
OPTIONS: dict[str, Any] = {"n_directions": 0, "n_kept": 6}


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


def run(problem: Problem, number: int) -> tuple[Comparison, int]:
    """The comparison of one problem, judged with errors, and how many judgments it took."""
    texts = list({text: None for group in problem.groups.values() for text in group})
    rng = np.random.default_rng([7, number])
    held = {name: np.asarray([of[text] for text in texts], dtype=bool) for name, of in problem.truth.items()}
    judge = TableJudge(texts, {name: column ^ (rng.random(len(texts)) < ERROR) for name, column in held.items()})
    arguments = {"lm": silent(), "judge": judge, "proposer": ScriptedProposer(list(held)), "ratings": False}
    with quiet():
        comparison = compare(problem.groups, options=OPTIONS, seed=number, store=":memory:", **arguments)
    return comparison, len(judge.asked)


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
