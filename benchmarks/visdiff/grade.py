"""The grader of VisDiffBench: 1, 0.5 or 0 for a hypothesis, and acc@k (arXiv 2312.02974, section 5.2)."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.visdiff.pairs import Pair
from nlparam.language.prompting import load_prompt
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine

GRADES = {"full": 1.0, "partly": 0.5, "no": 0.0}


class Grader:
    """Has a language model compare hypotheses with the true difference. Answers are kept in the store of the engine."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.prompt = load_prompt("visdiff_grade", Path(__file__).with_name("grade.txt"))
        self.identity = f"{engine.lm.identity} {self.prompt.version}"

    def grade(self, items: Sequence[tuple[Pair, str]]) -> np.ndarray:
        """`(n_items,)` grades of hypotheses about pairs, `nan` where the language model gave no usable answer."""
        fill = self.prompt.fill
        asked = [(pair, " ".join(hypothesis.split())) for pair, hypothesis in items]
        prompts = [fill(set_a=pair.set_a, set_b=pair.set_b, hypothesis=words) for pair, words in asked]
        requests = [Request(prompt, max_tokens=4) for prompt in prompts]
        answers = self.engine.complete_stored(requests, what="grading")
        words = [None if answer is None else re.search(r"[a-z]+", answer.text.casefold()) for answer in answers]
        grades = [np.nan if word is None else GRADES.get(word[0], np.nan) for word in words]
        # Whoever gave no answer at all is counted by the engine.
        unread = [answer is not None and np.isnan(grade) for answer, grade in zip(answers, grades, strict=True)]
        self.engine.costs.failures += int(np.sum(unread))
        return np.asarray(grades)


def accuracies(grades: Sequence[float], ks: Sequence[int] = (1, 5)) -> dict[str, float]:
    """acc@k for each k: the best grade among the first k hypotheses of a pair. Without a hypothesis it is 0.

    A grade that is missing counts as 0, as in VisDiff's code.
    """
    filled = np.nan_to_num(np.asarray(grades, np.float64))
    return {f"acc@{k}": float(filled[:k].max(initial=0.0)) for k in ks}
