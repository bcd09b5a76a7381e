"""Judging: how likely is it that a predicate holds for a text?"""

import abc
import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.corpus.corpus import text_digest
from nlparam.denotation.definitions import Definitions
from nlparam.errors import check_at_least, check_one_of
from nlparam.language.asking import LabelQuestion, read_labels
from nlparam.language.prompting import cut_words, load_prompt
from nlparam.lm.base import Image, Message
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

LABELS = ("yes", "no")
FORMS = ("single", "contrastive")


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

    def judge_all(self, texts: Sequence[str], predicates: Sequence[str]) -> np.ndarray:
        """`(n_texts, n_predicates)`: the same for each text and each predicate."""
        shape = (len(texts), len(predicates))
        return self.judge(texts, predicates, np.argwhere(np.ones(shape, dtype=bool))).reshape(shape)

    def computes(self, predicate: str) -> bool:
        """Whether a predicate is computed, exactly and at no cost, so that all texts are judged at once."""
        del predicate
        return False


@dataclasses.dataclass
class LabelJudge(AbstractJudge):
    """Asks a language model and reads the probabilities of the labels yes and no, renormalised over the two.

    Prompts put the text before the predicate and requests are ordered by text, so that a prefix cache computes each
    text once. Every answer is stored as soon as it is there, and questions are made as they are sent.

    **Arguments:**

    - `n_words`: how much of a text the model is shown.
    - `images`: where texts stand for images, the image of each text. Then the image is shown instead of the text, by a
      prompt of its own (form "single"), and its content is the key of the answer.
    - `form`: `"single"` asks for one predicate at a time; `"contrastive"` lists up to `n_listed` of the predicates that
      a text is judged for before it asks for each. `docs/how-to/language-models.md` has the accuracy and cost of both.
      A contrastive answer depends on the list, so it is stored and found again only under the same list.
    - `definitions`: what some predicates mean. A predicate that has one is asked about by itself, with its definition,
      by a prompt of its own; the definition is a part of the key of its answers. Other keys are as without.
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
    definitions: Definitions = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check_one_of(FORMS, form=self.form)
        check_at_least(1, n_listed=self.n_listed)
        if self.images is not None and self.form != "single":
            raise ValueError(f"got form={self.form!r} for images, expected 'single'")
        if self.definitions and (self.images is not None or self.question is not None):
            raise ValueError("got definitions for images or another question, expected texts and the usual question")
        self.defined = load_prompt("judge_defined")
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
        distinct, position = np.unique(np.column_stack([of_text, of_predicate]), axis=0, return_inverse=True)
        answers = np.full(len(distinct), np.nan)

        def keep(number: int, values: Sequence[float]) -> None:
            answers[number] = values[0]

        questions = self._questions(texts, predicates, digests, distinct)
        with self.progress.task("judging", len(distinct), costs=self.costs, unit="judgments") as task:
            # P(yes) / (P(yes) + P(no))
            read_labels(self.engine, questions, lambda shares: shares[:1], keep, self.store, self.costs, task)
        return answers[position.reshape(-1)]

    def _questions(self, texts, predicates, digests, distinct: np.ndarray) -> Iterator[LabelQuestion]:
        """In text-major order; with a list, at most `n_listed` about one text share it."""
        starts = np.flatnonzero(np.diff(distinct[:, 0], prepend=-1)).tolist()
        for start, end in itertools.pairwise([*starts, len(distinct)]):
            text = int(distinct[start, 0])
            show = functools.cache(functools.partial(self._shown, texts[text]))
            for first in range(start, end, self.n_listed):
                asked = [predicates[p] for p in distinct[first : min(first + self.n_listed, end), 1].tolist()]
                listing = [predicate for predicate in asked if predicate not in self.definitions]
                listed = tuple(listing) if self.form == "contrastive" else ()
                version = self._version(listed)
                for predicate in asked:
                    if predicate in self.definitions:
                        yield self._by_definition(show, predicate, digests[text])
                        continue
                    write = functools.partial(self._messages, show, predicate, listed)
                    yield LabelQuestion(LABELS, version, ((predicate, digests[text]),), write, digests[text])

    def _by_definition(self, show: Callable[[], str], predicate: str, digest: str) -> LabelQuestion:
        definition = str(self.definitions[predicate])

        def write() -> tuple[Message, ...]:
            return self.defined.fill(text=show(), predicate=predicate, definition=definition)

        version = f"{self.defined.version}-w{self.n_words}"
        return LabelQuestion(LABELS, version, ((f"{predicate}\n{definition}", digest),), write, digest)

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

    def _shown(self, text: str) -> str:
        return text if self.images is not None else cut_words(text, self.n_words)

    def _messages(self, show: Callable[[], str], predicate: str, listed: tuple[str, ...]) -> tuple[Message, ...]:
        if self.images is not None:
            return self.prompt.fill(predicate=predicate, images=(self._image(show()),))
        if not listed:
            return self.prompt.fill(text=show(), predicate=predicate)
        numbered = "\n".join(f"{number}. {other}" for number, other in enumerate(listed, 1))
        number = str(listed.index(predicate) + 1)
        return self.prompt.fill(text=show(), predicates=numbered, predicate=predicate, number=number)


def _first_equal(indices: np.ndarray, values: Any) -> np.ndarray:
    """Each index replaced by the first of those whose values (`values[index]`) are equal."""
    distinct, position = np.unique(indices, return_inverse=True)
    first: dict[str, int] = {}
    return np.asarray([first.setdefault(values[index], index) for index in distinct.tolist()], np.int64)[position]
