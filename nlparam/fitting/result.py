"""What `nlparam.fit` returns: a fitted model whose parameters are sentences."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.frames import beside, is_frame, texts_of
from nlparam.denotation.labels import Labelled
from nlparam.denotation.session import accepts
from nlparam.fitting.denote import denote
from nlparam.fitting.folder import FORMAT, fields_of_fit, pack_fit, ridge_per_text
from nlparam.fitting.posterior import credible_intervals, kept_posterior
from nlparam.fitting.posterior import posterior as draw_posterior
from nlparam.fitting.records import RESULTS as RESULTS
from nlparam.fitting.records import FitLike
from nlparam.fitting.tables import example_columns, predicate_columns, prediction_columns
from nlparam.results.frames import AbstractTabular
from nlparam.results.page.sections import AbstractPage
from nlparam.results.result import AbstractResult, Files, Folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair
    import arviz

    from nlparam.denotation.labelling import Labelling
    from nlparam.fitting.inferred import Inference
    from nlparam.numerics.statistics.planning import Plan


@dataclasses.dataclass(frozen=True)
class Fit(FitLike, AbstractResult, AbstractTabular):
    """A fitted model.

    **Attributes:**

    - `model`: the model that was fitted.
    - `predicates`: `n_predicates` sentences, aligned with the columns of `denotations`.
    - `weights`: the model's weights, a PyTree of arrays.
    - `denotations`: `(n_texts, n_predicates)`, probabilities in [0, 1] that each predicate holds for each text.
    - `predictions`: what the model predicts for every text of the corpus, for a clustering the cluster that is nearest
      to each text, whether its predicate holds or not.
    - `assignments`: the cluster of every text, -1 where no predicate holds.
    - `loss`: the loss at the end, `trace` how it went, `result` why it ended.
    - `judgments`: every answer of the language model that the denotations rest on.
    - `agreement`: per predicate, the head's agreement with the language model on judgments left out.
    - `candidates`: every predicate that was considered.
    - `data`, `coords`: the data of the model as arrays, and what the entries of their dimensions are called ("class",
      "step"); see `AbstractPredicateModel.prepare`.
    - `certificate`: what the audit of the cascade proved of the denotations, `None` without a cascade.
    - `calibration`: how the judge was calibrated, `None` if it was not.
    - `stability`: how often its predicates come back from other seeds, `None` unless made by `nlparam.consensus`.
    - `following`: how well the goal was followed, `None` if nothing was asked about that.
    - `sample`: the random texts that intervals rest on; `inferred`: what `inference()` gives, kept.
    - `settings`, `versions`, `costs`: how it was made and what it cost.
    - `asked_model`: the model as it was given; `model` has fewer predicates where fewer than asked for were of use.
    """

    main = "fit.json"
    format = FORMAT
    again = "fit again with --overwrite"
    # The identity of the judge holds its form and how much of a text it is shown.
    not_compared = AbstractResult.not_compared | {"form", "n_words"}

    @property
    def texts(self) -> "Sequence[str]":
        return self.corpus.texts

    @accepts(None, draw_posterior)
    def posterior(self, **options: Any) -> "arviz.InferenceData":
        """Draws from the posterior of the weights and of `quantities()`, the predicates taken as given.

        See [`nlparam.fitting.posterior.posterior`][] for the arguments.
        """
        return draw_posterior(self, **options)

    def inference(
        self,
        target: str = "judge",
        *,
        labels: str | Path | Labelled | None = None,
        confidence: float = 0.9,
    ) -> "Inference":
        """What the fit lets one say: shares, coefficients and curves with intervals, and whether it could be chance.

        Where texts were held out, all figures are of these: they did not choose the predicates. The errors of the head
        are corrected by the answers to a random sample of texts, and with labels those of the language model, too.

        **Arguments:**

        - `target`: whose answers are meant, `"judge"` (the language model) or `"people"`.
        - `labels`: for `"people"`, pairs of text and predicate with a yes or no, or a file of them (fields `text`,
          `predicate`, `label` and, if you like, `who`). The texts must have been drawn at random.
        - `confidence`: how often such intervals hold.

        Raises `CorpusError` for a fit without a random sample and labels that say too little, `ValueError` for other
        wrong arguments.
        """
        from nlparam.fitting.inference import infer

        kept = self.inferred
        if kept is not None and (target, labels, confidence) == (kept.target, None, kept.confidence):
            return kept
        return infer(self, target, labels=labels, confidence=confidence)

    def answers_needed(
        self, half_width: float, *, labels: str | Path | Labelled | None = None, confidence: float = 0.9
    ) -> "Plan":
        """How many answers give shares within this half-width, by predicate: of the judge, or with `labels` of people.

        `inference=N` judges so many texts. Raises as `inference` does.
        """
        from nlparam.fitting.inference import answers_needed

        return answers_needed(self, half_width, labels=labels, confidence=confidence)

    def to_label(self, n: int = 100, *, seed: int = 0) -> list[dict[str, str]]:
        """Rows for people to label, for `inference("people", labels=...)`: `n` random texts with every predicate.

        Each has a `text`, a `predicate` and an empty `label`: yes or no. Raises `CorpusError` for a fit without a
        random sample.
        """
        from nlparam.fitting.labelling import to_label

        return to_label(self, n, seed=seed)

    def labelling(self, *, seed: int = 0) -> "Labelling":
        """Which texts people label next, how many labels are needed, and how far people and judge agree.

        Raises `CorpusError` for a fit without a random sample.
        """
        from nlparam.fitting.labelling import labelling

        return labelling(self, seed=seed)

    @accepts(None, denote)
    def denote(self, texts: "Sequence[str]", **options: Any) -> np.ndarray:
        """Denotations of new texts, `(n_new_texts, n_predicates)`.

        **Arguments:**

        - `by`: `"head"`, the learned head alone, without a language model; `"cascade"`, the head where it is sure and
          the language model elsewhere, audited on these texts; `"exact"`, the language model for every text. By default
          the cascade if the fit was made with one, else the head.
        - `lm`: the language model, by default that of the fit; it must be the same model.
        - `store`: keeps embeddings and judgments; `budget`, `timeout`, `progress` as for `nlparam.fit`.

        See [`nlparam.fitting.denote.denote`][] for the certificate and the costs of it. Raises `LanguageModelError`
        if the language model is another, `EmbedderError` if the embedder is, `ValueError` for an unknown `by`.
        """
        return denote(self, texts, **options).denotations

    def predict(
        self, texts: Any, *, denotations: np.ndarray | None = None, text_field: str | None = None, **options: Any
    ) -> Any:
        """The model's prediction for new texts, `(n_new_texts,)`, for a clustering the index of the predicate each
        belongs to, -1 where no predicate holds.

        Of a data frame (pandas, Polars, Arrow) it is that frame with more columns: what is predicted, as in
        `to_frame()`. Its own columns stay; one that has the name of a new one is called "NAME (given)".

        **Arguments:** `texts`, a list, a column or a data frame, of which `text_field` is the column of the texts;
        `denotations`, those of `denote(texts)`, if you have them already; `options`, those of `denote`.
        """
        from nlparam.numerics.core import compiled
        from nlparam.numerics.core.device import to_device

        corpus = Corpus.from_texts(texts_of(texts, text_field)[0])
        denotations = self.denote(corpus.texts, **options) if denotations is None else denotations
        if self.model.assigns_texts:
            predicted = self.assigned(denotations)
        else:
            predicted = np.asarray(compiled.predictions(self.model, self.weights, to_device(denotations)))
        if not is_frame(texts):
            return predicted
        return beside(texts, prediction_columns(self, corpus, denotations, predicted))

    def pack(self, folder: Path) -> tuple[dict[str, Any], Files]:
        del folder
        return pack_fit(self)

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder, *, model: Any = None, embedder: Any = None) -> "Fit":
        return cls(**fields_of_fit(contents, folder, model, embedder))

    @classmethod
    def compared(cls, contents: Mapping[str, Any]) -> dict[str, Any]:
        fields = contents["fields"]
        if ridge_per_text(contents):
            fields = fields | {"ridge": f"{fields['ridge']} per text"}
        return {"model": contents["model"], "fields": fields} | contents["settings"]

    def text_columns(self) -> dict[str, list[Any]]:
        predictions = self.assignments if self.model.assigns_texts else np.asarray(self.predictions)
        return {"text": list(self.corpus.texts)} | prediction_columns(
            self, self.corpus, np.asarray(self.denotations), predictions
        )

    def summary_columns(self) -> dict[str, list[Any]]:
        return predicate_columns(self)

    def example_columns(self, k: int) -> dict[str, list[Any]]:
        return example_columns(self, k)

    def page(
        self, *, posterior: Any = None, people: "Inference | None" = None, labels: Labelled | None = None
    ) -> AbstractPage:
        """Its report. `posterior` is what `posterior()` gave: the page then shows credible intervals. `people` is what
        `inference("people", ...)` gave, which is shown in place of `inferred`. With `labels` it shows how people and
        judge agree."""
        from nlparam.fitting.page import FitPage

        agreement = self.labelling().agreement(labels) if labels and self.sample is not None else ()
        return FitPage(self, _intervals(posterior), people or self.inferred, agreement)

    def beside(self, folder: Path) -> dict[str, Any]:
        from nlparam.fitting.inference import kept_inference

        return {
            "posterior": kept_posterior(self, folder),
            "people": kept_inference(self, folder),
            "labels": Labelled.kept(folder, self.texts, self.predicates),
        }

    def plot(self, quantity: str | None = None, *, posterior: Any = None) -> "altair.TopLevelMixin":
        """An Altair chart of one of `quantities()`, by default the first, as the report draws it.

        `posterior` is what `posterior()` gave: the chart then shows credible intervals. Raises `ValueError` if there
        is no such quantity, or it has no axis along which it could be drawn.
        """
        from nlparam.fitting.page import plot_quantity

        return plot_quantity(self, quantity, _intervals(posterior))


def _intervals(posterior: Any) -> "dict[str, Any] | None":
    """The credible intervals of the samples of a posterior; a dictionary is taken for these intervals themselves."""
    if posterior is None or isinstance(posterior, dict):
        return posterior
    from nlparam.results.page.quantities import PROBABILITY

    return credible_intervals(posterior, probability=PROBABILITY)
