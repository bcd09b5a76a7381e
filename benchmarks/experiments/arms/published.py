"""The algorithm of the paper as it was published (arXiv 2409.08466, section 4), with its ablations."""

import dataclasses

import numpy as np

from benchmarks.experiments.arms.ablations import OneHotEmbedder
from benchmarks.experiments.arms.shared import judged_clusters, options_with, shuffled
from benchmarks.experiments.base import SEARCH_ALONE, AbstractArm, Dataset, Outcome, Problem
from nlparam.errors import LanguageModelError
from nlparam.fitting.search import Search
from nlparam.fitting.setup import prepared
from nlparam.language.propose import Contrast

# On fewer texts no head can be trained.
_LEAST_JUDGED = 8


@dataclasses.dataclass(frozen=True)
class Published(AbstractArm):
    """Coordinate refinement on plain embeddings; every candidate is judged on all texts.

    The language model proposes five predicates for each relaxed direction. All candidates so far are ranked by the
    correlation of their denotations with the texts' scores in that direction (its size, unless the model assigns texts)
    and the first `n_top` of them compete. A round replaces the least useful predicate if one of them lowers the loss.
    Relaxations and weights are those of nlparam, which reach lower losses than the published code.

    Where judgments are limited, candidates are judged on as many random texts as that allows, and the head denotes the
    others.

    **Arguments:** `n_rounds`, 0 for No-Refine; `n_top`; `relaxation`, False for No-Relax: directions are random and so
    are the `n_top` candidates; `embedder`, another one, or "one_hot"; `shuffled`, whether the times are permuted;
    `committed`, whether the language model says in the end which one cluster fits each text best.
    """

    n_rounds: int = 10
    n_top: int = 5
    relaxation: bool = True
    embedder: str | None = None
    shuffled: bool = False
    committed: bool = True

    def unfit(self, dataset: Dataset) -> str | None:
        if self.shuffled and dataset.task != "time_series":
            return f"got a {dataset.task}, expected a time series, whose times can be shuffled: leave this arm out"
        return super().unfit(dataset)

    def run(self, problem: Problem) -> Outcome:
        problem = shuffled(problem) if self.shuffled else problem
        dataset, n_slots = problem.dataset, problem.model.n_predicates
        given = options_with(problem, relaxation=self.relaxation, correct_bias=False)
        options = {"n_judged": None, "max_judgments": None} | (given if isinstance(given, dict) else vars(given))
        if options["n_judged"] is None and options["max_judgments"] is not None:
            n_candidates = self.n_top * (n_slots + self.n_rounds)
            options["n_judged"] = max(_LEAST_JUDGED, options["max_judgments"] // n_candidates)
        settings = {"proposer": Contrast, **problem.settings, "representation": "embedding"}
        if self.embedder is not None:
            one_hot = self.embedder == "one_hot"
            settings["embedder"] = OneHotEmbedder(dataset.texts) if one_hot else self.embedder
        settings |= SEARCH_ALONE | {"options": options}
        with prepared(problem.model, dataset.texts, dataset.data, goal=dataset.goal, **settings) as run:
            search = run.search
            chosen = self._search(search, search.start())
            filled = [column for column in chosen if column >= 0]
            outcome = judged_clusters(problem, run, search.pool, filled, search.features, committed=self.committed)
        return dataclasses.replace(outcome, trace=search.trace)

    def _search(self, search: Search, scores: np.ndarray) -> list[int]:
        """The chosen columns, -1 for a slot that no candidate was left for."""
        self._propose(search, scores)
        chosen: list[int] = []
        for column in scores.T:
            chosen.append(next((one for one in self._ranked(search, column) if one not in chosen), -1))
        loss = self._best(search, chosen, 0, [])[1]
        search.record("selection", loss, chosen)
        for number in range(1, self.n_rounds + 1):
            if search.pool.spent:
                break
            slot = int(np.argmin([_without(search, chosen, slot) for slot in range(len(chosen))]))
            scores = search.embeddings @ search.directions_beside(chosen, [slot]).T
            self._propose(search, scores)
            chosen, loss = self._best(search, chosen, slot, self._ranked(search, scores[:, 0])[: self.n_top])
            search.record(f"refinement {number}", loss, chosen)
        return chosen

    def _propose(self, search: Search, scores: np.ndarray) -> None:
        new = search.propose_for(scores)
        if not search.pool.predicates:
            raise LanguageModelError(
                "the language model proposed no usable predicate: try a stronger one, or a plainer goal"
            )
        search.judge_on((new, search.rows_in_full))

    def _ranked(self, search: Search, scores: np.ndarray) -> list[int]:
        """All candidates, the one first that agrees best with the scores of the distinct texts."""
        columns = search.usable_columns()
        if not self.relaxation:
            return search.rng.permutation(columns).tolist()
        deviations = search.pool.cautious_denotations(columns)
        deviations = deviations - deviations.mean(axis=0)
        # A candidate that holds for all texts, or for none, correlates with nothing.
        correlation = (scores - scores.mean()) @ deviations / np.maximum(np.linalg.norm(deviations, axis=0), 1e-6)
        agreement = correlation if search.model.assigns_texts else np.abs(correlation)
        return [columns[number] for number in np.argsort(-agreement, kind="stable")]

    def _best(self, search: Search, chosen: list[int], slot: int, candidates: list[int]) -> tuple[list[int], float]:
        """The choice with the best of some candidates in a slot, or as it was, and its loss."""
        columns, losses = search.losses_in(chosen, slot)
        loss_of = dict(zip(columns, losses.tolist(), strict=True))
        allowed = [chosen[slot], *(one for one in candidates if one not in chosen)]
        best = min(allowed, key=loss_of.__getitem__)
        return [*chosen[:slot], best, *chosen[slot + 1 :]], loss_of[best]


def _without(search: Search, chosen: list[int], slot: int) -> float:
    columns, losses = search.losses_in(chosen, slot)
    return float(losses[columns.index(-1)])
