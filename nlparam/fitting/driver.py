"""`nlparam.fit`: where numerics and language meet."""

import dataclasses
import datetime
import functools
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Unpack

import jax
import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.frames import Frame
from nlparam.denotation.cascade import Cascaded, denote_by_cascade
from nlparam.denotation.computed import ComputedJudge
from nlparam.denotation.denoter import Denoter
from nlparam.denotation.pool import Pool
from nlparam.denotation.session import Session, accepts, check_names
from nlparam.errors import CorpusError, FitWarning, LanguageModelError
from nlparam.fitting.estimate import judgments_of
from nlparam.fitting.inference import infer
from nlparam.fitting.inferred import Score
from nlparam.fitting.records import RESULTS, Agreement, doubts
from nlparam.fitting.result import Fit
from nlparam.fitting.sample import Sample
from nlparam.fitting.sampling import sample
from nlparam.fitting.scores import cross_fitted_scores
from nlparam.fitting.search import Found, run_search
from nlparam.fitting.setup import DEFAULT_GOAL as DEFAULT_GOAL
from nlparam.fitting.setup import FitArguments, FitRun, prepared
from nlparam.fitting.split import folds
from nlparam.language.detect import language_mismatch, language_warning
from nlparam.language.goals import read_goal
from nlparam.numerics.core import compiled
from nlparam.numerics.core.denotations import decided
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.heads.head import HeadFit
from nlparam.numerics.statistics.rates import concord
from nlparam.results.records import Judgment
from nlparam.results.versions import installed_versions

# A corpus that is too small to be divided is left out in so many parts, in turn.
_N_FOLDS = 5


@accepts(FitArguments, prepared, Session)
def fit(
    model: AbstractPredicateModel,
    texts: Iterable[str] | Frame,
    data: Any = None,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    **asked: Unpack[FitArguments],
) -> Fit:
    """Fits a model whose parameters are natural-language predicates.

    **Arguments:**

    - `model`: for instance `nlparam.models.Clustering(n_predicates=5)`.
    - `texts`: the corpus, a list or a column of a data frame; `data` whatever else the model needs of it: class labels,
      times, numbers, or a PyTree of arrays for a model of your own (see `AbstractPredicateModel.prepare`).
    - `text_field`: `texts` may be a data frame (pandas, Polars, Arrow). This is its column of texts, by default "text",
      else the only one that holds strings. `data` and `clusters` may then be names of columns.
    - `goal`: what the predicates are to be about, in plain words: a noun phrase ("the language it is written in"), a
      question ("who is speaking?") or an instruction ("group by tone"). Examples of answers may stand behind it.
    - `goal_examples`: answers that a text could have ("poem", "song"); they help most where a small language model
      does not see what the goal is after.
    - `lm`: `"embedded"`, `"embedded:NAME"`, the path of a GGUF file, `"openai:MODEL"`, `"anthropic:MODEL"`,
      `"openrouter:MODEL"`, `"ollama:MODEL"`, the URL of an OpenAI-compatible server (`"http://host:port/v1"`,
      optionally `#model`), or a backend object.
    - `embedder`: a folder, a hub name or an embedder; by default the packaged MiniLM.
    - `proposer`: `"contrast"`, `"state"`, `"both"`, a proposer, or what makes one from the engine of the language
      model; by default chosen by the strength of the language model.
    - `judge`: `Cascade(...)`, which denotes all texts with a bound on the error, or a judge of your own; by default the
      language model's label-token probabilities on some texts, and a learned head on the others.
    - `form`: how the language model is asked, about one predicate at a time (`"single"`) or with the others listed
      beside it (`"contrastive"`).
    - `calibration`: labelled pairs of text and predicate, or a file of them, by which judgments are corrected.
    - `predicates`: candidates of your own; the search then selects among them and proposes nothing.
    - `definitions`: what some of the predicates mean: a sentence each, or a
      [`Definition`][nlparam.denotation.definitions.Definition]. Language model and people are shown it.
    - `locked`: predicates that the fit has whatever else it has; `excluded`: predicates that it never has, and none
      that says the same; `candidates`: predicates that compete with the proposals.
    - `options`: how much is searched and judged, see `SearchOptions`; by default chosen by the language model. A
      mapping changes some of the defaults and keeps the others: `options={"n_rounds": 3}`.
    - `representation`: what is relaxed. `"embedding"`: the embeddings of the texts as they are. `"goal"` (or a
      `GoalRepresentation`): as far as that helps, where their statements under the goal would lie; this costs one short
      call for each of 96 texts or more. `"auto"`: the latter if a goal is given and predicates are to be proposed.
    - `executable`: let predicates be computed where a small function, a word or a pattern says as much as the language
      model would; they cost no judgments (`True`, or an `Executable` with its criteria).
    - `clusters`: which texts belong together, one value for each text: the author, the thread, the speech. They stay on
      one side of the split, and intervals allow for their likeness.
    - `held_out`: the share of the texts that is set aside while predicates are chosen, and on which figures are then
      estimated. By default half of them, if there are 200 texts and the model has something to explain; of a model of
      your own none, unless it overrides `subsample`: its texts may belong together, such as in their order.
    - `inference`: whether random texts are judged at the end, for the intervals (see `Fit.inference`), or how many. By
      default they take at most 0.3 of what was asked until then.
    - `budget`: what the language model may use; a fit that meets a limit ends with the best so far.
    - `store`: where judgments, proposals and embeddings are kept; by default one file in the user's cache.
    - `timeout`: seconds that one call of a server may take; a model in this process has all the time it needs.
    - `seed`: seeds everything that is random; equal seeds on equal input give equal fits.
    - `out`, `overwrite`: a folder to save the fit and its report to. It is checked before anything is computed.

    **Returns:** a `Fit`.

    **Raises:** `CorpusError` (too few distinct texts, data that do not fit the model), `ModelError` (a loss that is not
    a finite number or does not use the denotations; said before anything is judged), `LanguageModelError`,
    `WeightsError`, `StoreError`, `GoalError` (a goal without words),
    `ResultFolderError`; everything judged until then is in the store and is not asked again.
    """
    check_names(fit, asked)
    fitted, _ = search_and_fit(model, texts, data, out=out, overwrite=overwrite, **asked)
    return fitted


