"""`nlparam.simulate`: explanations are put to the test by counterfactuals."""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from nlparam.denotation.session import Asking, Session, accepts, check_names
from nlparam.errors import CorpusError, FitWarning, LanguageModelError
from nlparam.evals.simulatability.explain import explain
from nlparam.evals.simulatability.explanations import Explanation, checked
from nlparam.evals.simulatability.result import Counterfactual, Simulatability, Simulation
from nlparam.language.counterfactuals import Case, CounterfactualWriter
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.likeness import bleu, bleu_metric, cosines, jaccard
from nlparam.language.propose.both import in_turn
from nlparam.language.simulation import AnsweringModel, SimulatedReader
from nlparam.lm import load_language_model
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.engine import Engine
from nlparam.numerics.statistics.simulation import Measured, generality, mean, precision, share
from nlparam.results.folder import digest_of_content
from nlparam.runtime.progress import Progress

if TYPE_CHECKING:
    from nlparam.fitting.result import Fit

SIMILARITIES = ("cosine", "bleu", "jaccard")

Answers = Callable[[Sequence[str]], Sequence[str | None]]


@accepts(Asking, Session)
def simulate(
    explanations: "Iterable[Explanation | Mapping[str, Any]] | Fit",
    *,
    model: str | Path | AbstractLanguageModel | Answers | None = None,
    answers: Sequence[str] | None = None,
    task: str = "",
    n_counterfactuals: int = 10,
    with_case: bool = False,
    similarities: Sequence[str] = SIMILARITIES,
    embedder: str | Path | AbstractEmbedder | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    **asked: Unpack[Asking],
) -> Simulatability:
    """Measures how well a model's answers to new inputs can be told from its explanations (arXiv 2307.08678).

    For each explanation, the simulator `lm` writes counterfactuals, then reads the explanation and infers for each what
    the model will answer, or that nothing can be inferred; the model answers. Precision is the share of right
    inferences, generality 1 minus the mean similarity of two counterfactuals from which something was inferred.

    **Arguments:**

    - `explanations`: what was given, answered and explained, as `Explanation` or mappings with its fields. Or a fitted
      classification: see `nlparam.evals.simulatability.simulate_fit`, which has more options for it.
    - `model`: the model that is explained: a language model as for `nlparam.fit`, or a function from inputs to answers
      (`None` where there is none). A fit brings its own.
    - `lm`: the language model that writes counterfactuals and reads explanations; by default "embedded", for a fit its
      own.
    - `answers`: the possible answers, by default those that occur; an explanation's own come first.
    - `task`: a sentence that says what the inputs are and what is answered, for both language models.
    - `n_counterfactuals`: how many are written for each explanation, at least 2.
    - `with_case`: whether the reader also sees the input that was explained, and its answer.
    - `similarities`: some of `"cosine"` (of embeddings), `"bleu"` and `"jaccard"` (of words).
    - `budget`, `store`, `timeout`, `seed`, `progress`, `embedder`: as for `nlparam.fit`.
    - `out`, `overwrite`: a `.json` file for the result, with its report beside it. One that holds another result (of
      other explanations or settings) is left alone without `overwrite`.

    **Returns:** a `Simulatability`. Where the budget was spent, it is of what was answered until then, with a warning.

    **Raises:** `CorpusError` for explanations that cannot be tested, `LanguageModelError` if the language models cannot
    be asked or nothing was answered; what was answered until then is in the store and is not asked again;
    `ResultFolderError` for a file that holds something else; `MissingExtraError` without the package of a similarity.
    """
    check_names(simulate, asked)
    if not isinstance(explanations, Iterable):
        given = {"n_counterfactuals": n_counterfactuals, "with_case": with_case, "similarities": similarities}
        given |= {"embedder": embedder, "task": task, "seed": seed, "out": out, "overwrite": overwrite}
        return simulate_fit(explanations, **given, **asked)
    if model is None:
        raise ValueError("got no model, expected the one that is explained: a language model, or a function")
    rows = checked((_explanation(row) for row in explanations), answers)
    similarities = known_similarities(similarities)
    cases = [Case(row.input, row.answer, row.explanation) for row in rows]
    task_line = f"{task.strip()}\n\n" if task.strip() else ""
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(Session(embedder=embedder, **asked))
        answering = _answering(model, asked.get("lm"), session, asked.get("timeout", 60.0), stack)
        writer = CounterfactualWriter(session.engine, n_counterfactuals=n_counterfactuals, seed=seed)
        reader = SimulatedReader(session.engine, with_case=with_case, progress=session.progress)
        settings = {
            "lm": session.lm.identity,
            "model": answering.lm.identity if isinstance(answering, Engine) else "a function",
            "explanations": digest_of_content([dataclasses.asdict(row) for row in rows]),
            "task": task,
            "n_counterfactuals": n_counterfactuals,
            "with_case": with_case,
            "similarities": list(similarities),
            "prompts": f"{writer.identity} {reader.prompt.version}",
            "seed": seed,
        }
        Simulatability.check(out, settings, overwrite=overwrite)
        with session.costs.stage("writing counterfactuals"):
            written = writer.write(cases, task=task_line)
        owner = np.asarray([number for number, texts in enumerate(written) for _ in texts], dtype=int)
        texts = [text for texts in written for text in texts]
        options = [rows[number].answers for number in owner]
        with session.costs.stage("reading explanations"):
            read = reader.infer([cases[number] for number in owner], texts, options, task=task_line)
        inferred = np.asarray([_code(p, nothing=len(o)) for p, o in zip(read, options, strict=True)], dtype=int)
        with session.costs.stage("answering"):
            answered = _answered(answering, texts, options, task_line, session.progress)
        usable = (inferred != _FAILED) & (answered != _FAILED)
        spent = session.meter.spent
        if not usable.any():
            counts = len(rows), len(texts), int(np.sum(inferred != _FAILED)), int(np.sum(answered != _FAILED))
            raise LanguageModelError(_nothing(spent, *counts))
        likeness = _likeness(similarities, texts, session)
    notes: tuple[str, ...] = ()
    if spent is not None:
        notes = (
            f"the budget is spent ({spent}): this is of what was answered until then; the same command with more goes "
            "on from here",
        )
        warnings.warn(notes[0], FitWarning, stacklevel=2)
    simulated = []
    for number, row in enumerate(rows):
        own = np.flatnonzero((owner == number) & usable)
        counterfactuals = tuple(
            Counterfactual(
                text=texts[place],
                inferred=None if inferred[place] < 0 else row.answers[inferred[place]],
                answered=row.answers[answered[place]],
                probability=float(np.max(read[place])),
            )
            for place in own
        )
        simulatable = own[inferred[own] >= 0]
        simulated.append(
            Simulation(
                explanation=row,
                counterfactuals=counterfactuals,
                simulatable=share(inferred[own] >= 0),
                precision=precision(inferred[own], answered[own]),
                generality={name: generality(measure(simulatable)) for name, measure in likeness.items()},
                n_failed=int(np.sum(owner == number)) - len(own),
            )
        )

    def mean_of(measured: Callable[[Simulation], Measured]) -> Measured:
        return mean(np.asarray([measured(one).value for one in simulated if one.counterfactuals]), seed=seed)

    session.costs.money = session.meter.cost
    found = Simulatability(
        simulated=tuple(simulated),
        simulatable=mean_of(lambda one: one.simulatable),
        precision=mean_of(lambda one: one.precision),
        generality={name: mean_of(lambda one, name=name: one.generality[name]) for name in similarities},
        settings=settings,
        costs=session.costs,
        notes=notes,
    )
    if out is not None:
        found.save(out)
    return found


