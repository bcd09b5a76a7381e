"""`nlparam.fit`: where numerics and language meet."""

import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import platform
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from nlparam.corpus import Corpus
from nlparam.costs import Costs
from nlparam.denoter import Denoter
from nlparam.errors import CorpusError, FitWarning, LanguageModelError
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder, embed_corpus
from nlparam.language.features import NgramFeatures
from nlparam.language.judge import AbstractJudge, LabelJudge
from nlparam.language.lm import load_language_model
from nlparam.language.lm.base import AbstractLanguageModel
from nlparam.language.lm.engine import Engine
from nlparam.language.propose import AbstractProposer, Contrast, Listed, StateThenGeneralise
from nlparam.language.store import Store
from nlparam.numerics.check import check_model
from nlparam.numerics.model import AbstractPredicateModel
from nlparam.progress import Progress
from nlparam.search import Found, Search, SearchOptions
from nlparam.solution import RESULTS, Agreement, Fit, Judgment

DEFAULT_GOAL = "what the text is about"

# Words of a text that a small model on a CPU, and any other, is shown for one judgment.
_WORDS_SMALL, _WORDS_STRONG = 60, 400
# A strong model judges all texts of a corpus up to this size, and this many of a larger one.
_MOST_JUDGED_IN_FULL = 4096


