"""`nlparam.decompose`: decompositions proposed, criticised, refined, judged once, and ranked by execution."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.session import Asking, Session, accepts, check_names
from nlparam.errors import CorpusError, ExpressionError, FitWarning, LanguageModelError
from nlparam.evals.decomposition.execution import Execution
from nlparam.evals.decomposition.expression import Expression, Part, parse
from nlparam.evals.decomposition.log import RepairRecord, examples, read_repairs
from nlparam.evals.decomposition.reduce import shortest
from nlparam.evals.decomposition.repair import Repair, assistance, repair
from nlparam.evals.decomposition.result import Decomposition, Decompositions
from nlparam.evals.decomposition.wording import readings, repeats, simplified
from nlparam.evals.truth import truths
from nlparam.language.decompositions import DecompositionWriter, Draft
from nlparam.numerics.heads.head import bias, correct, log_odds_of
from nlparam.results.folder import digest_of_content
from nlparam.runtime.budget import Meter
from nlparam.runtime.costs import Costs

JUDGED = "judged"
_LEAST_TEXTS = 8


@accepts(Asking, Session)
def decompose(
    predicate: str,
    texts: Iterable[str],
    labels: Sequence[Any] | np.ndarray | str | None = None,
    *,
    kind: str = "predicate",
    n_proposals: int = 4,
    n_alternatives: int = 3,
    expressions: Iterable[str | Expression] = (),
    repairs: str | Path | Sequence[RepairRecord] = (),
    target: float = 0.9,
    max_edits: int = 2,
    judge: AbstractJudge | None = None,
    correct_bias: bool = True,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    **asked: Unpack[Asking],
) -> Decompositions:
    """Takes a complex predicate apart into simple ones joined by and, or, not, such that it can be repaired.

    What the predicate itself says by and, or, not is one decomposition. The language model proposes others, finds fault
    with each, mends it, and says what else each part might mean; a part that is a compound is taken apart by its own
    words, and a decomposition with a part that says the whole again is refused. Of equivalent ones the shortest stays.
    All parts, alternatives and the whole are judged on the texts once. Then everything is done by execution: a
    decomposition is right for a text if the whole, in hard logic, is what the label says, and every change of one part
    is tried out (see `nlparam.evals.decomposition.assistance`). Half of the texts rank the decompositions; the other
    half says how often the chosen one is right. Of those as good as the best, within its standard error, the one
    that can be repaired best comes first, then the one with fewer parts (arXiv 2406.04604).

    **Arguments:**

    - `predicate`: what to take apart ("is about sport and negative"); with `kind="task"` a task, of which `texts` are
      solutions and the parts are what can be checked in one.
    - `labels`: for each text whether the whole holds (booleans, 0 and 1, "yes" and "no"), or `"judged"`: as the
      language model judges the whole.
    - `n_proposals`: how often it is asked for a decomposition (with 0 there are none but yours, or, if you give none,
      what the predicate itself says); `n_alternatives`, for how many other readings of a part.
    - `expressions`: decompositions of your own, ranked with the others.
    - `repairs`: a log of earlier repairs, or its records: the most similar are shown to the language model as examples.
    - `target`: the agreement at which a decomposition counts as right when repairs are tried; `max_edits`, by how many.
    - `judge`: a judge of your own, by default the language model's label-token probabilities.
    - `correct_bias`: move the threshold of each predicate to the valley between its yes and no answers, as fits do.
    - `seed`; `lm`, `budget`, `store`, `timeout`, `progress`: as for `nlparam.fit`.
    - `out`, `overwrite`: a `.json` file for the result, with its report beside it. One that holds another result (of
      other texts or settings) is left alone without `overwrite`.

    **Returns:** `Decompositions`.

    **Raises:** `CorpusError` for missing or useless labels, `ExpressionError` for an expression of yours that cannot be
    read, `ResultFolderError` for a file that holds something else, `LanguageModelError` if the language model cannot be
    asked or writes no decomposition that can be read; what was answered until then is in the store and is not asked
    again.
    """
    predicate = " ".join(predicate.split())
    if not predicate:
        raise CorpusError("got an empty predicate, expected what is to be taken apart")
    if min(n_proposals, n_alternatives) < 0:
        raise ValueError(f"got n_proposals={n_proposals} and n_alternatives={n_alternatives}, expected no less than 0")
    own = [(parse(e) if isinstance(e, str) else e) for e in expressions]
    corpus = Corpus.from_texts(texts)
    known = _checked_labels(labels, corpus)
    records = read_repairs(repairs) if isinstance(repairs, str | Path) else list(repairs)
    check_names(decompose, asked)
    session = Session(**asked)
    costs, meter = session.costs, session.meter
    with session:
        learned = examples(records, predicate)
        writer = DecompositionWriter(session.engine, kind=kind, examples=learned, seed=seed)
        judge = session.judge() if judge is None else judge
        settings = {
            "predicate": predicate,
            "kind": kind,
            "texts": digest_of_content([corpus.texts, None if known is None else known.tolist()]),
            "lm": session.lm.identity,
            "judge": judge.identity,
            "prompts": writer.identity,
            "labels": JUDGED if known is None else "given",
            "expressions": [str(expression) for expression in own],
            "examples": learned,
            "n_proposals": n_proposals,
            "n_alternatives": n_alternatives,
            "correct_bias": correct_bias,
            "target": target,
            "max_edits": max_edits,
            "seed": seed,
        }
        # A log of repairs grows with every run that is recorded: the examples are not compared.
        Decompositions.check(
            out, {name: settings[name] for name in settings if name != "examples"}, overwrite=overwrite
        )
        drafts, unreadable = _write(writer, predicate, n_proposals, costs)
        worded = readings(predicate) if kind == "predicate" and (n_proposals > 0 or not own) else []
        found = _distinct(dict.fromkeys([*own, *worded]) | drafts, unreadable)
        if not found:
            raise LanguageModelError(_nothing(predicate, n_proposals, unreadable))
        parts = list(dict.fromkeys(part for expression in found for part in expression.parts))
        with costs.stage("rewording"):
            others = {
                part: [other for other in listed if not readings(other) and not repeats(other, predicate)]
                for part, listed in zip(parts, writer.alternatives(predicate, parts, n_alternatives), strict=True)
            }
        candidates = list(dict.fromkeys([*parts, *(other for listed in others.values() for other in listed)]))
        with costs.stage("judging"):
            # A task is no predicate; it is judged as one only where there are no labels.
            compound = predicate if kind == "predicate" or known is None else None
            judged = _judged(judge, corpus, compound, candidates, known, meter, correct_bias)
    costs.money = meter.cost
    ranked, suggestion = _ranked(found, judged.execution, others, target=target, max_edits=max_edits, seed=seed)
    decomposed = Decompositions(
        predicate=predicate,
        ranked=tuple(ranked),
        suggestion=suggestion,
        unreadable=tuple(unreadable),
        settings=settings,
        costs=costs,
        texts=tuple(corpus.texts[row] for row in judged.rows.tolist()),
        **judged._asdict(),
    )
    if out is not None:
        decomposed.save(out)
    return decomposed


def _write(
    writer: DecompositionWriter, predicate: str, n_proposals: int, costs: Costs
) -> tuple[dict[Expression, str | None], list[str]]:
    """The decompositions that can be read, with the fault each was refined from, and why others cannot."""
    with costs.stage("proposing"):
        proposed = writer.propose(predicate, n_proposals)
    with costs.stage("criticising"):
        seen = [_seen_fault(draft, predicate) for draft in proposed]
        asked = iter(writer.criticise(predicate, [d for d, fault in zip(proposed, seen, strict=True) if fault is None]))
        faults = [next(asked) if fault is None else fault for fault in seen]
    with costs.stage("refining"):
        refined = writer.refine(predicate, proposed, faults)
    found: dict[Expression, str | None] = {}
    unreadable: list[str] = []
    for draft, fault in [*((draft, None) for draft in proposed), *zip(refined, faults, strict=True)]:
        if draft is None:
            continue
        try:
            found.setdefault(simplified(_read(draft), predicate), fault)
        except (ExpressionError, ValueError) as error:
            costs.failures += 1
            unreadable.append(str(error))
    return found, unreadable


def _nothing(predicate: str, n_proposals: int, unreadable: list[str]) -> str:
    why = f" ({unreadable[0]})" if unreadable else ""
    if n_proposals == 0:
        return (
            f"there is no decomposition of {predicate!r}{why}: no proposal was asked for; ask for some, or give "
            "expressions of your own"
        )
    return (
        f"the language model wrote no decomposition of {predicate!r} that can be read{why}: try a stronger --lm, more "
        "proposals, or give expressions of your own"
    )


def _seen_fault(draft: Draft, predicate: str) -> str | None:
    """What is wrong with a draft for certain, which a language model need not be asked about."""
    try:
        simplified(_read(draft), predicate)
    except ExpressionError:
        return None  # it is left to the language model, which may mend the formula
    except ValueError as error:
        return f"{str(error)[0].upper()}{str(error)[1:]}: put two simpler parts in its place."
    return None


def _distinct(found: dict[Expression, str | None], unreadable: list[str]) -> dict[Expression, str | None]:
    """Of those that are equivalent the shortest, with the fault of the first; what says nothing is refused."""
    kept: dict[Expression, str | None] = {}
    for expression, same in shortest(found).items():
        if same is None:
            unreadable.append(f"the decomposition {expression} is always true, or always false")
        else:
            kept.setdefault(same, found[expression])
    return kept


def _read(draft: Draft) -> Expression:
    return parse(draft.formula, dict(draft.parts))


class _Judged(NamedTuple):
    execution: Execution
    rows: np.ndarray
    whole: np.ndarray | None
    notes: tuple[str, ...]


def _judged(
    judge: AbstractJudge,
    corpus: Corpus,
    compound: str | None,
    candidates: list[str],
    labels: np.ndarray | None,
    meter: Meter,
    correct_bias: bool,
) -> _Judged:
    """The candidates and the whole judged on every text with words; the texts are those for which all was answered."""
    asked = candidates if compound is None else [*candidates, compound]
    rows = np.flatnonzero(~corpus.blank)
    answers = judge.judge_all(corpus.distinct, asked)[corpus.row[rows]]
    complete = np.isfinite(answers).all(axis=1)
    if complete.sum() < _LEAST_TEXTS:
        why = f"the budget is spent ({meter.spent}): allow more" if meter.spent is not None else "try a stronger --lm"
        raise LanguageModelError(
            f"all {len(asked)} predicates were judged for {complete.sum()} of {len(rows)} texts only, expected at "
            f"least {_LEAST_TEXTS}: {why}; what was judged is stored"
        )
    notes: tuple[str, ...] = ()
    if meter.spent is not None or not complete.all():
        spent = f"the budget is spent ({meter.spent})" if meter.spent is not None else "judgments failed"
        notes = (f"{spent}: this is of the {complete.sum()} of {len(rows)} texts for which everything was judged",)
        warnings.warn(notes[0], FitWarning, stacklevel=3)
    rows, answers = rows[complete], answers[complete]
    if correct_bias:
        answers = np.stack([correct(column, bias(log_odds_of(column))) for column in answers.T], axis=1)
    # The whole itself is no part that a repair may put in.
    answers, whole = answers[:, : len(candidates)], None if compound is None else answers[:, -1]
    holds = labels[rows] if labels is not None else whole
    assert holds is not None  # without labels the whole was judged
    n_yes = int(np.sum(holds >= 0.5))
    if labels is None and min(n_yes, len(holds) - n_yes) < 2:
        raise CorpusError(
            f"the language model found that {compound!r} holds for {n_yes} of {len(holds)} texts, expected at least 2 "
            "for which it does and 2 for which it does not: give labels (--label-field), or other texts"
        )
    return _Judged(Execution(tuple(candidates), answers, holds >= 0.5), rows, whole, notes)


def _ranked(
    found: dict[Expression, str | None],
    execution: Execution,
    alternatives: dict[str, list[str]],
    *,
    target: float,
    max_edits: int,
    seed: int,
) -> tuple[list[Decomposition], Repair | None]:
    """The decompositions, the best first, and a repair of the best that both halves of the texts confirm."""
    ranking, held_out = _halves(execution, seed)
    # A predicate that was not taken apart is no decomposition, unless there is no other.
    composed = {expression: fault for expression, fault in found.items() if not isinstance(expression, Part)} or found
    measured = [
        Decomposition(
            expression=expression,
            balanced_agreement=ranking.balanced_agreement(expression),
            agreement=held_out.agreement(expression),
            assistance=assistance(expression, ranking, alternatives, target=target, max_edits=max_edits),
            fault=fault,
            n_held_out=len(held_out.labels),
        )
        for expression, fault in composed.items()
    ]
    best = max(one.balanced_agreement for one in measured)
    n_least = min(int(ranking.labels.sum()), int((~ranking.labels).sum()))
    error = np.sqrt(max(best * (1 - best), 0.25 / len(ranking.labels)) / (2 * n_least))
    measured.sort(
        key=lambda one: (
            # One standard error, as in choosing the size of a tree (Breiman et al. 1984).
            one.balanced_agreement < best - error,
            -one.assistance.value if one.balanced_agreement >= best - error else 0,
            len(one.expression.parts) if one.balanced_agreement >= best - error else 0,
            -one.balanced_agreement,
        )
    )
    chosen = measured[0].expression
    suggestion = next(iter(repair(chosen, ranking)), None)
    if suggestion is not None:
        gained = held_out.balanced_agreement(suggestion.expression) - held_out.balanced_agreement(chosen)
        suggestion = suggestion if gained > 0 else None
    return measured, suggestion


def _halves(execution: Execution, seed: int) -> tuple[Execution, Execution]:
    """Two halves with as many texts of either label as can be. Raises `CorpusError` if a label occurs once only."""
    rng = np.random.default_rng(seed)
    parts: tuple[list[int], list[int]] = ([], [])
    for label in (True, False):
        rows = rng.permutation(np.flatnonzero(execution.labels == label)).tolist()
        if len(rows) < 2:
            raise CorpusError(
                f"the whole {'holds' if label else 'fails'} for {len(rows)} of {len(execution.labels)} texts, expected "
                "at least 2, one for each half: label more texts"
            )
        parts[0].extend(rows[::2])
        parts[1].extend(rows[1::2])
    return execution.on(np.asarray(parts[0])), execution.on(np.asarray(parts[1]))


def _checked_labels(labels: Sequence[Any] | np.ndarray | str | None, corpus: Corpus) -> np.ndarray | None:
    """The labels as booleans, `None` if the language model is to judge the whole."""
    if labels is None:
        raise CorpusError(
            "got no labels, expected for each text whether the whole holds: give them (--label-field), or have the "
            "language model judge the whole (labels='judged', --judged)"
        )
    if len(corpus.distinct) < _LEAST_TEXTS:
        raise CorpusError(f"got {len(corpus.distinct)} distinct texts, expected at least {_LEAST_TEXTS}")
    if isinstance(labels, str):
        if labels != JUDGED:
            raise CorpusError(f"got labels={labels!r}, expected one for each text, or 'judged'")
        return None
    if len(labels) != len(corpus):
        raise CorpusError(f"got {len(labels)} labels for {len(corpus)} texts, expected one for each")
    read = truths(labels, lambda number: f"label number {number}")
    worded = read[~corpus.blank]
    if worded.all() or not worded.any():
        raise CorpusError(
            f"all {len(worded)} labels are {bool(worded[0])}, expected texts for which the whole holds and others for "
            "which it does not: nothing can be learned from one kind"
        )
    return read
