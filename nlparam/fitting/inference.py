"""`Fit.inference`: shares, coefficients and curves with intervals that the choice of predicates has not seen.

Figures are estimated on the texts that did not choose the predicates, where some were held out. The head is known for
all of them, the judge for the random sample of the inference round, people for the texts that they labelled; the errors
of each are corrected by the next (`nlparam.numerics.statistics.correction`).
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nlparam.corpus.marks import pair
from nlparam.denotation.labelling import LEAST_LABELS, reached
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError, ModelError, ResultFolderError, check_fractions, check_one_of
from nlparam.fitting.inferred import Inference, Inferred, Score
from nlparam.fitting.scores import chance, held_out_scores
from nlparam.numerics.core.denotations import decided
from nlparam.results.jsonable import from_json
from nlparam.runtime.files import replacing, writable
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from nlparam.fitting.records import FitLike
    from nlparam.fitting.sample import Sample
    from nlparam.numerics.statistics.planning import Plan

TARGETS = ("judge", "people")
# The file in the folder of a fit that keeps what people's labels gave.
PEOPLE = "people.json"
# More steps of time than these are put together: each would have too few answers.
_MOST_STEPS = 24


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of the texts that figures are estimated on: `layers`, from the head to the answers wanted.

    `judge` is the layer of the judge, if there is one.
    """

    rows: np.ndarray
    layers: list[np.ndarray]
    judge: int | None
    clusters: np.ndarray | None

    @property
    def held(self) -> list[np.ndarray]:
        """The layers, with the judge's as a yes or a no, of which shares are made.

        A judge that never says yes may give a yes some probability in every text.
        """
        return [decided(layer) if number == self.judge else layer for number, layer in enumerate(self.layers)]

    @property
    def n_answers(self) -> int:
        """The texts whose answers to all predicates are known."""
        return int(np.isfinite(self.layers[-1]).all(axis=1).sum())


def infer(
    fit: "FitLike",
    target: str = "judge",
    *,
    labels: str | Path | Labelled | None = None,
    confidence: float = 0.9,
    embeddings: np.ndarray | None = None,
    in_turn: Callable[[], tuple[Score, ...]] = tuple,
) -> Inference:
    """What a fit lets one say, with intervals; see `Fit.inference`.

    `embeddings`, `(n_distinct, embed_dim)`, let a clustering be tested against chance; `in_turn` computes scores of
    texts left out of the choice in turn, and is called where there are answers. What the fit keeps of both is known.
    """
    check_one_of(TARGETS, target=target)
    check_fractions(confidence=confidence)
    if (labels is None) != (target == "judge"):
        raise ValueError(
            "got labels for the target 'judge', expected target='people'"
            if target == "judge"
            else "got no labels for the target 'people', expected a file of them (text, predicate, label)"
        )
    sample, notes = sample_of(fit), list[str]()
    known = known_of(fit, sample, labels, notes)
    if known.n_answers == 0:
        raise CorpusError(
            "the judge has answered no random sample of the texts: fit again with inference=True, or allow more "
            "judgments"
            if target == "judge"
            else "no text has a label for every predicate: label some for all of them"
        )
    quantities = {"share": _shares(known, confidence)}
    quantities |= _by_stratum(fit, known, confidence)
    quantities |= _weights(fit, known, confidence, notes)
    by_chance, n_tested, untested = _tested(fit, sample, embeddings)
    if untested:
        notes.append(f"Chance was not tested: {untested}.")
    if not sample.split and fit.data is not None and not fit.model.assigns_texts:
        notes.append(
            "The predicates were chosen on the texts that these figures are of, which makes them look better than they "
            "are: with 200 texts or more, half can be held out."
        )
    scores = held_out_scores(fit, sample, confidence) if sample.split else in_turn()
    if not sample.split and fit.inferred is not None and fit.inferred.confidence == confidence:
        scores = fit.inferred.scores
    if scores and not sample.split:
        notes.append(
            "How well texts are predicted was seen on fifths of them, each left out in turn while predicates were "
            "chosen among the candidates. The candidates were proposed from all texts."
        )
    if target == "judge":
        notes.append(
            "The intervals hold for what the language model would say of all texts. Its own errors are not in them: "
            "with 100 labels or more they can be (--labels)."
        )
    return Inference(
        target=target,
        confidence=confidence,
        split=sample.split,
        n_texts=len(known.rows),
        n_answers=known.n_answers,
        n_clusters=None if known.clusters is None else len(np.unique(known.clusters)),
        quantities=quantities,
        scores=scores,
        chance=by_chance,
        n_tested=n_tested,
        untested=untested,
        notes=tuple(notes),
    )


