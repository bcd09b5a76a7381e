"""How much a search does, and in which way."""

import dataclasses
from typing import Literal, get_args

from nlparam.errors import check_at_least, check_one_of

Refinement = Literal["columns", "coordinate"]


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """How much the search does.

    **Arguments:**

    - `n_rounds`: rounds of refinement after the first selection.
    - `n_slots_refined`: how many of the least useful predicates a round tries to replace; None for all.
    - `n_candidates`: the most candidates that are kept of the proposals for one slot; those of all slots compete.
    - `n_screened`: on how many texts per slot every candidate is judged.
    - `n_judged`: on how many texts the chosen predicates are judged; None for all, which leaves the head nothing to
      denote. The head denotes the texts that are not judged.
    - `n_judged_finally`: on how many texts the predicates are judged that were chosen in the end, as far as
      `max_judgments` allows; None for no more than `n_judged`. The search is over then: they only teach the head.
    - `max_judgments`: the most judgments the search may use, whether the language model or the store answers them, so
      that a run that was interrupted ends like one that was not.
    - `reserved`: the share of `max_judgments` that the first selection leaves to the rounds, if that is enough to
      screen a candidate for each slot; a quarter for a small language model, else the rounds have what is left.
    - `correct_bias`: move the threshold of each predicate to where its yes and no answers part (small models).
    - `n_restarts`: starts of each relaxation.
    - `n_relaxed`: on how many texts, drawn at random, the restarts of a relaxation compete; the best goes on with all.
    - `contention`: candidates that would raise the loss by less than this in place of a chosen one are judged on as
      many texts before they are passed over; a few texts cannot tell them apart.
    - `tolerance`: the least gain in loss that counts as an improvement.
    - `refinement`: `"columns"`, column generation, or `"coordinate"`, the algorithm of the paper (arXiv 2409.08466,
      section 4), which refines one slot after another and judges every candidate on all `n_judged` texts. Its rounds
      go through `n_slots_refined` slots, one at a time; with 1 slot and 10 rounds it does what the paper reports.
    - `relaxation`: False puts directions drawn at random in the place of relaxed ones (an ablation).
    - `n_ahead`: how many times as many slots are relaxed as well before the first proposals, so that there are more
      candidates to select from at once; 1 for none. It saves rounds where a wait costs more than a judgment.
    - `pricing`: refine only slots in which a relaxed direction promises a lower loss, and end where none does.
    """

    n_rounds: int = 1
    n_slots_refined: int | None = None
    n_candidates: int = 4
    n_screened: int = 3
    n_judged: int | None = 60
    n_judged_finally: int | None = None
    max_judgments: int | None = None
    reserved: float = 0.0
    correct_bias: bool = True
    n_restarts: int = 8
    n_relaxed: int = 16_384
    contention: float = 0.05
    tolerance: float = 1e-3
    refinement: Refinement = "columns"
    relaxation: bool = True
    n_ahead: int = 1
    pricing: bool = False

    def __post_init__(self):
        check_at_least(0, n_rounds=self.n_rounds)
        check_at_least(1, n_candidates=self.n_candidates, n_screened=self.n_screened, n_restarts=self.n_restarts)
        check_at_least(1, n_ahead=self.n_ahead, n_slots_refined=self.n_slots_refined)
        check_at_least(2, n_relaxed=self.n_relaxed, n_judged=self.n_judged, n_judged_finally=self.n_judged_finally)
        check_at_least(2, max_judgments=self.max_judgments)
        if not 0 <= self.reserved < 1:
            raise ValueError(f"got reserved={self.reserved!r}, expected a share of the judgments, from 0 to below 1")
        check_one_of(get_args(Refinement), refinement=self.refinement)
