"""Surface similarity: do two predicates mean the same, as a language model reads them?"""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from nlparam.language.prompting import load_prompt
from nlparam.lm.base import Completion, Request
from nlparam.lm.engine import Engine

# The grades of arXiv 2409.08466, section 5.2.
GRADES = {"yes": 1.0, "related": 0.5, "no": 0.0}


@dataclasses.dataclass
class SimilarityJudge:
    """Grades pairs of predicates: 1 if they mean the same, 0.5 if they are related, 0 if neither.

    Answers are kept in the store of the engine; a pair that is there, or occurs twice, is not asked again, and two
    predicates that are equal but for case, spaces and the full stop are not asked about at all.
    """

    engine: Engine

    def __post_init__(self):
        self.prompt = load_prompt("similarity")
        self.identity = f"{self.engine.lm.identity} {self.prompt.version}"

    def judge(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """`(n_pairs,)` grades, `nan` where the language model failed or answered something else.

        Raises `LanguageModelError` and `StoreError` as `Engine.complete_stored` does.
        """
        grades = np.full(len(pairs), np.nan)
        asked = []
        for number, (first, second) in enumerate(pairs):
            if _plain(first) == _plain(second):
                grades[number] = 1.0
            else:
                asked.append(number)
        requests = [
            Request(self.prompt.fill(first=_line(pairs[number][0]), second=_line(pairs[number][1])), max_tokens=4)
            for number in asked
        ]
        answers = self.engine.complete_stored(requests, what="comparing")
        grades[asked] = [self._grade(answer) for answer in answers]
        return grades

    def _grade(self, answer: Completion | None) -> float:
        if answer is None:  # the engine has counted the failure
            return np.nan
        # Some models write the last word of the prompt again ("Answer: yes").
        word = re.match(r"\W*(?:answer\W+)?([a-z]+)", answer.text.casefold())
        grade = GRADES.get(word[1]) if word is not None else None
        if grade is None:
            self.engine.costs.failures += 1
            return np.nan
        return grade


def _plain(predicate: str) -> str:
    return _line(predicate).casefold()


def _line(predicate: str) -> str:
    return " ".join(predicate.split()).rstrip(" .")