def search_and_fit(
    model: AbstractPredicateModel,
    texts: Iterable[str] | Frame,
    data: Any = None,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    **asked: Unpack[FitArguments],
) -> tuple[Fit, Found]:
    """The fit, and what its search ended with: the candidates too that were not chosen, with their answers."""
    check = None if out is None else functools.partial(Fit.check, out, overwrite=overwrite)
    with prepared(model, texts, data, check=check, **asked) as run:
        n_listed = len(getattr(run.search.proposer, "predicates", ()))
        run.meter.expected = int(judgments_of(run, n_listed).expected)
        found = run_search(run.search)
        if not found.chosen:
            raise LanguageModelError(
                f"none of the {len(found.pool.predicates)} candidate predicates explains anything (the loss is "
                f"{found.loss:.4g} with or without them): try another goal, a stronger model, or allow more judgments"
            )
        found = _by_prevalence(found, run.search.corpus.multiplicity)
        pool = _widened(run, found)
        cascaded = _cascade(run, pool)
        head = pool.head(range(len(pool.predicates)))
        drawn, answers = _sample(run, pool, head)
    fitted = _inferred(run, found, _assemble(run, found, pool, head, cascaded, drawn, answers))
    for warning in _warnings(fitted, run):
        warnings.warn(warning, FitWarning, stacklevel=3)
    if out is not None:
        fitted.save(out, overwrite=overwrite)
        fitted.report(Path(out) / "report.html")
    return fitted, found


def _by_prevalence(found: Found, multiplicity: np.ndarray) -> Found:
    """The most prevalent predicate first: the order in which the search found them means nothing to a reader."""
    order = np.argsort(-(multiplicity @ found.pool.denotations(found.chosen)), kind="stable")
    return dataclasses.replace(found, chosen=[found.chosen[position] for position in order])


