"""`nlparam.simulate`: explanations are put to the test by counterfactuals."""

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlparam.errors import CorpusError, FitWarning, LanguageModelError
from nlparam.evals.simulatability.explain import explain
from nlparam.evals.simulatability.explanations import Explanation, checked
from nlparam.evals.simulatability.result import Counterfactual, Simulatability, Simulation
from nlparam.language.counterfactuals import Case, CounterfactualWriter
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder, embed_corpus
from nlparam.language.likeness import bleu, bleu_metric, cosines, jaccard
from nlparam.language.simulation import AnsweringModel, SimulatedReader
from nlparam.lm import load_language_model
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.numerics.statistics.simulation import generality, mean, precision, share
from nlparam.results.folder import check_result_file, digest_of_content
from nlparam.runtime.budget import Budget, Meter
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

if TYPE_CHECKING:
    from nlparam.fitting.result import Fit

SIMILARITIES = ("cosine", "bleu", "jaccard")

Answers = Callable[[Sequence[str]], Sequence[str | None]]


def simulate(
    explanations: "Iterable[Explanation | Mapping[str, Any]] | Fit",
    *,
    model: str | Path | AbstractLanguageModel | Answers | None = None,
    lm: str | Path | AbstractLanguageModel | None = None,
    answers: Sequence[str] | None = None,
    task: str = "",
    n_counterfactuals: int = 10,
    with_case: bool = False,
    similarities: Sequence[str] = SIMILARITIES,
    embedder: str | Path | AbstractEmbedder | None = None,
    budget: Budget | None = None,
    store: str | Path | Store | None = None,
    timeout: float = 60.0,
    seed: int = 0,
    progress: Progress | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
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
    if not isinstance(explanations, Iterable):
        given = {"n_counterfactuals": n_counterfactuals, "with_case": with_case, "similarities": similarities}
        given |= {"embedder": embedder, "budget": budget, "store": store, "timeout": timeout, "progress": progress}
        return simulate_fit(explanations, lm=lm, task=task, seed=seed, out=out, overwrite=overwrite, **given)
    if model is None:
        raise ValueError("got no model, expected the one that is explained: a language model, or a function")
    rows = checked((_explanation(row) for row in explanations), answers)
    similarities = _known(similarities)
    with _opened(
        model, "embedded" if lm is None else lm, store=store, budget=budget, timeout=timeout, progress=progress
    ) as opened:
        check = functools.partial(check_result_file, out, overwrite=overwrite)
        found = _simulate(rows, opened, task, n_counterfactuals, with_case, similarities, embedder, seed, check)
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
    turns = sorted((place, code, text) for code, listed in by_class.items() for place, text in enumerate(listed))
    return [text for _, _, text in turns[:n_inputs]]


class _Opened(NamedTuple):
    engine: Engine
    answering: "Engine | Answers"
    store: Store
    costs: Costs
    meter: Meter
    progress: Progress


@contextlib.contextmanager
def _opened(model, lm, *, store, budget, timeout, progress) -> Iterator[_Opened]:
    """The language models, each loaded once, and the store, which is closed if it was opened here."""
    progress = Progress() if progress is None else progress
    costs = Costs()
    meter = Meter(costs, budget)
    simulator = load_language_model(lm, timeout=timeout)
    with contextlib.ExitStack() as stack:
        opened = store if isinstance(store, Store) else stack.enter_context(Store(store))

        def engine_of(language_model: AbstractLanguageModel) -> Engine:
            engine = Engine(language_model, store=opened, costs=costs, timeout=timeout, progress=progress, meter=meter)
            return stack.enter_context(engine)

        engine = engine_of(simulator)
        if not isinstance(model, str | Path | AbstractLanguageModel):
            answering: Engine | Answers = model
        elif model is lm or (isinstance(model, str | Path) and str(model) == str(lm)):
            answering = engine
        else:
            answering = engine_of(load_language_model(model, timeout=timeout))
        yield _Opened(engine, answering, opened, costs, meter, progress)


def _simulate(
    rows: list[Explanation],
    opened: _Opened,
    task: str,
    n_counterfactuals: int,
    with_case: bool,
    similarities: tuple[str, ...],
    embedder: str | Path | AbstractEmbedder | None,
    seed: int,
    check: Callable[[dict[str, Any]], None],
) -> Simulatability:
    costs, progress = opened.costs, opened.progress
    cases = [Case(row.input, row.answer, row.explanation) for row in rows]
    task_line = f"{task.strip()}\n\n" if task.strip() else ""
    writer = CounterfactualWriter(opened.engine, n_counterfactuals=n_counterfactuals, seed=seed)
    reader = SimulatedReader(opened.engine, with_case=with_case, progress=progress)
    answering = opened.answering
    settings = {
        "lm": opened.engine.lm.identity,
        "model": answering.lm.identity if isinstance(answering, Engine) else "a function",
        "explanations": digest_of_content([dataclasses.asdict(row) for row in rows]),
        "task": task,
        "n_counterfactuals": n_counterfactuals,
        "with_case": with_case,
        "similarities": list(similarities),
        "prompts": f"{writer.identity} {reader.prompt.version}",
        "seed": seed,
    }
    check(settings)
    with costs.stage("writing counterfactuals"):
        written = writer.write(cases, task=task_line)
    places = [(number, text) for number, texts in enumerate(written) for text in texts]
    texts = [text for _, text in places]
    options = [rows[number].answers for number, _ in places]
    with costs.stage("reading explanations"):
        read = reader.infer([cases[number] for number, _ in places], texts, options, task=task_line)
    inferred = np.asarray([_code(p, nothing=len(o)) for p, o in zip(read, options, strict=True)], dtype=int)
    with costs.stage("answering"):
        answered = _answered(opened, texts, options, task_line)
    if not np.any((inferred != _FAILED) & (answered != _FAILED)):
        n_read, n_answered = int(np.sum(inferred != _FAILED)), int(np.sum(answered != _FAILED))
        raise LanguageModelError(_nothing(opened, len(rows), len(places), n_read, n_answered))
    notes: tuple[str, ...] = ()
    if opened.meter.spent is not None:
        notes = (
            f"the budget is spent ({opened.meter.spent}): this is of what was answered until then; the same command "
            "with more goes on from here",
        )
        warnings.warn(notes[0], FitWarning, stacklevel=3)
    likeness = _likeness(similarities, texts, embedder, opened)
    sure = [float(np.max(p)) for p in read]
    owners = np.asarray([number for number, _ in places], dtype=int)
    simulated = []
    for number, row in enumerate(rows):
        own = np.flatnonzero(owners == number)
        usable = own[(inferred[own] != _FAILED) & (answered[own] != _FAILED)]
        simulatable = usable[inferred[usable] >= 0]
        counterfactuals = tuple(
            Counterfactual(
                texts[place],
                None if inferred[place] < 0 else row.answers[inferred[place]],
                row.answers[answered[place]],
                sure[place],
            )
            for place in usable
        )
        simulated.append(
            Simulation(
                explanation=row,
                counterfactuals=counterfactuals,
                simulatable=share(inferred[usable] >= 0),
                precision=precision(inferred[usable], answered[usable]),
                generality={name: generality(measure(simulatable)) for name, measure in likeness.items()},
                n_failed=len(own) - len(usable),
            )
        )
    tested = [one for one in simulated if one.counterfactuals]
    costs.money = opened.meter.cost
    return Simulatability(
        simulated=tuple(simulated),
        simulatable=mean(np.asarray([one.simulatable.value for one in tested]), seed=seed),
        precision=mean(np.asarray([one.precision.value for one in tested]), seed=seed),
        generality={
            name: mean(np.asarray([one.generality[name].value for one in tested]), seed=seed) for name in similarities
        },
        settings=settings,
        costs=costs,
        notes=notes,
    )


_FAILED = -2


def _code(probabilities: np.ndarray, *, nothing: int | None = None) -> int:
    """The number of the likeliest option; -1 for that which says that nothing can be inferred, -2 without an answer."""
    if not np.isfinite(probabilities).all():
        return _FAILED
    code = int(np.argmax(probabilities))
    return -1 if code == nothing else code


def _answered(opened: _Opened, texts: Sequence[str], options: Sequence[Sequence[str]], task: str) -> np.ndarray:
    """The number of the model's answer to each text, -2 where there is none. Each distinct text is asked about once."""
    if isinstance(opened.answering, Engine):
        answering = AnsweringModel(opened.answering, progress=opened.progress)
        return np.asarray([_code(p) for p in answering.answer(texts, options, task=task)], dtype=int)
    distinct = list(dict.fromkeys(texts))
    said = list(opened.answering(distinct)) if distinct else []
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
    similarities: tuple[str, ...],
    texts: list[str],
    embedder: str | Path | AbstractEmbedder | None,
    opened: _Opened,
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """For each similarity a function from the places of some counterfactuals to their similarities."""
    known: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "bleu": lambda places: bleu([texts[place] for place in places]),
        "jaccard": lambda places: jaccard([texts[place] for place in places]),
    }
    if "cosine" in similarities:
        the_embedder = embedder if isinstance(embedder, AbstractEmbedder) else SentenceTransformerEmbedder(embedder)
        with opened.costs.stage("embedding"):
            distinct = list(dict.fromkeys(texts))
            vectors = embed_corpus(distinct, the_embedder, opened.store, costs=opened.costs, progress=opened.progress)
        row_of = {text: row for row, text in enumerate(distinct)}
        rows = np.asarray([row_of[text] for text in texts], dtype=int)
        known["cosine"] = lambda places: cosines(vectors[rows[places]])
    return {name: known[name] for name in similarities}


def _nothing(opened: _Opened, n_explanations: int, n_written: int, n_read: int, n_answered: int) -> str:
    if opened.meter.spent is not None:
        return (
            f"the budget is spent ({opened.meter.spent}) before any counterfactual was answered: allow more; what was "
            "written is stored"
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


def _known(similarities: Sequence[str]) -> tuple[str, ...]:
    """Those that can be computed here."""
    unknown = [name for name in similarities if name not in SIMILARITIES]
    if unknown or not similarities:
        raise ValueError(f"got similarities {list(similarities)}, expected some of {', '.join(SIMILARITIES)}")
    if "bleu" in similarities:
        bleu_metric()  # it is there, or an error says so before anything is asked
    return tuple(dict.fromkeys(similarities))
