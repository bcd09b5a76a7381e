"""A fit as tables, by column: its texts with what is predicted of them, its predicates, examples."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.numerics.core.denotations import HOLDS
from nlparam.results.page.examples import answers_by_predicate, choose_examples, example_rows
from nlparam.results.records import NONE_OF_THESE

if TYPE_CHECKING:
    from nlparam.fitting.records import FitLike

# A quantity of more columns (a curve over time) does not fit beside the predicates.
_MOST_COLUMNS = 12


def prediction_columns(
    fit: "FitLike", corpus: Corpus, denotations: np.ndarray, predictions: np.ndarray
) -> dict[str, list[Any]]:
    """What the model predicts for some texts, then `P(...)` for every predicate.

    The prediction is `cluster`, `predicate` and `reason` where texts are assigned to predicates, `class` and
    `P(class NAME)` where the model names classes, `time` where it names times, else `prediction`.
    """
    columns: dict[str, list[Any]] = {}
    if fit.model.assigns_texts:
        columns["cluster"] = predictions.tolist()
        columns["predicate"] = [
            fit.predicates[cluster] if cluster >= 0 else "" if blank else NONE_OF_THESE
            for cluster, blank in zip(predictions.tolist(), corpus.blank.tolist(), strict=True)
        ]
        columns["reason"] = _reasons(fit.predicates, corpus, denotations, predictions)
    else:
        columns |= _predicted(fit, denotations, predictions)
    return columns | {
        f"P({predicate})": denotations[:, number].tolist() for number, predicate in enumerate(fit.predicates)
    }


def _reasons(predicates: Sequence[str], corpus: Corpus, denotations: np.ndarray, predictions: np.ndarray) -> list[str]:
    """Why a text is in its cluster, where that is not the predicate with the largest probability; else nothing."""
    reasons = []
    for row, (cluster, likeliest) in enumerate(zip(predictions, denotations.argmax(axis=1), strict=True)):
        most = f"{predicates[likeliest]!r} ({denotations[row, likeliest]:.2f})"
        if corpus.row[row] < 0:
            reasons.append("the text has no words")
        elif cluster < 0:
            reasons.append(f"no predicate has a probability of {HOLDS} or more; the most likely is {most}")
        elif denotations[row, cluster] < denotations[row, likeliest]:
            reasons.append(f"{most} holds too, but for more texts: the most specific predicate that holds counts")
        else:
            reasons.append("")
    return reasons


def _predicted(fit: "FitLike", denotations: np.ndarray, predictions: np.ndarray) -> dict[str, list]:
    classes, times = fit.coords.get("class"), fit.coords.get("step")
    if not np.issubdtype(predictions.dtype, np.integer) or not (classes or times):
        return {"prediction": predictions.tolist()}
    if not classes:
        assert times is not None
        return {"time": [times[step] for step in predictions]}
    columns = {"class": [classes[code] for code in predictions]}
    if hasattr(fit.model, "predict_proba"):
        from nlparam.numerics.core import compiled
        from nlparam.numerics.core.device import to_device

        probabilities = np.asarray(compiled.probabilities(fit.model, fit.weights, to_device(denotations)))
        columns |= {f"P(class {name})": probabilities[:, code].tolist() for code, name in enumerate(classes)}
    return columns


def predicate_columns(fit: "FitLike") -> dict[str, list[Any]]:
    """One row per predicate: sizes, prevalence, agreement, and the quantities of the model. A clustering has a row for
    the texts of none.

    `texts` counts the texts assigned to the predicate, `holds` those with a denotation of at least 0.5, `prevalence`
    their share; all shares are of the texts with words, and a repeated text counts as often as it occurs.
    """
    worded = ~fit.corpus.blank
    held = np.asarray(fit.denotations)[worded] >= HOLDS
    columns: dict[str, list[Any]] = {"predicate": list(fit.predicates)}
    if fit.model.assigns_texts:
        sizes = [int((fit.assignments == number).sum()) for number in range(len(fit.predicates))]
        columns |= {"texts": sizes, "share": [size / fit.n_counted for size in sizes]}
    columns |= {
        "holds": held.sum(axis=0).tolist(),
        "prevalence": held.mean(axis=0).tolist() if len(held) else [0.0] * len(fit.predicates),
    }
    if len(fit.agreement) == len(fit.predicates):
        columns |= {
            name: [getattr(one, field) for one in fit.agreement]
            for name, field in (("judgments", "n_judgments"), ("agreement", "agreement"), ("kappa", "kappa"))
        }
    columns |= {name: values for name, values in _quantities(fit).items() if name not in columns}
    if fit.model.assigns_texts:
        n_none = fit.n_none
        last = {"predicate": NONE_OF_THESE, "texts": n_none, "share": n_none / fit.n_counted, "holds": n_none}
        columns = {name: [*values, last.get(name)] for name, values in columns.items()}
    return columns


def _quantities(fit: "FitLike") -> dict[str, list[Any]]:
    """What the model says of each predicate; what was inferred has its interval."""
    columns: dict[str, list[Any]] = {}
    inferred = {} if fit.inferred is None else fit.inferred.quantities
    estimated = dict.fromkeys(inferred, ("_low", "", "_high"))
    for name, quantity in (fit.quantities() | inferred).items():
        parts = estimated.get(name, ("",))
        for part in parts:
            values = np.asarray(getattr(quantity, part.strip("_") or "values"))
            others = [dim for dim in quantity.dims if dim != "predicate"]
            if "predicate" not in quantity.dims or len(others) > 1:
                continue
            table = np.moveaxis(values, quantity.dims.index("predicate"), 0).reshape(len(fit.predicates), -1)
            if table.shape[1] > _MOST_COLUMNS:
                continue
            coords = fit.coords | getattr(quantity, "coords", {})
            heads = [f" ({entry})" for entry in coords.get(others[0], range(table.shape[1]))] if others else [""]
            shown = "inferred_share" if name == "share" and name in inferred else name
            columns |= {f"{shown}{part}{head}": table[:, at].tolist() for at, head in enumerate(heads)}
    return columns


def example_columns(fit: "FitLike", k: int) -> dict[str, list[Any]]:
    """Texts for and against each predicate: `predicate`, `side`, `text`, `denotation`, `answer` (of the language model,
    where it was asked), `number` of the text."""
    answers = answers_by_predicate(fit.judgments, len(fit.corpus))
    clusters = fit.assignments if fit.model.assigns_texts else None
    of_each = [answers.get(predicate, {}) for predicate in fit.predicates]
    sides = choose_examples(fit.corpus, np.asarray(fit.denotations, dtype=float), of_each, clusters, per_side=k)
    return example_rows(fit.predicates, sides, fit.corpus, named="predicate")