def fit(
    model: AbstractPredicateModel,
    texts: Iterable[str],
    data: Any = None,
    *,
    goal: str = DEFAULT_GOAL,
    lm: str | Path | AbstractLanguageModel = "embedded",
    embedder: str | Path | AbstractEmbedder | None = None,
    proposer: str | AbstractProposer | Callable[[Engine], AbstractProposer] | None = None,
    judge: AbstractJudge | None = None,
    predicates: Iterable[str] | None = None,
    options: SearchOptions | Mapping[str, Any] | None = None,
    store: str | Path | Store | None = None,
    timeout: float = 60.0,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Fit:
    """Fits a model whose parameters are natural-language predicates.

    **Arguments:**

    - `model`: for instance `nlparam.models.Clustering(n_predicates=5)`.
    - `texts`: the corpus; `data` whatever else the model needs of it: class labels, times, numbers, or a PyTree of
      arrays for a model of your own (see `AbstractPredicateModel.prepare`).
    - `goal`: what the predicates are to be about, in plain words.
    - `lm`: `"embedded"`, `"embedded:NAME"`, the path of a GGUF file, the URL of an OpenAI-compatible server
      (`"http://host:port/v1"`, optionally `#model`), or a backend object.
    - `embedder`: a folder, a hub name or an embedder; by default the packaged MiniLM.
    - `proposer`: `"contrast"`, `"state"`, a proposer, or what makes one from the engine that runs the language model;
      by default chosen by the strength of the language model.
    - `judge`: a judge of your own; by default the language model's label-token probabilities.
    - `predicates`: candidates of your own; the search then selects among them and proposes nothing.
    - `options`: how much is searched and judged, see `SearchOptions`; by default chosen by the language model. A
      mapping changes some of the defaults and keeps the others: `options={"n_rounds": 3}`.
    - `store`: where judgments, proposals and embeddings are kept; by default one file in the user's cache.
    - `timeout`: seconds that one call of the language model may take.
    - `seed`: seeds everything that is random; equal seeds on equal input give equal fits.
    - `out`, `overwrite`: a folder to save the fit and its report to. It is checked before anything is computed.

    **Returns:** a `Fit`.

    **Raises:** `CorpusError` (too few distinct texts, data that do not fit the model), `ModelError` (a loss that is not
    a finite number or does not use the denotations; said before anything is judged), `LanguageModelError`,
    `WeightsError`, `StoreError`, `FitFolderError`; everything judged until then is in the store and is not asked again.
    """
    corpus = Corpus.from_texts(texts)
    _check(corpus, model)
    data, coords = model.prepare(data, len(corpus))
    check_model(model, data, len(corpus))
    progress = Progress() if progress is None else progress
    costs = Costs()
    language_model = load_language_model(lm, timeout=timeout)
    the_embedder = embedder if isinstance(embedder, AbstractEmbedder) else SentenceTransformerEmbedder(embedder)
    options = _options(options, default_options(model, corpus, language_model))
    opened = store if isinstance(store, Store) else Store(store)
    engine = Engine(language_model, store=opened, costs=costs, timeout=timeout, progress=progress)
    with opened if opened is not store else contextlib.nullcontext(), engine:
        if judge is None:
            n_words = _WORDS_STRONG if language_model.strong else _WORDS_SMALL
            judge = LabelJudge(engine, opened, costs, n_words=n_words, progress=progress)
        the_proposer = _proposer(proposer, predicates, engine)
        settings = {
            "goal": goal,
            "lm": _without_password(lm) if isinstance(lm, str) else str(getattr(lm, "identity", lm)),
            "lm_identity": language_model.identity,
            "embedder": str(getattr(the_embedder, "name_or_path", None) or "minilm"),
            "embedder_identity": the_embedder.identity,
            "proposer": the_proposer.identity,
            "judge": judge.identity,
            "corpus": corpus_digest(corpus, data),
            "options": dataclasses.asdict(options),
            "seed": seed,
        }
        if out is not None:
            from nlparam.folder import check_folder

            check_folder(out, describe_model(model) | settings, overwrite=overwrite)
        with costs.stage("embedding"):
            embeddings = embed_corpus(corpus.distinct, the_embedder, opened, costs=costs, progress=progress)
            ngrams = NgramFeatures.fit(corpus.distinct)
        search = Search(
            model,
            corpus,
            embeddings,
            data,
            goal=goal,
            proposer=the_proposer,
            judge=judge,
            options=options,
            costs=costs,
            progress=progress,
            seed=seed,
        )
        found = search.run(ngrams)
    if not found.chosen:
        raise LanguageModelError(
            f"none of the {len(found.pool.predicates)} candidate predicates explains anything (the loss is "
            f"{found.loss:.4g} with or without them): try another goal, a stronger model, or allow more judgments"
        )
    fitted = _assemble(model, corpus, data, found, the_embedder, settings, costs, coords)
    for warning in fitted.model.warnings(fitted.weights, jnp.asarray(fitted.denotations), data):
        warnings.warn(warning, FitWarning, stacklevel=2)
    if out is not None:
        fitted.save(out, overwrite=overwrite)
        fitted.report(Path(out) / "report.html")
    return fitted


def default_options(
    model: AbstractPredicateModel, corpus: Corpus, language_model: AbstractLanguageModel
) -> SearchOptions:
    """A small model on a CPU judges a few texts and is corrected; a strong one judges all of a moderate corpus."""
    if not language_model.strong:
        return SearchOptions(max_judgments=180 * model.n_predicates)
    few = len(corpus.distinct) <= _MOST_JUDGED_IN_FULL
    return SearchOptions(
        n_rounds=3,
        n_slots_refined=None,
        n_screened=-(-256 // model.n_predicates),
        n_judged=None if few else _MOST_JUDGED_IN_FULL,
        correct_bias=False,
    )


def _options(given: SearchOptions | Mapping[str, Any] | None, default: SearchOptions) -> SearchOptions:
    if isinstance(given, SearchOptions):
        return given
    given = {} if given is None else given
    names = [field.name for field in dataclasses.fields(SearchOptions)]
    unknown = sorted(given.keys() - set(names))
    if unknown:
        raise ValueError(f"got options {', '.join(unknown)}, expected some of {', '.join(names)}")
    return dataclasses.replace(default, **given)


def _without_password(lm: str) -> str:
    # What http://user:password@host has before the host does not belong into a file that is passed on.
    return re.sub(r"(?<=://)[^/@]*@", "", lm)


def describe_model(model: AbstractPredicateModel) -> dict[str, Any]:
    """The class of a model and its fields, as `fit.json` keeps them: a function (a NumPyro program) by its name."""

    def written(value: Any) -> Any:
        return f"{value.__module__}:{value.__qualname__}" if callable(value) else value

    kind = type(model)
    fields = {name: written(value) for name, value in dataclasses.asdict(model).items()}
    return {"model": f"{kind.__module__}:{kind.__qualname__}", "fields": fields}


def corpus_digest(corpus: Corpus, data: Any) -> str:
    """The content address of the texts in their order, and of the data."""
    digest = hashlib.sha256()
    for text in corpus.texts:
        encoded = text.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    for leaf in jax.tree.leaves(data):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def _check(corpus: Corpus, model: AbstractPredicateModel) -> None:
    n_distinct = len(corpus.distinct)
    if len(corpus) == 0:
        raise CorpusError("got no texts, expected at least as many as predicates: check the file and its filter")
    if n_distinct < max(model.n_predicates, 2):
        raise CorpusError(
            f"got {n_distinct} distinct texts that are not blank (of {len(corpus)}), expected at least "
            f"{max(model.n_predicates, 2)} for {model.n_predicates} predicates: give more texts or fewer predicates"
        )


def _proposer(
    proposer: str | AbstractProposer | Callable[[Engine], AbstractProposer] | None,
    predicates: Iterable[str] | None,
    engine: Engine,
) -> AbstractProposer:
    if predicates is not None:
        return Listed(tuple(predicates))
    if isinstance(proposer, AbstractProposer):
        return proposer
    strategies: dict[str, Callable[[Engine], AbstractProposer]] = {"contrast": Contrast, "state": StateThenGeneralise}
    name = ("contrast" if engine.lm.strong else "state") if proposer is None else proposer
    if isinstance(name, str):
        if name not in strategies:
            raise ValueError(f"got proposer={name!r}, expected one of {sorted(strategies)} or a proposer")
        return strategies[name](engine)
    return name(engine)


def _assemble(model, corpus, data, found: Found, embedder, settings, costs, coords) -> Fit:
    denotations = found.pool.denotations(found.chosen)
    # The most prevalent predicate first: the order in which the search found them means nothing to a reader.
    order = np.argsort(-denotations.mean(axis=0), kind="stable")
    chosen = [found.chosen[position] for position in order]
    denotations = corpus.spread(denotations[:, order])
    result, asked_model = found.result, model
    if len(chosen) < model.n_predicates:
        model = dataclasses.replace(model, n_predicates=len(chosen))
        result = RESULTS.nothing_usable
    columns = jnp.asarray(denotations)
    weights = _fit_weights(model, columns, data)
    predictions = np.asarray(model.predict(weights, columns))
    if model.assigns_texts:
        predictions = np.where(corpus.blank, -1, predictions)
    head = found.pool.head(chosen)
    first_text = np.full(len(corpus.distinct), -1)
    worded = np.flatnonzero(~corpus.blank)
    first_text[corpus.row[worded[::-1]]] = worded[::-1]
    judgments = [
        Judgment(int(first_text[row]), found.pool.predicates[column], float(probability))
        for column in chosen
        for row, probability in zip(*found.pool.judged(column), strict=True)
    ]
    return Fit(
        model=model,
        predicates=[found.pool.predicates[column] for column in chosen],
        weights=jax.tree.map(np.asarray, weights),
        denotations=denotations,
        predictions=predictions,
        loss=float(model.loss(weights, columns, data)),
        result=result,
        corpus=corpus,
        denoter=Denoter(embedder, found.features, head.head, settings["embedder_identity"]),
        judgments=judgments,
        agreement=_agreement(head, denotations),
        candidates=list(found.pool.predicates),
        trace=found.trace,
        settings=settings | {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds")},
        versions=_versions(),
        costs=costs,
        asked_model=asked_model,
        data=jax.tree.map(np.asarray, data),
        coords=coords,
    )


@eqx.filter_jit
def _fit_weights(model, columns, data):
    # Compiled once per shape; taken apart, every operation of the solver would be compiled by itself at every fit.
    return model.fit_weights(columns, data)


def _agreement(head, denotations: np.ndarray) -> list[Agreement]:
    agreements = []
    for number, (left_out, corrected) in enumerate(zip(head.left_out, head.corrected, strict=True)):
        said, denoted = corrected > 0.5, left_out > 0.5
        positives = np.sum(said) + np.sum(denoted)
        agreements.append(
            Agreement(
                n_judgments=len(said),
                agreement=float(np.mean(said == denoted)),
                f1=float(2 * np.sum(said & denoted) / positives) if positives else 1.0,
                prevalence=float(denotations[:, number].mean()),
            )
        )
    return agreements


def _versions() -> dict[str, str]:
    packages = ("nlparam", "jax", "equinox", "optax", "numpy", "scikit-learn", "sentence-transformers", "xllamacpp")
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # an optional one
    return versions
