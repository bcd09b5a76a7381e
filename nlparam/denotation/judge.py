"""Judging: how likely is it that a predicate holds for a text?"""

import abc
import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nlparam.corpus.corpus import text_digest
from nlparam.language.prompting import cut_words, load_prompt
from nlparam.lm.base import Completion, Image, Message, Request
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress, Task

LABELS = ("yes", "no")
FORMS = ("single", "contrastive")
_LOOKED_UP = 4096  # questions looked up in the store at once, and the most that wait to be sent


class AbstractJudge(abc.ABC):
    """Says how likely predicates hold for texts. Implementations answer in bulk and never answer a question twice."""

    identity: str

    @abc.abstractmethod
    def judge(self, texts: Sequence[str], predicates: Sequence[str], pairs: np.ndarray) -> np.ndarray:
        """Probabilities for pairs of text and predicate.

        **Arguments:** `pairs`, `(n_pairs, 2)` indices into `texts` and `predicates`.

        **Returns:** `(n_pairs,)` probabilities in [0, 1], `nan` where the language model gave no usable answer, or was
        not asked because the budget is spent.
        """

    def computes(self, predicate: str) -> bool:
        """Whether a predicate is computed, exactly and at no cost, so that all texts are judged at once."""
        del predicate
        return False


@dataclasses.dataclass
class LabelJudge(AbstractJudge):
    """Asks a language model and reads the probabilities of the labels yes and no, renormalised over the two.

    Prompts put the text before the predicate and requests are ordered by text, so that a prefix cache computes each
    text once. Every answer is stored as soon as it is there. Questions are made as they are sent: a million of them
    need no more memory than two numbers each.

    **Arguments:**

    - `n_words`: how much of a text the model is shown.
    - `images`: where texts stand for images, the image of each text. Then the image is shown instead of the text, by a
      prompt of its own (form "single"), and its content is the key of the answer.
    - `form`: `"single"` asks for one predicate at a time; `"contrastive"` lists up to `n_listed` of the predicates that
      a text is judged for before it asks for each. `docs/how-to/language-models.md` has the accuracy and cost of both.
      A contrastive answer depends on the list, so it is stored and found again only under the same list.
    - `question`: the name of another prompt with the fields `$text` and `$predicate`, by which to ask something else.
    """

    engine: Engine
    store: Store
    costs: Costs
    n_words: int = 400
    form: str = "single"
    n_listed: int = 8
    progress: Progress = dataclasses.field(default_factory=Progress)
    images: Mapping[str, Image] | None = None
    question: str | None = None

    def __post_init__(self):
        if self.form not in FORMS:
            raise ValueError(f"got form={self.form!r}, expected one of {', '.join(FORMS)}")
        if self.n_listed < 1:
            raise ValueError(f"got n_listed={self.n_listed}, expected at least 1")
        if self.images is not None and self.form != "single":
            raise ValueError(f"got form={self.form!r} for images, expected 'single'")
        if self.images is not None:
            self.prompt = load_prompt("judge_image")
            self.version = self.prompt.version
        else:
            self.prompt = load_prompt(self.question or ("judge" if self.form == "single" else "judge_contrastive"))
            self.version = f"{self.prompt.version}-w{self.n_words}"
        listed = f" l{self.n_listed}" if self.form == "contrastive" else ""
        self.identity = f"{self.engine.lm.identity} {self.version}{listed}"

    def judge(self, texts: Sequence[str], predicates: Sequence[str], pairs: np.ndarray) -> np.ndarray:
        pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
        there: list[int] = np.unique(pairs[:, 0]).tolist()
        digests = {text: self._digest(texts[text]) for text in there}
        # One question may occur twice (equal texts, equal predicates): it is asked once, in text-major order.
        of_text = _first_equal(pairs[:, 0], digests)
        of_predicate = _first_equal(pairs[:, 1], predicates)
        questions, position = np.unique(np.column_stack([of_text, of_predicate]), axis=0, return_inverse=True)
        answers = np.full(len(questions), np.nan)
        under_way: dict[int, tuple[int, str, str, str]] = {}
        with self.progress.task("judging", len(questions), costs=self.costs, unit="judgments") as task:

            def requests() -> Iterator[Request]:
                sent = 0
                for group in self._unanswered(questions, predicates, digests, answers, task):
                    text = texts[group.text]
                    shown = text if self.images is not None else cut_words(text, self.n_words)
                    for number, predicate in group.questions:
                        if np.isnan(answers[number]):
                            digest = digests[group.text]
                            under_way[sent] = (number, group.version, predicates[predicate], digest)
                            messages = self._messages(shown, predicates[predicate], group.listed)
                            yield Request(messages, labels=LABELS, group=digest)
                            sent += 1

            def keep(sent: int, completion: Completion) -> None:
                task.advance()
                number, version, predicate, digest = under_way.pop(sent)
                probability = yes_probability(completion)
                if probability is None:
                    self.costs.failures += 1
                    return
                answers[number] = probability
                self.costs.judgments_asked += 1
                self.store.put_judgments(self.engine.lm.identity, version, [(predicate, digest, probability)])

            self.engine.stream(requests(), on_result=keep)
        return answers[position.reshape(-1)]

    def _unanswered(self, questions, predicates, digests, answers, task: Task) -> "Iterator[_Group]":
        """The groups that the store cannot answer in full; what it can is filled into `answers`."""
        model, groups = self.engine.lm.identity, self._groups(questions, predicates)
        while block := _take(groups, _LOOKED_UP):
            by_version: dict[str, dict[tuple[str, str], int]] = {}
            for group in block:
                keys = by_version.setdefault(group.version, {})
                keys |= {(predicates[p], digests[group.text]): number for number, p in group.questions}
            for version, keys in by_version.items():
                known = self.store.get_judgments(model, version, list(keys))
                for key, probability in known.items():
                    answers[keys[key]] = probability
                self.costs.judgments_served += len(known)
                task.advance(len(known))
            yield from block

    def _groups(self, questions: np.ndarray, predicates: Sequence[str]) -> "Iterator[_Group]":
        """Questions about one text, at most `n_listed` of them, in text-major order."""
        versions: dict[tuple[int, ...], tuple[tuple[str, ...], str]] = {}
        starts = np.flatnonzero(np.diff(questions[:, 0], prepend=-1)).tolist()
        for start, end in itertools.pairwise([*starts, len(questions)]):
            for first in range(start, end, self.n_listed):
                part = range(first, min(first + self.n_listed, end))
                asked: tuple[int, ...] = tuple(questions[part.start : part.stop, 1].tolist())
                if asked not in versions:
                    listed = tuple(predicates[p] for p in asked) if self.form == "contrastive" else ()
                    versions[asked] = (listed, self._version(listed))
                listed, version = versions[asked]
                yield _Group(int(questions[start, 0]), list(zip(part, asked, strict=True)), listed, version)

    def _version(self, listed: tuple[str, ...]) -> str:
        """The version of the prompt; with a list of predicates, its digest belongs to it."""
        if not listed:
            return self.version
        return f"{self.version}-{hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:12]}"

    def _digest(self, text: str) -> str:
        """The address of what is judged."""
        return text_digest(text) if self.images is None else self._image(text).key

    def _image(self, text: str) -> Image:
        assert self.images is not None
        if text not in self.images:
            raise ValueError(f"got the text {text[:60]!r}, expected one that stands for an image of this judge")
        return self.images[text]

    def _messages(self, shown: str, predicate: str, listed: tuple[str, ...]) -> tuple[Message, ...]:
        if self.images is not None:
            return self.prompt.fill(predicate=predicate, images=(self._image(shown),))
        if not listed:
            return self.prompt.fill(text=shown, predicate=predicate)
        numbered = "\n".join(f"{number}. {other}" for number, other in enumerate(listed, 1))
        number = str(listed.index(predicate) + 1)
        return self.prompt.fill(text=shown, predicates=numbered, predicate=predicate, number=number)


