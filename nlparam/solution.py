"""What `nlparam.fit` returns: a fitted model whose parameters are sentences."""

import dataclasses
import enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.corpus import Corpus
from nlparam.costs import Costs
from nlparam.recurrence import Stability

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import altair
    import arviz

    from nlparam.calibration import CalibrationSummary
    from nlparam.denoter import Denoter
    from nlparam.language.store import Store
    from nlparam.numerics.cascade import Certificate
    from nlparam.numerics.model import AbstractPredicateModel
    from nlparam.numerics.quantities import Quantity
    from nlparam.progress import Progress
    from nlparam.representation import GoalFollowing
    from nlparam.simulatability import Simulatability


class RESULTS(enum.StrEnum):
    """Why a fit ended."""

    converged = "no candidate predicate lowers the loss further"
    rounds_spent = "the rounds of refinement asked for are done"
    budget_spent = "the budget is spent"
    nothing_usable = "the language model gave no further usable predicate"


@dataclasses.dataclass(frozen=True)
class Judgment:
    """One answer of the language model: `probability` that `predicate` holds for text number `text`."""

    text: int
    predicate: str
    probability: float


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How well the learned head agrees with the language model on judgments it was not trained on (cross-validation).

    `agreement` is the share of equal yes/no answers after bias correction, `f1` the F1 of the head's "yes" against the
    language model's, `n_judgments` on how many judgments; `prevalence` is the mean denotation over the corpus.
    """

    n_judgments: int
    agreement: float
    f1: float
    prevalence: float


@dataclasses.dataclass(frozen=True)
class TraceEntry:
    """The state of the search after one step. `step` says which: "relaxation", "selection", "refinement 1", ..."""

    step: str
    loss: float
    predicates: tuple[str, ...] = ()
    n_candidates: int = 0
    judgments: int = 0
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Fit:
    """A fitted model.

    **Attributes:**

    - `model`: the model that was fitted.
    - `predicates`: `n_predicates` sentences, aligned with the columns of `denotations`.
    - `weights`: the model's weights, a PyTree of arrays.
    - `denotations`: `(n_texts, n_predicates)`, probabilities in [0, 1] that each predicate holds for each text.
    - `predictions`: what the model predicts for every text of the corpus, for a clustering the cluster of each text.
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
    - `settings`, `versions`, `costs`: how it was made and what it cost.
    - `asked_model`: the model as it was given; `model` has fewer predicates where fewer than asked for were of use.
    """

    model: "AbstractPredicateModel"
    predicates: list[str]
    weights: Any
    denotations: np.ndarray
    predictions: np.ndarray
    loss: float
    result: RESULTS
    corpus: Corpus
    denoter: "Denoter"
    judgments: list[Judgment]
    agreement: list[Agreement]
    candidates: list[str]
    trace: list[TraceEntry]
    settings: dict[str, Any]
    versions: dict[str, str]
    costs: Costs
    asked_model: "AbstractPredicateModel"
    data: Any = None
    coords: dict[str, list] = dataclasses.field(default_factory=dict)
    certificate: "Certificate | None" = None
    calibration: "CalibrationSummary | None" = None
    stability: Stability | None = None
    following: "GoalFollowing | None" = None

    @property
    def assignments(self) -> np.ndarray:
        """The cluster of every text, `(n_texts,)` indices into `predicates`; -1 for a text without any words.

        Raises `AttributeError` for a model that predicts something else: see `predictions`.
        """
        if not self.model.assigns_texts:
            raise AttributeError(
                f"{type(self.model).__name__} does not assign texts to predicates: its predictions are in `predictions`"
            )
        return self.predictions

    @property
    def texts(self) -> "Sequence[str]":
        return self.corpus.texts

    def quantities(self) -> "dict[str, Quantity]":
        """What the model says, by name: coefficients, prevalence curves, shares; arrays with named dimensions."""
        import jax.numpy as jnp

        weights, denotations = self.weights, jnp.asarray(self.denotations)
        return self.model.quantities(weights, denotations, self.data)

    def posterior(
        self,
        *,
        num_samples: int = 1000,
        num_warmup: int = 500,
        num_chains: int = 1,
        method: str = "nuts",
        seed: int = 0,
        progress: "Progress | None" = None,
    ) -> "arviz.InferenceData":
        """Draws from the posterior of the weights and of `quantities()`, the predicates taken as given.

        See [`nlparam.posterior.posterior`][] for the arguments.
        """
        from nlparam.posterior import posterior

        return posterior(
            self,
            num_samples=num_samples,
            num_warmup=num_warmup,
            num_chains=num_chains,
            method=method,
            seed=seed,
            progress=progress,
        )

    def denote(
        self,
        texts: "Sequence[str]",
        *,
        by: str | None = None,
        lm: Any = None,
        store: "Store | str | Path | None" = None,
        progress: "Progress | None" = None,
    ) -> np.ndarray:
        """Denotations of new texts, `(n_new_texts, n_predicates)`.

        **Arguments:**

        - `by`: `"head"`, the learned head alone, without a language model; `"cascade"`, the head where it is sure and
          the language model elsewhere, audited on these texts; `"exact"`, the language model for every text. By default
          the cascade if the fit was made with one, else the head.
        - `lm`: the language model, by default that of the fit; it must be the same model.
        - `store`: keeps embeddings and judgments.

        See [`nlparam.inference.denote`][] for the certificate and the costs of it. Raises `LanguageModelError` if the
        language model is another, `EmbedderError` if the embedder is, `ValueError` for an unknown `by`.
        """
        from nlparam.inference import denote

        return denote(self, texts, by=by, lm=lm, store=store, progress=progress).denotations

    def predict(self, texts: "Iterable[str]", *, denotations: np.ndarray | None = None, **options: Any) -> np.ndarray:
        """The model's prediction for new texts, for a clustering the index of the predicate each belongs to.

        `denotations` are those of `denote(texts)`, if you have them already; `options` are those of `denote`.
        """
        import jax.numpy as jnp

        corpus = Corpus.from_texts(texts)
        denotations = self.denote(corpus.texts, **options) if denotations is None else denotations
        predicted = np.asarray(self.model.predict(self.weights, jnp.asarray(denotations)))
        return np.where(corpus.blank, -1, predicted) if self.model.assigns_texts else predicted

    def simulatability(self, *, n_inputs: int = 8, **options: Any) -> "Simulatability":
        """How well its predictions can be told from its predicates and weights in words; for models of classes.

        See [`nlparam.simulatability.simulate_fit`][] for the arguments.
        """
        from nlparam.simulatability import simulate_fit

        return simulate_fit(self, n_inputs=n_inputs, **options)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the fit to a folder (`fit.json`, `weights.safetensors`, `denotations.parquet`, ...).

        Raises `FitFolderError` if the folder holds another fit and `overwrite` is not set.
        """
        from nlparam.folder import save

        return save(self, folder, overwrite=overwrite)

    def report(self, path: str | Path | None = None, *, posterior: Any = None) -> str:
        """The report as one self-contained HTML page; written to `path` if one is given.

        `posterior` is what `posterior()` gave: the page then shows credible intervals.
        """
        from nlparam.report import build_report

        html = build_report(self, _intervals(posterior))
        if path is not None:
            path = Path(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(html, encoding="utf-8")
        return html

    def _repr_html_(self) -> str:
        """In a notebook: the predicates with their figures."""
        from nlparam.report.notebook import fit_card

        return fit_card(self)

    def plot(self, quantity: str | None = None, *, posterior: Any = None) -> "altair.TopLevelMixin":
        """An Altair chart of one of `quantities()`, by default the first, as the report draws it.

        `posterior` is what `posterior()` gave: the chart then shows credible intervals. Raises `ValueError` if there
        is no such quantity, or it has no axis along which it could be drawn.
        """
        from nlparam.report import plot_quantity

        return plot_quantity(self, quantity, _intervals(posterior))


def _intervals(posterior: Any) -> "dict[str, Any] | None":
    """The credible intervals of the samples of a posterior; a dictionary is taken for these intervals themselves."""
    if posterior is None or isinstance(posterior, dict):
        return posterior
    from nlparam.posterior import credible_intervals
    from nlparam.report import PROBABILITY

    return credible_intervals(posterior, probability=PROBABILITY)
