"""The final assignment of the paper and of GoalEx: the language model says which one of K predicates fits a text."""

from pathlib import Path

import numpy as np

from nlparam.denotation.pool import Pool
from nlparam.fitting.setup import FitRun
from nlparam.language.choice import LETTERS, Chooser
from nlparam.language.prompting import cut_words, load_prompt

_PROMPT = Path(__file__).parent / "commitment.txt"


def commit(run: FitRun, pool: Pool, predicates: list[str], denotations: np.ndarray) -> np.ndarray:
    """`(n_distinct,)` indices into the predicates: for every text the one that the language model chooses.

    -1 where it gave no usable answer, or was not asked because the judgments are used up. Texts for which none of the
    predicates holds, or several, come first. More predicates than there are letters are put in heats.

    **Arguments:** `denotations`, `(n_distinct, n_predicates)`, those that are known.
    """
    chosen = np.full(len(pool.texts), -1)
    n_heats = -(-len(predicates) // len(LETTERS))
    heats = [list(range(number, len(predicates), n_heats)) for number in range(n_heats)]
    n_asked = int(min(len(pool.texts), pool.left // (n_heats + (n_heats > 1))))
    rows = np.argsort((denotations > 0.5).sum(axis=1) == 1, kind="stable")[:n_asked]
    chooser = Chooser(run.session.engine, load_prompt("commitment", _PROMPT), progress=run.progress)

    def winners(offered: list[list[int]], rows: np.ndarray) -> np.ndarray:
        questions = [
            {"goal": run.search.goal, "text": cut_words(str(pool.texts[row]), run.session.policy.n_words)}
            for row in rows.tolist()
        ]
        shares = chooser.choose(questions, [[predicates[number] for number in options] for options in offered])
        return np.asarray(
            [-1 if np.isnan(of).any() else options[of.argmax()] for of, options in zip(shares, offered, strict=True)]
        )

    with run.costs.stage("commitment"):
        if len(rows):
            heat_winners = [winners([heat] * len(rows), rows) for heat in heats]
            found = heat_winners[0]
            if n_heats > 1:
                found = np.full(len(rows), -1)
                whole = np.flatnonzero(np.stack(heat_winners).min(axis=0) >= 0)
                finals = [[int(heat[row]) for heat in heat_winners] for row in whole.tolist()]
                found[whole] = winners(finals, rows[whole])
            chosen[rows] = found
    return chosen