def _tested(fit: "FitLike", sample: "Sample", embeddings: np.ndarray | None) -> tuple[float | None, int, str]:
    """The p-value of chance, on how many texts, and why it was not tested.

    Neither labels nor the level of intervals change it: what the fit keeps stands.
    """
    if fit.inferred is not None:
        return fit.inferred.chance, fit.inferred.n_tested, fit.inferred.untested
    found = chance(fit, sample, embeddings)
    if found is None or found.reason:
        return None, 0, "" if found is None else found.reason
    return found.p_value, found.n_texts, ""


def answers_needed(
    fit: "FitLike", half_width: float, *, labels: str | Path | Labelled | None = None, confidence: float = 0.9
) -> "Plan":
    """How many answers to each predicate give shares this exact; see `Fit.answers_needed`."""
    from nlparam.numerics.statistics import planning

    known = known_of(fit, sample_of(fit), labels, [])
    return planning.answers_needed(known.held, half_width, confidence=confidence)


def sample_of(fit: "FitLike") -> "Sample":
    """The random sample of a fit. Raises `CorpusError` if it has none."""
    if fit.sample is None:
        raise CorpusError("this fit has no random sample that intervals could rest on: fit again, with inference=True")
    return fit.sample


def labelling_order(fit: "FitLike", seed: int = 0) -> np.ndarray:
    """The rows with words that figures are estimated on, in random order, those that the judge has answered first.

    A random part of the round is a random part of the texts.
    """
    sample, rng = sample_of(fit), np.random.default_rng(seed)
    there = fit.corpus.row >= 0
    drawn, others = np.flatnonzero(sample.drawn & there), np.flatnonzero(sample.eligible & ~sample.drawn & there)
    return np.concatenate([rng.permutation(drawn), rng.permutation(others)])


def known_of(fit: "FitLike", sample: "Sample", labels: str | Path | Labelled | None, notes: list[str]) -> Known:
    rows = np.flatnonzero(sample.eligible)
    judged = np.where(sample.drawn[:, None], sample.judged, np.nan)
    # A predicate that is judged, or computed, of all texts has no errors of the head.
    complete = np.isfinite(sample.judged[rows]).all(axis=0)
    judged[:, complete] = sample.judged[:, complete]
    layers = [sample.head[rows], judged[rows]]
    judge: int | None = 1
    if complete.all():
        layers, judge = layers[1:], 0
    clusters = sample.clusters
    if clusters is None and len(np.unique(fit.corpus.row[rows])) < len(rows):
        clusters = fit.corpus.row  # equal texts have one answer
    if labels is not None:
        n_before, layers = len(layers), _with_people(fit, sample, rows, layers, labels, notes)
        judge = judge if len(layers) > n_before else None
    return Known(rows, layers, judge, None if clusters is None else clusters[rows])


def _with_people(
    fit: "FitLike",
    sample: "Sample",
    rows: np.ndarray,
    layers: list[np.ndarray],
    labels: str | Path | Labelled,
    notes: list[str],
) -> list[np.ndarray]:
    """The layers with the labels as the best. The judge is between where it has answered what was labelled."""
    corpus = fit.corpus
    labelled = Labelled.given(labels, corpus.texts)
    matrix = corpus.spread(labelled.matrix(corpus.distinct, fit.predicates), fill=np.nan)
    n_outside = int(np.isfinite(np.delete(matrix, rows, axis=0)).any(axis=1).sum())
    if sample.split and n_outside:
        notes.append(f"{counted(n_outside, 'labelled text')} among those that chose the predicates: left out.")
    order = labelling_order(fit)
    if len(np.unique(corpus.row[order])) < len(order):
        come_to = reached(corpus.row[order], matrix[order])
        matrix[order[~come_to]] = np.nan
    people = matrix[rows]
    counts = np.isfinite(people).sum(axis=0)
    for predicate, n, column in zip(fit.predicates, counts.tolist(), people.T, strict=True):
        if 0 < n < LEAST_LABELS:
            raise CorpusError(
                f"{predicate!r} has {counted(n, 'label')} among the texts that figures are estimated on, expected at "
                f"least {LEAST_LABELS}: label more of them"
            )
        if n and len(np.unique(column[np.isfinite(column)])) == 1:
            said = "yes" if np.nanmax(column) > 0.5 else "no"
            notes.append(f"Of {predicate!r} all {n} labels say {said}: what the judge misses cannot be seen from them.")
    if not counts.all():
        without = [predicate for predicate, n in zip(fit.predicates, counts.tolist(), strict=True) if not n]
        raise CorpusError(f"no label is of {', '.join(map(repr, without))}: label texts for every predicate")
    agreement = labelled.agreement()
    notes += [
        f"People agree on {found} of {found.n_pairs:,} pairs for {predicate!r}."
        for predicate in fit.predicates
        if (found := agreement.get(pair("", predicate)[1])) is not None
    ]
    there = np.isfinite(people)
    if len(layers) == 2 and np.isfinite(sample.judged[rows][there]).mean() < 0.5:
        # Where the judge was seldom asked about a labelled text, the head stands for it.
        layers = layers[:1]
    elif len(layers) == 2:
        layers = [layers[0], np.where(there, sample.judged[rows], layers[1])]
    return [*layers, people]


