"""Surface similarity: do two predicates mean the same, as a language model reads them?"""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from nlparam.language.asking import ask
from nlparam.language.prompting import load_prompt, one_line
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
        lines = [(one_line(first).rstrip(" ."), one_line(second).rstrip(" .")) for first, second in pairs]
        same = np.asarray([first.casefold() == second.casefold() for first, second in lines], dtype=bool)
        grades[same] = 1.0
        rows = [{"first": lines[number][0], "second": lines[number][1]} for number in np.flatnonzero(~same)]
        read = ask(self.engine, self.prompt, rows, _grade, what="comparing", max_tokens=4, counted=True)
        grades[~same] = np.asarray(read, dtype=np.float64)  # `None` becomes `nan`
        return grades


def _grade(answer: str) -> float | None:
    # Some models write the last word of the prompt again ("Answer: yes").
    word = re.match(r"\W*(?:answer\W+)?([a-z]+)", answer.casefold())
    return GRADES.get(word[1]) if word is not None else None