def _widened(run: FitRun, found: Found) -> Pool:
    """The chosen predicates and what is known of them, over all texts, the ones held out too."""
    if not run.split.any:
        texts, features, rows = found.pool.texts, found.pool.features, slice(None)
    else:
        texts = run.corpus.distinct
        features, rows = found.features.of(run.represented, run.ngram_features), run.corpus.rows_of(found.pool.texts)
    return found.pool.widened(found.chosen, texts, features, rows)


def _cascade(run: FitRun, pool: Pool) -> Cascaded | None:
    """The denotations of the chosen predicates by the cascade, if there is one."""
    if run.cascade is None:
        return None
    with run.costs.stage("cascade"):
        return denote_by_cascade(
            run.cascade,
            run.judge,
            pool.texts,
            pool.predicates,
            features=pool.features,
            predicate_embeddings=run.stored_embedder.embed(pool.predicates),
            meter=run.meter,
            known=pool.answers,
            correct_bias=pool.correct_bias,
            seed=run.seed,
        )


def _sample(run: FitRun, pool: Pool, head: HeadFit) -> tuple[Sample, np.ndarray]:
    """What intervals rest on. The head of it has learned from the answers of the search alone."""
    costs = run.costs
    n_asked = costs.judgments_asked + costs.judgments_served + costs.proposals_asked + costs.proposals_served
    with costs.stage("inference"):
        return sample(
            run.inference,
            run.judge,
            run.corpus,
            run.data,
            pool,
            head,
            run.split,
            n_asked=n_asked,
            meter=run.meter,
            rng=np.random.default_rng([run.seed, 2]),
        )


