"""Drift of a taxonomy's nodes, measured on recorded judgments of the 1.5B: `python -m benchmarks.drift --data DATA`.

Texts before and new ones are drawn from a recorded set, at random or with half of the texts of one predicate left out.
A head is trained on judgments of some texts before, and 60 texts of each kind are "judged" (their recorded answers are
looked up), as `nlparam.update` does. What the language model says of all texts is known, so that it can be seen whether
the intervals hold it, how often a change is claimed where there is none, and how often one that is there is found; the
same with the shares of the heads as they are. The last line is one JSON object.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np

from benchmarks.commands import DATA, command
from benchmarks.judging.cascade import Recording, load
from nlparam.numerics.heads.head import Judged, bias, correct, fit_head, log_odds_of
from nlparam.numerics.statistics.effects import correct_p_values
from nlparam.numerics.statistics.prevalence import Prevalence, drift, prevalence

_N_BEFORE, _N_NEW, _N_TRAINED = 700, 500, 80
_LEVEL, _KEPT = 0.05, 0.5
_FIGURES = ("coverage", "width", "false_claims", "found")


def measure(
    data: Annotated[Path, "the folder of evaluation sets"] = DATA,
    *,
    n_draws: Annotated[int, "draws with, and as many without a change"] = 200,
    n_judged: Annotated[int, "texts of each kind that are judged"] = 60,
    seed: int = 0,
) -> dict[str, Any]:
    """The figures, of the worst set; `drift_sets` has them for each."""
    sets = {name: simulate(load(name, data), n_draws, n_judged, seed) for name in ("agnews", "bbc")}
    worst = {"interval_coverage": ("coverage", min), "false_claims": ("false_claims", max), "found": ("found", min)}
    worst |= {"head_coverage": ("head_coverage", min), "head_false_claims": ("head_false_claims", max)}
    return {
        f"drift_{name}": choose(figures[key] for figures in sets.values()) for name, (key, choose) in worst.items()
    } | {"drift_sets": sets}


def simulate(recorded: Recording, n_draws: int, n_judged: int, seed: int) -> dict[str, float]:
    """One set: the shares of draws, or of draws and predicates."""
    usable = np.flatnonzero(np.isfinite(recorded.probabilities).all(axis=1))
    features, probabilities = recorded.features[usable], recorded.probabilities[usable]
    n_texts, n_predicates = probabilities.shape
    thresholds = [bias(log_odds_of(column)) for column in probabilities.T]
    # What the language model says, its threshold corrected; this is what is to be estimated.
    said = np.stack([correct(c, b) >= 0.5 for c, b in zip(probabilities.T, thresholds, strict=True)], axis=1)
    rng = np.random.default_rng(seed)
    found: dict[str, list[Any]] = {f"{head}{name}": [] for head in ("", "head_") for name in _FIGURES}
    for draw in range(2 * n_draws):
        shifted, dropped = draw % 2 == 1, int(rng.integers(n_predicates))
        order = rng.permutation(n_texts)
        before, rest = order[:_N_BEFORE], order[_N_BEFORE:]
        weights = np.where(said[:, dropped], _KEPT if shifted else 1.0, 1.0)
        new = rest[rng.random(len(rest)) < weights[rest]][:_N_NEW]
        trained = before[:_N_TRAINED]
        judged = [Judged(trained, probabilities[trained, k]) for k in range(n_predicates)]
        heads = fit_head(features, judged, correct_bias=True).head.denote(features) >= 0.5
        truths = [said.mean(axis=0), weights @ said / weights.sum()]
        p_values: dict[str, list[float]] = {"": [], "head_": []}
        for k in range(n_predicates):
            for head in p_values:
                shares: list[Prevalence] = []
                for texts, truth in zip((before, new), truths, strict=True):
                    sample = rng.choice(len(texts), n_judged, replace=False)
                    answers = (None, None) if head else (sample, said[texts[sample], k])
                    share = prevalence(heads[texts, k], *answers)
                    found[f"{head}coverage"].append(share.low <= truth[k] <= share.high)
                    found[f"{head}width"].append(share.high - share.low)
                    # As if changes were claimed from heads alone, which `nlparam.update` does not.
                    shares.append(share._replace(corrected=True))
                p_values[head].append(drift(*shares).p_value)
        for head, values in p_values.items():
            claims = correct_p_values(values, "bh") <= _LEVEL
            found[f"{head}found" if shifted else f"{head}false_claims"].append(
                claims[dropped] if shifted else claims.any()
            )
    del found["head_found"]
    return {name: float(np.mean(values)) for name, values in found.items()} | {"n_draws": n_draws, "n_judged": n_judged}


if __name__ == "__main__":
    command(measure, "Drift, measured")
