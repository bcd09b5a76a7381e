"""A simulated reader of explanations, and a language model that is asked for its answers."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.language.choice import Chooser
from nlparam.language.counterfactuals import Case
from nlparam.language.prompting import Prompt, cut_words, load_prompt, one_line
from nlparam.lm.engine import Engine
from nlparam.runtime.progress import Progress

CANNOT_TELL = "this cannot be inferred from the explanation"
# What stands in an explanation's place to see what is expected without one.
_NO_EXPLANATION = "It answers as it sees fit."
# By how much the log-odds of two answers must move for something to have been inferred: see
# `docs/how-to/simulatability.md`.
_LEAST_SHIFT = 0.06


def _chooser(
    engine: Engine, prompt: Prompt, options: Sequence[Sequence[str]], what: str, progress: Progress
) -> Chooser:
    """One order of the options for a strong model, all for a small one, which leans towards a letter."""
    n_orders = 1 if engine.lm.strong else max(map(len, options), default=1)
    return Chooser(engine, prompt, n_orders, what, progress)


@dataclasses.dataclass
class SimulatedReader:
    """Infers from an explanation what a model will answer to a new input, or that nothing can be inferred.

    A strong language model is taken at its word. A small one says "yes" to some inputs whatever the explanation, and
    hardly ever that nothing can be inferred. So it is asked again without the explanation, and what counts is the
    answer whose log-probability the explanation raises most (as in the calibration of arXiv 2102.09690), or none if it
    raises none above the others.

    **Arguments:** `with_case`, whether the reader also sees the input that was explained and its answer; `n_words`, how
    much of each text it is shown.
    """

    engine: Engine
    with_case: bool = False
    n_words: int = 200
    progress: Progress = dataclasses.field(default_factory=lambda: Progress(enabled=False))

    def __post_init__(self):
        self.prompt = load_prompt("infer_case" if self.with_case else "infer")

    def infer(
        self, cases: Sequence[Case], inputs: Sequence[str], options: Sequence[Sequence[str]], *, task: str = ""
    ) -> list[np.ndarray]:
        """For each new input, given the case whose explanation is read, the probabilities of the options.

        The last entry, beyond the options, is that nothing can be inferred; all `nan` without a usable answer.
        """
        questions = [self._question(case, text, task) for case, text in zip(cases, inputs, strict=True)]
        choices = [[*answers, CANNOT_TELL] for answers in options]
        chooser = _chooser(self.engine, self.prompt, choices, "reading explanations", self.progress)
        if self.engine.lm.strong:
            return chooser.choose(questions, choices)
        bare = [question | {"explanation": _NO_EXPLANATION} for question in questions]
        # In one call, so that the language model answers both in batches.
        read = chooser.choose([*questions, *bare], [*choices, *choices])
        return [shifted(*pair) for pair in zip(read[: len(questions)], read[len(questions) :], strict=True)]

    def _question(self, case: Case, text: str, task: str) -> dict[str, str]:
        question = {
            "task": task,
            "explanation": cut_words(case.explanation, self.n_words),
            "input": cut_words(text, self.n_words),
        }
        if self.with_case:
            question |= {"case": cut_words(case.input, self.n_words), "answer": one_line(case.answer)}
        return question


def shifted(
    probabilities: np.ndarray, without: np.ndarray, *, least: float = _LEAST_SHIFT, temperature: float = _LEAST_SHIFT
) -> np.ndarray:
    """What an explanation adds, as probabilities of the answers and, last, that nothing can be inferred.

    **Arguments:** `probabilities` and `without`, `(n_answers + 1,)`, as the language model said with the explanation
    and without; `least`, by how much the log-odds of two answers must move for the likelier one to be inferred;
    `temperature`, the shift in log-odds by which one thing becomes e times as probable as another.

    **Returns:** `(n_answers + 1,)`, all `nan` if one of the two is.
    """
    with_it, without_it = (np.log(np.clip(p[:-1], 1e-6, 1.0)) for p in (probabilities, without))
    shifts = with_it - without_it
    scores = np.append(shifts - shifts.mean(), least / 2) / temperature
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


@dataclasses.dataclass
class AnsweringModel:
    """Has a language model answer inputs with one of the possible answers."""

    engine: Engine
    n_words: int = 200
    progress: Progress = dataclasses.field(default_factory=lambda: Progress(enabled=False))

    def answer(self, inputs: Sequence[str], options: Sequence[Sequence[str]], *, task: str = "") -> list[np.ndarray]:
        """The probabilities of the options for each input, all `nan` where there is no usable answer."""
        chooser = _chooser(self.engine, load_prompt("answer"), options, "answering", self.progress)
        questions = [{"task": task, "input": cut_words(text, self.n_words)} for text in inputs]
        return chooser.choose(questions, options)