def _assemble(
    run: FitRun,
    found: Found,
    pool: Pool,
    fitted_head: HeadFit,
    cascaded: Cascaded | None,
    drawn: Sample,
    answers: np.ndarray,
) -> Fit:
    model, corpus, data = run.model, run.corpus, run.data
    chosen = range(len(pool.predicates))
    head = fitted_head.head
    denotations = None
    if cascaded is not None:
        pool.answers = cascaded.answers
        denotations, head = cascaded.denotations, cascaded.head or head
    if denotations is None:
        denotations = pool.denotations(chosen)
    denotations = corpus.spread(denotations)
    # Only now: the head and the denotations must not have learned from the answers that they are held against.
    pool.answers = np.where(np.isfinite(answers), answers, pool.answers)
    result = found.result if run.meter.spent is None else RESULTS.budget_spent
    if len(chosen) < model.n_predicates:
        model = dataclasses.replace(model, n_predicates=len(chosen))
        result = RESULTS.nothing_usable if run.meter.spent is None else RESULTS.budget_spent
    weights, predictions, loss = jax.tree.map(np.asarray, compiled.fitted(model, to_device(denotations), data))
    if model.assigns_texts:
        predictions = np.where(corpus.blank, -1, predictions)
    run.costs.money = run.meter.cost
    return Fit(
        model=model,
        predicates=pool.predicates,
        weights=weights,
        denotations=denotations,
        predictions=predictions,
        loss=float(loss),
        result=result,
        corpus=corpus,
        denoter=Denoter(run.embedder, found.features, head, run.settings["embedder_identity"], run.goal_map),
        judgments=_judgments(corpus, pool, drawn),
        agreement=_agreement(fitted_head, denotations[~corpus.blank]),
        candidates=list(found.pool.predicates),
        trace=found.trace,
        settings=run.settings
        | run.session.reading.as_setting()
        | ({"computed": run.judge.computed.as_dict(pool.predicates)} if isinstance(run.judge, ComputedJudge) else {})
        | {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds")},
        versions=installed_versions(),
        costs=run.costs,
        asked_model=run.model,
        data=jax.tree.map(np.asarray, data),
        coords=run.coords,
        certificate=None if cascaded is None else cascaded.certificate,
        calibration=run.calibration,
        following=run.following,
        sample=drawn if run.inference or run.split.any else None,
    )


def _inferred(run: FitRun, found: Found, fitted: Fit) -> Fit:
    """The fit with what it lets one say, where the judge has answered a random sample."""
    with fitted.costs.stage("inference"):
        try:
            inferred = infer(fitted, embeddings=run.embeddings, in_turn=functools.partial(_cross_fitted, run, found))
        except CorpusError:
            return fitted
        return dataclasses.replace(fitted, inferred=inferred)


def _cross_fitted(run: FitRun, found: Found) -> tuple[Score, ...]:
    """How well texts are predicted that were left out of the choice among the candidates, in turn."""
    if not run.explains or run.split.any or run.model.assigns_texts:
        return ()
    parts = folds(run.corpus, run.split.clusters, _N_FOLDS, np.random.default_rng([run.seed, 3]))
    columns = found.pool.usable()
    if not parts or not columns:
        return ()
    return cross_fitted_scores(
        run.model,
        run.corpus.spread(found.pool.denotations(columns)),
        run.data,
        parts,
        has_classes="class" in run.coords,
        seed=run.seed,
    )


def _judgments(corpus: Corpus, pool: Pool, drawn: Sample) -> list[Judgment]:
    """Every answer, the ones of the inference round with the probability that the text was drawn."""
    first_text = np.full(len(corpus.distinct), -1)
    worded = np.flatnonzero(~corpus.blank)
    first_text[corpus.row[worded[::-1]]] = worded[::-1]
    inclusion = dict(zip(corpus.row[drawn.drawn].tolist(), drawn.inclusion[drawn.drawn].tolist(), strict=True))
    return [
        Judgment(int(first_text[row]), pool.predicates[column], float(probability), inclusion.get(int(row)))
        for column in range(len(pool.predicates))
        if column not in pool.computed
        for row, probability in zip(*pool.judged(column), strict=True)
    ]


def _warnings(fitted: Fit, run: FitRun) -> Iterator[str]:
    """What the user should know: what the model says of its weights, and what a spent budget left undone."""
    goal = fitted.settings["goal"]
    if len(several := read_goal(goal).names_several) > 1:
        yield (
            f"the goal names {len(several)} things ({', '.join(several)}), and a fit follows one: it was taken as a "
            "whole. Make a fit for each"
        )
    # Prompts are in English, and so are goals for texts in any language.
    if (mismatch := language_mismatch(goal, fitted.corpus.distinct, spared="en")) is not None:
        yield language_warning(mismatch)
    yield from doubts(fitted)
    if fitted.inferred is not None:
        yield from fitted.inferred.warnings()
    yield from fitted.model.warnings(fitted.weights, to_device(fitted.denotations), fitted.data)
    if (n_found := len(fitted.predicates)) < (n_asked := run.model.n_predicates):
        spent = run.meter.spent is not None
        why = "the budget was spent before" if spent else "no other candidate lowers the loss"
        yield (
            f"the fit has {n_found} of the {n_asked} predicates asked for: {why}. Ask for fewer, allow more judgments "
            "or rounds, or try a stronger language model"
        )
    if run.meter.spent is not None:
        undone = ""
        if run.cascade is not None and fitted.certificate is None:
            undone = ", without the audit that the cascade needs for its bound"
        yield (
            f"the budget is spent ({run.meter.spent}): this is the best fit so far{undone}; the same command with more "
            "goes on from here"
        )


def _agreement(head, denotations: np.ndarray) -> list[Agreement]:
    agreements = []
    for number, (left_out, corrected) in enumerate(zip(head.left_out, head.corrected, strict=True)):
        said, denoted = corrected > 0.5, left_out > 0.5
        positives = np.sum(said) + np.sum(denoted)
        share, by_chance, kappa = concord(said, denoted)
        agreements.append(
            Agreement(
                n_judgments=len(said),
                agreement=share,
                f1=float(2 * np.sum(said & denoted) / positives) if positives else 1.0,
                prevalence=float(decided(denotations[:, number]).mean()),
                by_chance=by_chance,
                kappa=kappa,
            )
        )
    return agreements
