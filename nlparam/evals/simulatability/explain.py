"""The explanation of a fitted classification: its predicates and weights in plain words."""

import math
from typing import TYPE_CHECKING

import numpy as np

from nlparam.errors import ModelError

if TYPE_CHECKING:
    from nlparam.fitting.result import Fit

# Log-odds against the mean class between which a predicate counts so; below the least it is not worth a word.
_STRENGTHS = ((2.0, math.inf, "much more"), (0.7, 2.0, "more"), (0.2, 0.7, "slightly more"))


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
        for least, most, words in _STRENGTHS:
            told = [" ".join(fit.predicates[k].split()).rstrip(" .") for k in order if least <= row[k] < most]
            if told:
                listed = "; ".join(f"it {predicate}" for predicate in told)
                sentences.append(f'A text is {words} likely to be called "{name}" if {listed}.')
    base = names[int(np.argmax(intercepts))]
    sentences.append(
        f'Without any of these it is called "{base}". If several hold, they are weighed against each other.'
    )
    return " ".join(sentences)


def _weights(fit: "Fit") -> tuple[np.ndarray, np.ndarray]:
    coefficients = getattr(fit.weights, "coefficients", None)
    intercepts = getattr(fit.weights, "intercepts", None)
    if "class" not in fit.coords or coefficients is None or intercepts is None:
        raise ModelError(
            f"got a fit of {type(fit.model).__name__}, expected one that predicts classes (Classification): only its "
            "predicates and weights explain what it answers to a text"
        )
    return np.asarray(coefficients), np.asarray(intercepts)