def simulate_fit(
    fit: "Fit",
    *,
    n_inputs: int = 8,
    lm: str | Path | AbstractLanguageModel | None = None,
    task: str = "",
    by: str | None = None,
    seed: int = 0,
    **options: Any,
) -> Simulatability:
    """Measures how well a fitted classification's predictions can be told from its predicates and weights in words.

    The explanation is `explain(fit)`; it is put to the test from `n_inputs` texts of the corpus, drawn at random, of as
    many classes as possible. What the model answers is `fit.predict`, with denotations made `by` the head (the default)
    or another way of `Fit.denote`.

    **Arguments:** `lm`, the simulator, by default the language model of the fit; the others as for `simulate`.

    **Raises:** `ModelError` if the model predicts no classes, `ValueError` for fewer than one input.
    """
    explanation = explain(fit)
    if n_inputs < 1:
        raise ValueError(f"got n_inputs={n_inputs}, expected at least 1")
    names = [str(name) for name in fit.coords["class"]]
    simulator = fit.settings["lm"] if lm is None else lm
    asked: dict[str, Any] = {} if by is None else {"by": by, "store": options.get("store")}
    rows = [
        Explanation(fit.texts[text], names[int(fit.predictions[text])], explanation, tuple(names))
        for text in _drawn(fit, n_inputs, seed)
    ]

    def answer(texts: Sequence[str]) -> list[str | None]:
        return [names[int(code)] for code in fit.predict(texts, **asked)]

    task = task or f"A system sorts texts into these classes: {', '.join(names)}."
    return simulate(rows, model=answer, lm=simulator, task=task, seed=seed, **options)


def _drawn(fit: "Fit", n_inputs: int, seed: int) -> list[int]:
    """Texts with words, one of each predicted class in turn."""
    first = {fit.corpus.row[text]: int(text) for text in np.flatnonzero(~fit.corpus.blank)[::-1]}
    texts = np.random.default_rng(seed).permutation(sorted(first.values())).tolist()
    by_class: dict[int, list[int]] = {}
    for text in texts:
        by_class.setdefault(int(fit.predictions[text]), []).append(text)
    return in_turn([by_class[code] for code in sorted(by_class)])[:n_inputs]


