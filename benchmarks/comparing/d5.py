"""The example problem of D5 (arXiv 2302.14233): headlines of two years, and what D5's own system said of them."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from benchmarks.commands import read_rows
from nlparam.numerics.statistics.effects import contrast

# D5 keeps its early stopping to intervals of this level.
_LEVEL = 1 - 1e-5


class Recorded(NamedTuple):
    """`scores`, `(n_texts, n_hypotheses)` of D5's validator, `nan` where it was not asked; `groups`, `(n_texts,)`.

    Groups are 0 for A, 1 for B and -1 where that is unknown; `reported` is what D5 says of each of the `hypotheses`.
    """

    scores: np.ndarray
    groups: np.ndarray
    hypotheses: list[str]
    reported: dict[str, dict[str, Any]]


def read_recorded(data: Path) -> Recorded:
    """The recorded scores. The published problem has a part of the headlines, so most groups are unknown (-1)."""
    folder = data / "d5"
    groups_of: dict[str, set[str]] = {}
    for row in read_rows(folder / "example_problem"):
        groups_of.setdefault(row["text"], set()).add(row["class"])
    hypotheses = json.loads((folder / "example_output/meta.json").read_text(encoding="utf-8"))["hypothesis_index"]
    scored = read_rows(folder / "example_output/sample_scores.jsonl")
    scores = [[row["scores"].get(str(number), np.nan) for number in range(len(hypotheses))] for row in scored]
    number_of = {"A": 0, "B": 1}
    groups = [number_of.get("".join(groups_of.get(row["text"], ())), -1) for row in scored]
    reported = {row["predicate"]: row for row in read_rows(folder / "example_output/hypotheses.jsonl")}
    return Recorded(np.asarray(scores), np.asarray(groups), hypotheses, reported)


def measure_statistics(data: Path) -> dict[str, Any]:
    """Our statistics against what D5 reports.

    D5 scored 1,000 headlines of each year, and which is of which year is published for some. So there are two checks.
    Of a hypothesis whose scores are all 0 or 1, the mean of all scores and the reported V say how many of each year
    hold, and then standard error, interval and one-sided p-value must come out as reported. And for the texts whose
    year is known, our intervals should cover the reported V as often as they say.
    """
    recorded = read_recorded(data)
    differences: dict[str, list[float]] = {"standard error": [], "low": [], "high": []}
    differences |= {"log10 p, pooled": [], "log10 p, Welch, above 1e-20": []}
    covered, n_binary = [], 0
    known = recorded.groups >= 0
    for column, hypothesis in enumerate(recorded.hypotheses):
        there = recorded.reported[hypothesis]
        scores = recorded.scores[:, column]
        if there["n_scored"] < 2000:
            continue
        effect = contrast(scores[known], recorded.groups[known], 2, 0)
        covered.append(effect.low <= there["mu"] <= effect.high)
        if np.abs(scores - scores.round()).max() > 0.01:
            continue
        n_binary += 1
        n_first = (scores.sum() + there["mu"] * 1000) / 2
        ones = [round(n_first), round(scores.sum() - n_first)]
        values = np.concatenate([np.repeat([1.0, 0.0], [n, 1000 - n]) for n in ones])
        again = contrast(values, np.repeat([0, 1], 1000), 2, 0, confidence=_LEVEL, prior=0.0)
        differences["standard error"].append(abs(again.standard_error - there["mu_std"]))
        differences["low"].append(abs(again.low - there["lo"]))
        differences["high"].append(abs(again.high - there["hi"]))
        # D5 pools the variances for its p-value, though not for its interval.
        pooled: Any = scipy.stats.ttest_ind(values[:1000], values[1000:], alternative="greater")
        differences["log10 p, pooled"].append(abs(np.log10(pooled.pvalue / there["p_value"])))
        if there["p_value"] > 1e-20:
            differences["log10 p, Welch, above 1e-20"].append(abs(np.log10(again.p_value / 2 / there["p_value"])))
    return {
        "hypotheses scored on all texts": len(covered),
        "with scores of 0 and 1 only": n_binary,
        "largest difference": {name: float(max(values)) for name, values in differences.items() if values},
        "texts of known year": int(known.sum()),
        "reported V in our 95% interval": float(np.mean(covered)),
    }
