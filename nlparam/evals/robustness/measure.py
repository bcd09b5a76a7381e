"""Judges a sample under several wordings of each predicate, and says which claims survive."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from nlparam.comparing.result import Comparison
from nlparam.denotation.definitions import kept_definitions
from nlparam.denotation.session import Running, Session, accepts, check_names
from nlparam.errors import CorpusError, LanguageModelError, check_at_least, check_fractions
from nlparam.evals.robustness.claims import Groups, claim_of
from nlparam.evals.robustness.result import Robustness
from nlparam.language.paraphrases import Paraphraser
from nlparam.lm.base import AbstractLanguageModel

if TYPE_CHECKING:
    from nlparam.fitting.result import Fit
    from nlparam.taxonomies.result import Taxonomy

# With fewer texts nothing can be said of a claim.
_LEAST_TEXTS = 10
_PLACE = "{}"


@accepts(Running, Session)
def robustness(
    result: "Fit | Taxonomy | Comparison",
    *,
    n_texts: int = 100,
    n_paraphrases: int = 3,
    templates: Sequence[str] = (),
    wordings: Mapping[str, Sequence[str]] | None = None,
    tolerance: float = 0.1,
    confidence: float = 0.9,
    lm: str | Path | AbstractLanguageModel | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    **asked: Unpack[Running],
) -> Robustness:
    """Says which claims of a result survive if its predicates are worded in another way.

    A claim of a comparison, or of a classification, is that a predicate holds more often in one group. Its conclusion
    under a wording is "more" or "less" if the interval of the difference lies on one side of 0. Of a classification the
    group is that in which it holds most, and the intervals hold for all groups at once. Any other claim is a
    share; its conclusion is the same if the share changes by at most `tolerance`. A claim survives if its conclusion is
    the same under all wordings. Of a tree, the predicates of the first level are tested.

    Answers count as yes above 0.5, without the correction of their bias that a fit makes.

    **Arguments:**

    - `n_texts`: random texts of the result that are judged under each wording.
    - `n_paraphrases`: wordings of each predicate that the language model writes; `templates`: sentences with `{}` in
      the place of the predicate; `wordings`: others, by predicate.
    - `confidence`, of the intervals, each by itself.
    - `lm`: by default the language model of the result. `seed`: of the texts that are drawn.
    - `out`, `overwrite`: a JSON file, beside which there is a report.

    **Raises:** `CorpusError` for a result with fewer than ten texts to judge, `LanguageModelError` if nothing is
    answered, `ResultFolderError` if `out` holds something else, `ValueError` for other wrong arguments.
    """
    check_names(robustness, asked)
    check_at_least(_LEAST_TEXTS, n_texts=n_texts)
    check_at_least(0, n_paraphrases=n_paraphrases)
    check_fractions(tolerance=tolerance, confidence=confidence)
    labelling = result.labelling(seed=seed)
    predicates = list(dict.fromkeys(one.predicate for one in labelling.asked if one.under is None))
    given = _given(predicates, templates, wordings or {})
    if not (n_paraphrases or any(given.values())):
        raise ValueError("got no paraphrases, templates or wordings: a claim needs at least two wordings")
    texts = list(labelling.texts[:n_texts])
    if len(texts) < _LEAST_TEXTS:
        raise CorpusError(f"got {len(texts)} texts to judge, expected at least {_LEAST_TEXTS}")
    with Session(lm=result.settings["lm"] if lm is None else lm, **asked) as session:
        settings = {
            "lm": session.lm_name,
            "lm_identity": session.lm.identity,
            "goal": str(result.settings.get("goal", "")),
            "predicates": predicates,
            "given": given,
            "n_paraphrases": n_paraphrases,
            "n_texts": n_texts,
            "tolerance": tolerance,
            "confidence": confidence,
            "seed": seed,
        }
        Robustness.check(out, settings, overwrite=overwrite)
        worded = _worded(session, given, n_paraphrases)
        answers = _judged(session, result.settings, texts, worded)
        costs = session.costs
    groups, claims, notes = _groups(result, texts), [], []
    for predicate, others in worded.items():
        known = {one: answers[one] for one in others if np.isfinite(answers[one]).sum() >= _LEAST_TEXTS}
        if len(others) == 1:
            notes.append(f"The language model wrote no other wording of {predicate!r}: nothing is said of it.")
        elif predicate not in known:
            notes.append(f"The language model answered {predicate!r} for too few texts: nothing is said of it.")
        else:
            claims.append(claim_of(predicate, known, groups, tolerance, confidence))
    found = Robustness(
        claims=tuple(claims),
        n_texts=len(texts),
        tolerance=tolerance,
        confidence=confidence,
        settings=settings,
        costs=costs,
        notes=tuple(notes),
    )
    if out is not None:
        found.save(out)
    return found


def _given(
    predicates: Sequence[str], templates: Sequence[str], wordings: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """The wordings of each predicate that the user gives."""
    if wrong := [template for template in templates if _PLACE not in template]:
        raise ValueError(f"got the template {wrong[0]!r}, expected one with {_PLACE} in the place of the predicate")
    if unknown := [one for one in wordings if one not in predicates]:
        known = ", ".join(map(repr, predicates))
        raise ValueError(f"got wordings of {unknown[0]!r}, expected those of some of {known}")
    by_template = {one: [template.replace(_PLACE, one) for template in templates] for one in predicates}
    return {one: [*by_template[one], *wordings.get(one, ())] for one in predicates}


def _worded(session: Session, given: Mapping[str, Sequence[str]], n_paraphrases: int) -> dict[str, list[str]]:
    """All wordings of each predicate, that of the result first."""
    written: Iterable[Sequence[str]] = [()] * len(given)
    if n_paraphrases:
        with session.costs.stage("rewording"):
            written = Paraphraser(session.engine).write(list(given), n_paraphrases)
    return {
        one: list(dict.fromkeys([one, *others, *more]))
        for (one, others), more in zip(given.items(), written, strict=True)
    }


def _judged(
    session: Session, settings: Mapping[str, Any], texts: Sequence[str], worded: Mapping[str, Sequence[str]]
) -> dict[str, np.ndarray]:
    """The answers to each wording, `(n_texts,)`. A definition goes with every wording of its predicate."""
    defined = kept_definitions(settings)
    definitions = {other: defined[one] for one, others in worded.items() if one in defined for other in others}
    judge = session.judge(n_words=settings.get("n_words"), definitions=definitions)
    wordings = list(dict.fromkeys(other for others in worded.values() for other in others))
    with session.costs.stage("judging"):
        answers = judge.judge_all(texts, wordings)
    if not np.isfinite(answers).any():
        raise LanguageModelError("the language model has answered nothing: see `nlparam doctor`")
    return dict(zip(wordings, answers.T, strict=True))


def _groups(result: Any, texts: Sequence[str]) -> Groups | None:
    """The groups of some texts; `None` if the result has none."""
    if isinstance(result, Comparison):
        units = zip(result.units.text.tolist(), result.units.group.tolist(), strict=True)
        of = {result.corpus.distinct[text]: group for text, group in reversed(list(units))}
        names, towards = [group.name for group in result.groups], {one.predicate: one.more for one in result.claims}
        return Groups(np.asarray([of[text] for text in texts]), names, towards)
    names = [str(name) for name in getattr(result, "coords", {}).get("class", ())]
    if not names:
        return None
    of = dict(zip(result.texts, _classes(result).tolist(), strict=True))
    return Groups(np.asarray([of[text] for text in texts]), names, dict.fromkeys(result.predicates))


def _classes(fit: "Fit") -> np.ndarray:
    """The class of each text of a fit that has classes."""
    import jax

    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(fit.data)]
    return next(leaf for leaf in leaves if leaf.shape == (len(fit.corpus),) and leaf.dtype.kind in "iub").astype(int)
