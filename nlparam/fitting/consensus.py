"""`nlparam.consensus`: fits to halves of the texts, what they have in common, and one fit of it."""

import dataclasses
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Unpack

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.frames import Frame, texts_of
from nlparam.denotation.session import Session, accepts, check_names
from nlparam.errors import FitWarning, ResultFolderError
from nlparam.fitting.driver import fit
from nlparam.fitting.halves import Halves
from nlparam.fitting.records import RESULTS
from nlparam.fitting.recurrence import Recurrence, Stability
from nlparam.fitting.result import Fit
from nlparam.fitting.setup import FitArguments, prepared
from nlparam.numerics.core.check import check_class
from nlparam.numerics.core.denotations import decided
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.statistics.recurrence import recurring
from nlparam.runtime.budget import Meter
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

# What comes back in this share of the seeds may enter the consensus.
_OFTEN = 0.5


@accepts(FitArguments, prepared, Session)
def consensus(
    model: AbstractPredicateModel,
    texts: Iterable[str] | Frame,
    data: Any = None,
    *,
    seeds: int | Iterable[int] = 4,
    out: str | Path | None = None,
    overwrite: bool = False,
    **asked: Unpack[FitArguments],
) -> Fit:
    """Fits a model to halves of the texts and then once more, to the predicates that come back.

    Each seed fits to one half of the texts, the next seed to the other half; the third and fourth seed split anew.
    Candidates of the last fit, to all texts, are the predicates that at least half of the seeds found (by denotation
    over all texts, not by wording; if these are fewer than the model needs, the next most frequent too); the model
    chooses among them by its loss. So a predicate that only one lucky half found does not enter, and none that all
    found is missed.

    How alike two halves would be by chance is found by permuting the data within each half, and choosing anew among
    the candidates that were judged there; no more is asked for that. For a model without data (`Clustering`) the
    denotations of each candidate are permuted.

    **Arguments:** `seeds`, a number of seeds (0, 1, ...) or the seeds, at least two; the others are those of
    `nlparam.fit`, of which `budget` is for all fits together; texts of one cluster stay in one half. With `out`, the
    fit of each seed is saved in `out/seeds/N`.

    **Returns:** the last fit, with `stability`, and with the costs of all. If the budget is spent before, the fit with
    the least loss so far.

    **Raises:** `ValueError` for fewer than two seeds, and what `nlparam.fit` raises, for halves of the texts too.
    """
    if "seed" in asked:
        raise ValueError(f"got seed={asked['seed']}, expected `seeds`: a number of seeds, or the seeds themselves")
    check_names(consensus, asked)
    seeds = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds):
        raise ValueError(f"got the seeds {', '.join(map(str, seeds)) or 'none'}, expected at least two different ones")
    if out is not None and not overwrite:
        _check_folder(Path(out), seeds)
    check_class(model)
    texts, (data, clusters) = texts_of(texts, asked.pop("text_field", None), data, asked.get("clusters"))
    corpus = Corpus.from_texts(texts)
    progress = asked.get("progress") or Progress()
    meter = Meter(Costs(), asked.get("budget"))  # of all fits, one after another
    asked["clusters"] = clusters
    shared: FitArguments = {**asked, "progress": progress}
    halves = Halves(model, corpus, data, clusters=clusters)
    with progress.task("seeds", len(seeds), unit="fits") as task:
        for number, seed in enumerate(seeds):
            if meter.spent is not None:
                break
            folder = None if out is None else Path(out) / "seeds" / str(seed)
            of_seed: FitArguments = {**shared, "seed": seed, "budget": meter.left}
            meter.costs += halves.fit(number, seeds, out=folder, overwrite=overwrite, asked=of_seed).costs
            task.advance()
    fits = halves.fits
    stability = _stability(seeds[: len(fits)], halves)
    if meter.spent is not None or len(fits) < len(seeds):
        warnings.warn(
            f"the budget is spent after {len(fits)} of {len(seeds)} seeds: this is the fit with the least loss so far, "
            "to half of the texts, and no consensus; the same command with more goes on from here",
            FitWarning,
            stacklevel=2,
        )
        best = min(fits, key=lambda fitted: fitted.loss)
        best = dataclasses.replace(best, result=RESULTS.budget_spent)
    else:
        predicates = _candidates(stability, model.n_predicates)
        # Candidates have competed in each half; now they are among the predicates that came back, or out.
        last: FitArguments = {
            **shared,
            "predicates": predicates,
            "candidates": None,
            "seed": seeds[0],
            "budget": meter.left,
        }
        best = fit(model, corpus.texts, data, **last)
        meter.costs += best.costs
    best = dataclasses.replace(best, stability=_chosen(stability, best.predicates), costs=meter.costs)
    if out is not None:
        best.save(out, overwrite=True)  # what was there is of the same seeds, and their fits were compared
        best.report(Path(out) / "report.html")
    return best


def _check_folder(folder: Path, seeds: tuple[int, ...]) -> None:
    """Raises `ResultFolderError` if the folder holds a fit from other seeds: what else differs, the first seed
    finds."""
    if not (folder / "fit.json").exists():
        return
    contents = Fit.read(folder)
    there = contents.get("stability")
    before = tuple(there["seeds"]) if there else ()
    met_budget = contents.get("result") == RESULTS.budget_spent.name  # and has only the first of its seeds
    if not before or before != (seeds[: len(before)] if met_budget else seeds):
        of = f"the seeds {', '.join(map(str, before))}" if before else "one seed"
        raise ResultFolderError(f"{folder} holds a fit from {of}: choose another --out, or replace it with --overwrite")


def _stability(seeds: Sequence[int], halves: Halves) -> Stability:
    fits, matrices = halves.fits, halves.denotations

    def wording(run: int, column: int) -> str:
        return fits[run].predicates[column]

    recurrences = tuple(
        Recurrence(
            predicate=wording(*group.medoid),
            seeds=tuple(seeds[member.run] for member in group.members),
            wordings=tuple(wording(*member) for member in group.members),
            correlation=group.correlation,
            prevalence=float(decided(matrices[group.medoid.run][:, group.medoid.column]).mean()),
        )
        for group in recurring(matrices)
    )
    losses = tuple(fitted.loss for fitted in fits)
    if len(fits) < 2:
        return Stability(tuple(seeds), losses, 1.0, recurrences)
    return Stability(tuple(seeds), losses, halves.alignment(), recurrences, halves.chance())


def _candidates(stability: Stability, n_predicates: int) -> list[str]:
    often = [r for r in stability.recurrences if len(r.seeds) >= _OFTEN * len(stability.seeds)]
    # They are in order of how often they come back.
    enough = stability.recurrences[: max(len(often), n_predicates)]
    return list({recurrence.predicate.casefold(): recurrence.predicate for recurrence in enough}.values())


def _chosen(stability: Stability, predicates: Sequence[str]) -> Stability:
    chosen = {predicate.casefold() for predicate in predicates}
    marked = [dataclasses.replace(r, in_consensus=r.predicate.casefold() in chosen) for r in stability.recurrences]
    return dataclasses.replace(stability, recurrences=tuple(marked))