class _Group(NamedTuple):
    """Questions about one text: pairs of their number and their predicate, and what the prompt lists."""

    text: int
    questions: list[tuple[int, int]]
    listed: tuple[str, ...]
    version: str


def _take(groups: Iterator[_Group], n_questions: int) -> list[_Group]:
    """The next groups, until they have so many questions."""
    taken, n_taken = [], 0
    while n_taken < n_questions and (group := next(groups, None)) is not None:
        taken.append(group)
        n_taken += len(group.questions)
    return taken


def _first_equal(indices: np.ndarray, values: Any) -> np.ndarray:
    """Each index replaced by the first of those whose values (`values[index]`) are equal."""
    distinct, position = np.unique(indices, return_inverse=True)
    first: dict[str, int] = {}
    return np.asarray([first.setdefault(values[index], index) for index in distinct.tolist()], np.int64)[position]


def yes_probability(completion: Completion) -> float | None:
    """P(yes) / (P(yes) + P(no)), or None where the model was about to say something else altogether.

    A label the server did not list among the likely tokens has probability 0; if both together have less than 1%, the
    model did not answer the question, and dividing noise by noise would pass for a judgment.
    """
    if completion.label_logprobs is None:
        return None
    yes, no = (math.exp(logprob) for logprob in completion.label_logprobs)
    return yes / (yes + no) if yes + no > 0.01 else None