def _shares(known: Known, confidence: float) -> Inferred:
    from nlparam.numerics.statistics.correction import corrected_means

    found = corrected_means(known.held, clusters=known.clusters, confidence=confidence)
    return Inferred(
        "Share of the texts for which the predicate holds", ("predicate",), found.value, found.low, found.high, None
    )


def _by_stratum(fit: "FitLike", known: Known, confidence: float) -> dict[str, Inferred]:
    """The shares at each time step, or of each class."""
    from nlparam.numerics.statistics.curves import curves

    found = _strata(fit, known.rows)
    if found is None:
        return {}
    dim, strata, names = found
    curve = curves(known.held, strata, len(names), clusters=known.clusters, confidence=confidence)
    label = "Share of the texts at each step" if dim == "step" else "Share of the texts of each class"
    name = "prevalence" if dim == "step" else f"share_by_{dim}"
    return {name: Inferred(label, (dim, "predicate"), curve.value, curve.low, curve.high, None, {dim: names})}


def _strata(fit: "FitLike", rows: np.ndarray) -> tuple[str, np.ndarray, list] | None:
    """The dimension along which the data divide the texts, the stratum of each text, and what these are called."""
    import jax

    codes = [np.asarray(leaf) for leaf in jax.tree.leaves(fit.data)]
    codes = [leaf for leaf in codes if leaf.shape == (len(fit.corpus),) and leaf.dtype.kind in "iub"]
    for dim in ("step", "class"):
        names = list(fit.coords.get(dim, ()))
        if len(names) < 2 or not codes:
            continue
        strata = codes[0].astype(np.int64)[rows]
        if dim == "class" or len(names) <= _MOST_STEPS:
            return dim, strata, names
        # So many steps are put together that each part has as many texts.
        order = np.searchsorted(np.sort(strata), strata, side="right") - 1
        parts = order * _MOST_STEPS // len(strata)
        used, parts = np.unique(parts, return_inverse=True)
        return dim, parts, [names[int(strata[parts == part].min())] for part in range(len(used))]
    return None


def _weights(fit: "FitLike", known: Known, confidence: float, notes: list[str]) -> dict[str, Inferred]:
    """The quantities that follow from the weights, where the model is a mean over texts."""
    from nlparam.fitting.coefficients import corrected_quantities

    if fit.data is None:
        return {}
    try:
        return corrected_quantities(fit, known.rows, known.layers, known.clusters, confidence, notes)
    except ModelError:  # the loss is no mean over texts: shares and curves say what there is to say
        return {}


def kept_inference(fit: "FitLike", folder: Path) -> Inference | None:
    """What labels gave for a fit, from its folder; `None` if there is nothing of this fit."""
    path = folder / PEOPLE
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return from_json(Inference, kept["inference"]) if kept["predicates"] == fit.predicates else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultFolderError(
            f"{path} cannot be read ({error}): delete it, or run `nlparam infer` with the labels again"
        ) from error


def keep_inference(fit: "FitLike", inference: Inference, folder: Path) -> None:
    """Keeps what labels gave for a fit in its folder. Raises `ResultFolderError` if that cannot be written."""
    path = folder / PEOPLE
    with writable(path, "change the permissions of the folder"), replacing(path) as partial:
        contents = {"predicates": fit.predicates, "inference": inference.as_dict()}
        partial.write_text(json.dumps(contents), encoding="utf-8")
