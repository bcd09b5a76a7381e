"""Pairs of image sets: where they lie, and how what is said of them is graded (arXiv 2312.02974, section 5.2).

A grade is 1, 0.5 or 0. How far a grader can be trusted is measured without any image, on hypotheses of known grade.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.commands import read_rows
from nlparam.comparing.images import holds_images
from nlparam.language.prompting import load_prompt
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine

# What the ImageNet sets are compared with has the name of a data set instead of a description.
_PLAIN = {"imagenet": "ordinary photographs", "base": "ordinary photographs"}


class Pair(NamedTuple):
    """A pair: `source` is the part of the benchmark (easy, medium, hard, imagenetr, imagenetstar)."""

    id: str
    source: str
    set_a: str
    set_b: str


def read_pairs(path: Path, *, sources: Sequence[str] = (), most: int | None = None) -> list[Pair]:
    """The pairs of a JSON Lines file with the fields id, difficulty_path, set_a and set_b.

    **Arguments:** `sources` to keep, by default all; `most`, how many of each source.
    """
    pairs, counts = [], Counter()
    for row in read_rows(path):
        source = row["difficulty_path"]
        if (not sources or source in sources) and (most is None or counts[source] < most):
            counts[source] += 1
            pairs.append(Pair(row["id"], source, row["set_a"], _PLAIN.get(row["set_b"]) or row["set_b"]))
    return pairs


class Sets(NamedTuple):
    """Where the two sets of a pair lie: folders of images, or files of captions."""

    a: Path
    b: Path
    images: bool


def find_sets(folder: Path, pair: Pair) -> Sets | None:
    """The folders `FOLDER/ID/a` and `/b` with images, or the files `a.jsonl`, `a.txt`, ... of captions; else `None`."""
    a, b = folder / pair.id / "a", folder / pair.id / "b"
    if holds_images(a) and holds_images(b):
        return Sets(a, b, images=True)
    for suffix in (".jsonl", ".csv", ".txt"):
        files = a.with_suffix(suffix), b.with_suffix(suffix)
        if all(file.is_file() for file in files):
            return Sets(*files, images=False)
    return None


def known_hypotheses(pairs: Sequence[Pair]) -> list[tuple[str, Pair, str, float]]:
    """Kind, pair, hypothesis and the grade that is right, three for each pair.

    "identical" is the description of set A, "swapped" that of set B, and "permuted" that of another pair's set A.
    """
    # Half the list away, so that neighbours of one subject do not meet.
    others = [pairs[(number + len(pairs) // 2) % len(pairs)] for number in range(len(pairs))]
    known = []
    for pair, other in zip(pairs, others, strict=True):
        said = ("identical", pair.set_a, 1.0), ("swapped", pair.set_b, 0.0), ("permuted", other.set_a, 0.0)
        known += [(kind, pair, f"shows {shown[:1].lower()}{shown[1:]}", grade) for kind, shown, grade in said]
    return known


def agreement(kinds: Sequence[str], right: Sequence[float], grades: np.ndarray) -> dict[str, dict[str, float | None]]:
    """For each kind the mean grade, the share of right ones, and of hypotheses without a usable grade."""
    found: dict[str, dict[str, float | None]] = {}
    for kind in dict.fromkeys(kinds):
        rows = np.flatnonzero([other == kind for other in kinds])
        given, wanted = grades[rows], np.asarray(right)[rows]
        answered = ~np.isnan(given)
        found[kind] = {
            "mean_grade": float(given[answered].mean()) if answered.any() else None,
            "right": float(np.mean(np.where(answered, given == wanted, False))),
            "unanswered": float(np.mean(~answered)),
        }
    return found


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
