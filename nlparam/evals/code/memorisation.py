"""The memorisation probe: whether solutions of problems that are known pass more often than of the same in other words.

DS-1000 perturbs its problems: on the surface (other words, the same solution), semantically (a small change of what is
asked), or into a harder one. A language model that knows an original by heart loses more than one that solves it.
"""

import dataclasses
from typing import Any

import numpy as np

from nlparam.errors import CorpusError
from nlparam.evals.code.evaluation import Evaluation
from nlparam.evals.code.problems import ORIGIN
from nlparam.numerics.statistics.effects import correct_p_values
from nlparam.numerics.statistics.rates import RateDifference, paired_difference

# Fewer perturbed problems on either side have nothing in common that would be worth a sentence.
_LEAST = 6


@dataclasses.dataclass(frozen=True)
class Probe:
    """What is lost from original to perturbed problems, by the kind of perturbation.

    `pairs` are the indices of an original and of a problem made from it, by kind, `(n_pairs, 2)`; `drops` the paired
    differences (original minus perturbed) with McNemar's exact test; `p_adjusted` the p-values adjusted by Holm for the
    number of kinds; `n_unpaired` the perturbed problems whose original is not there.
    """

    pairs: dict[str, np.ndarray]
    drops: dict[str, RateDifference]
    p_adjusted: dict[str, float]
    n_unpaired: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "unpaired": self.n_unpaired,
            "drops": {
                kind: {"pairs": len(self.pairs[kind]), **drop._asdict(), "p_adjusted": self.p_adjusted[kind]}
                for kind, drop in self.drops.items()
            },
        }


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Predicates of the perturbed problems that are lost: `fit` is a `Difference`, lost against kept.

    It describes these problems. It was found and is told on the same ones, so it proves nothing about others.
    """

    fit: Any
    n_lost: int
    n_kept: int

    def as_dict(self) -> dict[str, Any]:
        differences = np.asarray(self.fit.quantities()["difference"].values)
        return {
            "lost": self.n_lost,
            "kept": self.n_kept,
            "predicates": [
                {"predicate": predicate, "difference": float(value)}
                for predicate, value in sorted(
                    zip(self.fit.predicates, differences, strict=True), key=lambda pair: -abs(float(pair[1]))
                )
            ],
        }


def probe(evaluation: Evaluation, *, seed: int = 0) -> Probe:
    """Compares every perturbed problem with its original.

    Raises `CorpusError` if no original and perturbed problem belong together.
    """
    problems, verdicts = evaluation.problems, evaluation.verdicts
    usable = [index for index, verdict in enumerate(verdicts) if not verdict.broken]
    originals = {
        (problems[index].library, problems[index].number): index
        for index in usable
        if problems[index].perturbation == ORIGIN
    }
    pairs: dict[str, list[tuple[int, int]]] = {}
    n_unpaired = 0
    for index in usable:
        problem = problems[index]
        if problem.perturbation == ORIGIN:
            continue
        original = originals.get((problem.library, problem.origin))
        if original is None:
            n_unpaired += 1
        else:
            pairs.setdefault(problem.perturbation, []).append((original, index))
    if not pairs:
        raise CorpusError(
            f"none of {len(problems)} problems is a perturbation of another that is there: the probe needs originals "
            "(perturbation_type Origin) and problems whose perturbation_origin_id names them"
        )
    passed = np.asarray([verdict.passed for verdict in verdicts])
    arrays = {kind: np.asarray(found) for kind, found in sorted(pairs.items())}
    drops = {
        kind: paired_difference(
            passed[found[:, 0]], passed[found[:, 1]], found[:, 0], confidence=evaluation.confidence, seed=seed
        )
        for kind, found in arrays.items()
    }
    adjusted = correct_p_values([drop.p_value for drop in drops.values()], "holm")
    return Probe(arrays, drops, dict(zip(drops, adjusted.tolist(), strict=True)), n_unpaired)


def explain_drop(evaluation: Evaluation, probed: Probe, *, n_predicates: int = 3, **options: Any) -> Explanation:
    """Describes the perturbed problems that are lost, among those whose original is solved.

    **Arguments:** `options` as for `nlparam.fit`: `lm`, `store`, `budget`, `executable`, ...

    Raises `CorpusError` if too few are lost, or kept, to have anything in common, and what `nlparam.fit` raises.
    """
    from nlparam.fitting.driver import fit
    from nlparam.models import Difference

    passed = [verdict.passed for verdict in evaluation.verdicts]
    found = np.concatenate(list(probed.pairs.values()))
    perturbed = [index for original, index in found.tolist() if passed[original]]
    lost = [not passed[index] for index in perturbed]
    if min(sum(lost), len(lost) - sum(lost)) < _LEAST:
        raise CorpusError(
            f"of {len(lost)} perturbed problems whose original is solved {sum(lost)} are lost: at least {_LEAST} lost "
            f"and {_LEAST} kept are needed to say what they have in common"
        )
    texts = [evaluation.problems[index].prompt for index in perturbed]
    if not any(texts):
        raise CorpusError("this evaluation is from a file, without the texts of the problems: evaluate the code again")
    groups = ["lost" if is_lost else "kept" for is_lost in lost]
    options.setdefault("goal", "what the programming problem asks for")
    fitted = fit(Difference(n_predicates=n_predicates, towards="lost"), texts, groups, **options)
    return Explanation(fitted, sum(lost), len(lost) - sum(lost))
