"""Judging: how likely is it that a predicate holds for a text?"""

import abc
import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.corpus import text_digest
from nlparam.costs import Costs
from nlparam.language.lm.base import Completion, Request
from nlparam.language.lm.engine import Engine
from nlparam.language.prompting import cut_words, load_prompt
from nlparam.language.store import Store
from nlparam.progress import Progress

LABELS = ("yes", "no")


class AbstractJudge(abc.ABC):
    """Says how likely predicates hold for texts. Implementations answer in bulk and never answer a question twice."""

    identity: str

    @abc.abstractmethod
    def judge(self, texts: Sequence[str], predicates: Sequence[str], pairs: np.ndarray) -> np.ndarray:
        """Probabilities for pairs of text and predicate.

        **Arguments:** `pairs`, `(n_pairs, 2)` indices into `texts` and `predicates`.

        **Returns:** `(n_pairs,)` probabilities in [0, 1], `nan` where the language model gave no usable answer.
        """


@dataclasses.dataclass
class LabelJudge(AbstractJudge):
    """Asks a language model and reads the probabilities of the labels yes and no, renormalised over the two.

    Prompts put the text before the predicate and requests are ordered by text, so that a prefix cache computes each
    text once. Every answer is stored as soon as it is there. `n_words` is how much of a text the model is shown.
    """

    engine: Engine
    store: Store
    costs: Costs
    n_words: int = 400
    progress: Progress = dataclasses.field(default_factory=Progress)

    def __post_init__(self):
        self.prompt = load_prompt("judge")
        self.version = f"{self.prompt.version}-w{self.n_words}"
        self.identity = f"{self.engine.lm.identity} {self.version}"

    def judge(self, texts, predicates, pairs):
        pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
        keys = self._keys(texts, predicates, pairs)
        known = self._known(keys)
        missing = [number for number, key in enumerate(keys) if key not in known]
        # One question may occur twice (equal texts): ask it once, in text-major order.
        first = {keys[number]: number for number in sorted(missing, key=lambda number: tuple(pairs[number]))}
        self.costs.judgments_served += len(set(keys)) - len(first)
        if first:
            self._ask(texts, predicates, pairs, list(first.items()), known)
        return np.asarray([known.get(key, np.nan) for key in keys], dtype=np.float64)

    def _ask(self, texts, predicates, pairs, questions, known):
        requests = []
        for _, number in questions:
            text, predicate = pairs[number]
            shown = cut_words(texts[text], self.n_words)
            requests.append(Request(self.prompt.fill(text=shown, predicate=predicates[predicate]), labels=LABELS))

        with self.progress.task("judging", len(requests), costs=self.costs, unit="judgments") as task:

            def keep(position: int, completion: Completion) -> None:
                task.advance()
                probability = yes_probability(completion)
                if probability is None:
                    self.costs.failures += 1
                    return
                key = questions[position][0]
                known[key] = probability
                self.costs.judgments_asked += 1
                self.store.put_judgments(self.engine.lm.identity, self.version, [(*key, probability)])

            self.engine.run(requests, on_result=keep)

    def _keys(self, texts, predicates, pairs) -> list[tuple[str, str]]:
        digests = {int(text): text_digest(texts[text]) for text in np.unique(pairs[:, 0])}
        return [(predicates[predicate], digests[int(text)]) for text, predicate in pairs]

    def _known(self, keys) -> dict[tuple[str, str], float]:
        return dict(self.store.get_judgments(self.engine.lm.identity, self.version, list(dict.fromkeys(keys))))


def yes_probability(completion: Completion) -> float | None:
    """P(yes) / (P(yes) + P(no)), or None where the model was about to say something else altogether.

    A label the server did not list among the likely tokens has probability 0; if both together have less than 1%, the
    model did not answer the question, and dividing noise by noise would pass for a judgment.
    """
    if completion.label_logprobs is None:
        return None
    yes, no = np.exp(np.asarray(completion.label_logprobs, dtype=np.float64))
    return float(yes / (yes + no)) if yes + no > 0.01 else None
