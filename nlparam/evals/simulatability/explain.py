"""The explanation of a fitted classification: its predicates and weights in plain words."""

from typing import TYPE_CHECKING

import numpy as np

from nlparam.errors import ModelError

if TYPE_CHECKING:
    from nlparam.fitting.result import Fit

# Log-odds against the mean class from which on a predicate counts so; below the least it is not worth a word.
_STRENGTHS = ((2.0, "much more"), (0.7, "more"), (0.2, "slightly more"))


def explain(fit: "Fit") -> str:
    """Says which predicates speak for which class, and how much; and which class is likely without any of them.

    The strengths are of the coefficients against their mean over classes: from 2 (log-odds) on "much more likely", from
    0.7 on "more likely", from 0.2 on "slightly more likely", and nothing below.

    Raises `ModelError` for a model that does not predict classes from coefficients.
    """
    coefficients, intercepts = _weights(fit)
    names = [str(name) for name in fit.coords["class"]]
    centred = coefficients - coefficients.mean(axis=0)
    sentences = []
    for name, row in zip(names, centred, strict=True):
        order = sorted(range(len(row)), key=lambda k: -row[k])
        for least, words in _STRENGTHS:
            told = [fit.predicates[k] for k in order if row[k] >= least and _strength(row[k]) == words]
            if told:
                listed = "; ".join(f"it {_plain(predicate)}" for predicate in told)
                sentences.append(f'A text is {words} likely to be called "{name}" if {listed}.')
    base = names[int(np.argmax(intercepts))]
    sentences.append(
        f'Without any of these it is called "{base}". If several hold, they are weighed against each other.'
    )
    return " ".join(sentences)


def _strength(value: float) -> str | None:
    return next((words for least, words in _STRENGTHS if value >= least), None)


def _plain(predicate: str) -> str:
    return " ".join(predicate.split()).rstrip(" .")


def _weights(fit: "Fit") -> tuple[np.ndarray, np.ndarray]:
    coefficients = getattr(fit.weights, "coefficients", None)
    intercepts = getattr(fit.weights, "intercepts", None)
    if "class" not in fit.coords or coefficients is None or intercepts is None:
        raise ModelError(
            f"got a fit of {type(fit.model).__name__}, expected one that predicts classes (Classification): only its "
            "predicates and weights explain what it answers to a text"
        )
    return np.asarray(coefficients), np.asarray(intercepts)
