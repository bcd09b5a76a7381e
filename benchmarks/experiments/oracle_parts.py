"""An oracle in place of the language model: it knows of every candidate predicate for which texts it holds.

With it an experiment measures the search alone. The gold predicates of a data set are hidden among distractors that are
made of the data; the proposer names the candidates that go with a direction best, as a language model would that reads
the texts, and the judge looks an answer up. Both count what a language model would have been asked, and how often the
search waited for it.
"""

import dataclasses

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.language.propose import AbstractProposer
from nlparam.runtime.costs import Costs

# Shares of texts for which a noisy copy of a gold predicate gives the wrong answer.
_FLIPS = (0.05, 0.1, 0.2)


@dataclasses.dataclass(frozen=True)
class Candidates:
    """`predicates`, in an order that says nothing, and `(n_texts, n_predicates)` booleans of where they hold."""

    predicates: list[str]
    holds: np.ndarray

    @classmethod
    def among_distractors(
        cls, gold: list[str], holds: np.ndarray, *, n_distractors: int, unions: bool, seed: int
    ) -> "Candidates":
        """The gold predicates and `n_distractors` times as many others.

        The distractors of each gold predicate are, in turn: a copy in which the answers for 5, 10 or 20% of the texts
        are wrong, a random half of it, a random set of texts of its size, and its union with another gold predicate.
        Without `unions` these are left out: where exactly one gold predicate holds for every text, a model that is
        linear in the denotations says the same with some unions as with the gold predicates.
        """
        rng = np.random.default_rng(seed)
        n_texts, n_gold = holds.shape
        predicates, columns = list(gold), list(holds.T)
        for number in range(n_distractors):
            for which, name in enumerate(gold):
                column = holds[:, which]
                other = int(rng.choice(np.delete(np.arange(n_gold), which))) if n_gold > 1 else which
                n_kinds = 4 if unions else 3
                kind = number % n_kinds
                if kind == 0:
                    flips = _FLIPS[number // n_kinds % len(_FLIPS)]
                    made = column ^ (rng.permutation(n_texts) < round(flips * n_texts))
                    what = f"{name}, with {flips:.0%} of the texts taken wrongly"
                elif kind == 1:
                    made, what = column & (rng.random(n_texts) < 0.5), f"{name}, of one half of them"
                elif kind == 2:
                    made, what = rng.permutation(column), f"as often as {name}, at random"
                else:
                    made, what = column | holds[:, other], f"{name}, or {gold[other]}"
                predicates.append(f"{what} ({number})")
                columns.append(made)
        order = rng.permutation(len(predicates))
        return cls([predicates[i] for i in order], np.stack([columns[i] for i in order], axis=1))


class OracleJudge(AbstractJudge):
    """Looks answers up. A question that was asked before is served, as a store would."""

    identity = "oracle"

    def __init__(self, texts, candidates: Candidates, costs: Costs):
        self.costs, self.holds = costs, candidates.holds
        self.row = {text: number for number, text in enumerate(texts)}
        self.column = {predicate: number for number, predicate in enumerate(candidates.predicates)}
        self.asked = np.zeros(self.holds.shape, dtype=bool)

    def judge(self, texts, predicates, pairs):
        asked: list[list[int]] = pairs.tolist()
        rows = np.asarray([self.row[texts[row]] for row, _ in asked], dtype=int)
        columns = np.asarray([self.column[predicates[column]] for _, column in asked], dtype=int)
        distinct = np.unique(np.stack([rows, columns], axis=1), axis=0)
        n_new = int((~self.asked[distinct[:, 0], distinct[:, 1]]).sum())
        self.asked[rows, columns] = True
        self.costs.judgments_asked += n_new
        self.costs.judgments_served += len(distinct) - n_new
        self.costs.calls += n_new
        self.costs.rounds += n_new > 0
        return self.holds[rows, columns].astype(float)


class OracleProposer(AbstractProposer):
    """Names the candidates that hold where a slot's scores are high: those of the highest correlation with them.

    **Arguments:** `n_candidates`, how many per slot at most, as the proposer of the paper is asked for 5.
    """

    def __init__(self, candidates: Candidates, costs: Costs, *, n_candidates: int = 5):
        self.candidates, self.costs, self.n_candidates = candidates, costs, n_candidates
        self.identity = f"oracle-{n_candidates}"

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        del texts, goal, rng
        self.costs.calls += scores.shape[1]
        self.costs.proposals_asked += scores.shape[1]
        self.costs.rounds += 1
        known = set(avoid)
        fresh = [number for number, predicate in enumerate(self.candidates.predicates) if predicate not in known]
        correlations = _correlations(self.candidates.holds[:, fresh], scores)
        best = np.argsort(-correlations, axis=0, kind="stable")[: self.n_candidates]
        return [
            [self.candidates.predicates[fresh[i]] for i in slot if correlations[i, k] > 0]
            for k, slot in enumerate(best.T)
        ]


def _correlations(holds: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """`(n_candidates, n_slots)` Pearson correlations."""

    def standardised(values):
        centred = values - values.mean(axis=0)
        return centred / np.maximum(np.linalg.norm(centred, axis=0), 1e-12)

    return standardised(holds.astype(float)).T @ standardised(scores)