def _answering(
    model: Any, lm: Any, session: Session, timeout: float, stack: contextlib.ExitStack
) -> "Engine | Answers":
    """The model that is explained: a function as it is, a language model by an engine; each model is loaded once."""
    if not isinstance(model, str | Path | AbstractLanguageModel):
        return model
    if model is lm or str(model) == str(lm or "embedded"):
        return session.engine
    loaded = load_language_model(model, timeout=timeout)
    shared = {"store": session.store, "costs": session.costs, "progress": session.progress, "meter": session.meter}
    return stack.enter_context(Engine(loaded, timeout=timeout, **shared))


_FAILED = -2


def _code(probabilities: np.ndarray, *, nothing: int | None = None) -> int:
    """The number of the likeliest option; -1 for that which says that nothing can be inferred, -2 without an answer."""
    if not np.isfinite(probabilities).all():
        return _FAILED
    code = int(np.argmax(probabilities))
    return -1 if code == nothing else code


def _answered(
    answering: "Engine | Answers",
    texts: Sequence[str],
    options: Sequence[Sequence[str]],
    task: str,
    progress: Progress,
) -> np.ndarray:
    """The number of the model's answer to each text, -2 where there is none. Each distinct text is asked about once."""
    if isinstance(answering, Engine):
        said = AnsweringModel(answering, progress=progress).answer(texts, options, task=task)
        return np.asarray([_code(p) for p in said], dtype=int)
    distinct = list(dict.fromkeys(texts))
    said = list(answering(distinct)) if distinct else []
    if len(said) != len(distinct):
        raise CorpusError(f"the model gave {len(said)} answers to {len(distinct)} inputs, expected one for each")
    answer_to = dict(zip(distinct, said, strict=True))
    codes = []
    for text, possible in zip(texts, options, strict=True):
        answer = answer_to[text]
        codes_of = {option.casefold(): code for code, option in enumerate(possible)}
        if answer is not None and str(answer).strip().casefold() not in codes_of:
            raise CorpusError(f"the model answered {str(answer)[:40]!r}, expected one of {', '.join(possible)} or None")
        codes.append(_FAILED if answer is None else codes_of[str(answer).strip().casefold()])
    return np.asarray(codes, dtype=int)


def _likeness(
    similarities: Sequence[str], texts: list[str], session: Session
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """For each similarity a function from the places of some counterfactuals to their similarities."""
    known: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "bleu": lambda places: bleu([texts[place] for place in places]),
        "jaccard": lambda places: jaccard([texts[place] for place in places]),
    }
    if "cosine" in similarities:
        distinct = list(dict.fromkeys(texts))
        vectors = session.embed(distinct)
        row_of = {text: row for row, text in enumerate(distinct)}
        rows = np.asarray([row_of[text] for text in texts], dtype=int)
        known["cosine"] = lambda places: cosines(vectors[rows[places]])
    return {name: known[name] for name in similarities}


def _nothing(spent: str | None, n_explanations: int, n_written: int, n_read: int, n_answered: int) -> str:
    if spent is not None:
        return (
            f"the budget is spent ({spent}) before any counterfactual was answered: allow more; what was written is "
            "stored"
        )
    if n_written == 0:
        what, try_this = "the language model wrote no usable counterfactual", "try a stronger --lm, or say what the "
    elif n_answered == 0:
        # A function may be given inputs that it was not made for: then the language models are not at fault.
        what = f"the language model wrote {n_written} counterfactuals, and the model that is explained answered none"
        try_this = "see whether it answers inputs in other words (None is no answer), or say what the "
    else:
        what = (
            f"the language model wrote {n_written} counterfactuals, the reader's inference could be read for {n_read}, "
            f"the model answered {n_answered}, and for none there is both"
        )
        try_this = "try a stronger --lm, or say what the "
    return f"for {n_explanations} explanations {what}: {try_this}inputs are with --task"


def _explanation(row: Explanation | Mapping[str, Any]) -> Explanation:
    if isinstance(row, Explanation):
        return row
    missing = [name for name in ("input", "answer", "explanation") if not isinstance(row.get(name), str)]
    if missing:
        raise CorpusError(f"an explanation has no string {', '.join(missing)}, expected input, answer and explanation")
    return Explanation(row["input"], row["answer"], row["explanation"], tuple(row.get("answers") or ()))


def known_similarities(similarities: Sequence[str]) -> tuple[str, ...]:
    """Those that can be computed here. Raises `ValueError` for others, `MissingExtraError` without a package."""
    unknown = [name for name in similarities if name not in SIMILARITIES]
    if unknown or not similarities:
        raise ValueError(f"got similarities {list(similarities)}, expected some of {', '.join(SIMILARITIES)}")
    if "bleu" in similarities:
        bleu_metric()  # it is there, or an error says so before anything is asked
    return tuple(dict.fromkeys(similarities))
