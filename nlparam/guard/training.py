"""`nlparam.guard.train`: from rules to a guard."""

import dataclasses
import datetime
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.session import Asking, Session, accepts, check_names
from nlparam.guard.benign import Benign
from nlparam.guard.constitution import ROLES, Constitution, check_meaning, read_constitution
from nlparam.guard.errors import GuardError
from nlparam.guard.folder import Guard
from nlparam.guard.obfuscation import canonical
from nlparam.guard.plan import Plan
from nlparam.guard.screen import Features, LinearHead, Screen
from nlparam.guard.synthesis import Example, Synthesis, synthesise
from nlparam.guard.thresholds import check_rate, set_threshold, texts_needed
from nlparam.guard.windows import looks_of, windows_of
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.features import NgramFeatures
from nlparam.lm.store import Store
from nlparam.results.versions import installed_versions

# Of the benign texts, the share (and the most) that the heads learn from; the threshold is set on the others.
_TRAINING_SHARE, _MOST_TRAINING = 0.25, 500
_LEAST_EXAMPLES = 3
_N_FOLDS = 4
_INVERSE_PENALTIES = (1.0, 10.0, 100.0)
_LEVEL = 0.99  # of the scores of benign texts: where the scores of all rules and roles are put at 0
_N_WORDS = 80
_MAX_NGRAMS = 4000


@accepts(Asking, Session)
def train(
    constitution: Constitution | str | Path,
    benign: Benign | Iterable[str],
    *,
    plan: Plan | None = None,
    embedder: str | Path | AbstractEmbedder | None = None,
    judge: AbstractJudge | None = None,
    max_refusals: float = 0.005,
    confidence: float = 0.95,
    out: str | Path | None = None,
    overwrite: bool = False,
    **asked: Unpack[Asking],
) -> Guard:
    """Trains a guard for the rules of a constitution (Constitutional Classifiers, arXiv 2501.18837).

    **Arguments:**

    - `constitution`: the rules, or the YAML file that has them.
    - `benign`: traffic that is not to be refused: texts, or a `Benign` of inputs and outputs. A quarter (at most 500)
      of it teaches the heads, the rest sets the threshold.
    - `plan`: how many texts are written, and what they are varied by.
    - `lm`, `embedder`, `judge`, `budget`, `store`, `timeout`, `progress`: as for `nlparam.fit`.
    - `max_refusals`, `confidence`: of benign exchanges from the same source, at most the share `max_refusals` is
      refused, for its input or its output, with probability `confidence` over the draw of the texts that were given.
    - `out`, `overwrite`: the folder to save the guard in.

    Raises `ConstitutionError` for rules that contradict or repeat each other, `GuardError` if there are too few benign
    texts for the rate, or too few usable examples of a rule, and what the language model, embedder and store do. What
    was written and judged before an error is kept in the store.
    """
    if isinstance(constitution, str | Path):
        constitution = read_constitution(constitution)
    plan = Plan() if plan is None else plan
    benign = benign if isinstance(benign, Benign) else Benign.from_texts(benign)
    check_rate(max_refusals, confidence)
    n_training = min(_MOST_TRAINING, int(len(benign) * _TRAINING_SHARE))
    _check_enough(len(benign), n_training, max_refusals, confidence)
    check_names(train, asked)
    session = Session(embedder=embedder, **asked)
    costs = session.costs
    settings: dict[str, Any] = {
        "lm_identity": session.lm.identity,
        "embedder": session.embedder_name,
        "embedder_identity": session.embedder.identity,
    }
    if out is not None:
        wanted = {
            "constitution": constitution.as_dict(),
            "plan": dataclasses.asdict(plan),
            "settings": settings,
            "seen": sorted(set(benign.digests)),
            "threshold": {"max_refusals": max_refusals, "confidence": confidence},
        }
        Guard.check(out, Guard.compared(wanted), overwrite=overwrite)
    with session:
        judge = session.judge(n_words=_N_WORDS) if judge is None else judge
        with costs.stage("rules"):
            warnings = check_meaning(constitution, session.stored_embedder, session.engine)
        with costs.stage("synthesis"):
            synthesis = synthesise(constitution, plan, engine=session.engine, judge=judge)
        _check_examples(constitution, synthesis, session.meter.spent)
        training, calibration = benign.split(n_training, seed=plan.seed)
        with costs.stage("heads"), session.progress.task("training", None):
            screen = _train_heads(session, constitution, synthesis, training, plan.seed)
        with costs.stage("threshold"), session.progress.task("threshold", None):
            scores = exchange_scores(screen, calibration, store=session.store)
    warnings += [
        f"no benign exchange has an {role}: nothing bounds how many {role}s are refused"
        for role, texts in benign.sides.items()
        if not any(map(str.strip, texts))
    ]
    threshold = set_threshold(scores, max_refusals=max_refusals, confidence=confidence)
    guard = Guard(
        constitution=constitution,
        plan=plan,
        screen=dataclasses.replace(screen, threshold=threshold.value),
        threshold=threshold,
        examples=synthesis.examples,
        counts=synthesis.counts,
        seen=frozenset([*training.digests, *calibration.digests]),
        settings=settings
        | {"judge": judge.identity, "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds")},
        costs=costs,
        versions=installed_versions(),
        warnings=tuple(warnings),
    )
    if out is not None:
        guard.save(out, overwrite=True)  # checked above, before anything was paid for
    return guard


def exchange_scores(screen: Screen, benign: Benign, *, store: Store | None = None) -> np.ndarray:
    """`(n,)`: for each exchange the highest score of its input and its output under any rule."""
    return np.maximum(*(screen.scores(texts, role, store=store).max(axis=1) for role, texts in benign.sides.items()))


def _check_enough(n_benign: int, n_training: int, max_refusals: float, confidence: float) -> None:
    needed = texts_needed(max_refusals, confidence)
    if n_benign - n_training >= needed:
        return
    total = min(math.ceil(needed / (1 - _TRAINING_SHARE)), needed + _MOST_TRAINING)
    raise GuardError(
        f"got {n_benign:,} distinct benign texts, and a refusal rate of at most {max_refusals:g} with confidence "
        f"{confidence:g} needs {total:,} ({needed:,} to set the threshold on, the others to learn from): give more "
        "benign text, or allow more refusals (--max-refusals)"
    )


def _check_examples(constitution: Constitution, synthesis: Synthesis, spent: str | None) -> None:
    for rule in constitution.restricted:
        for role in ROLES:
            own = [e for e in synthesis.examples if e.rule == rule.id and e.role == role and not e.held_out]
            kept = [e for e in own if not e.dropped and not e.obfuscation]
            if len(kept) >= _LEAST_EXAMPLES:
                continue
            written = sum(not e.obfuscation for e in own)
            because = (
                f"the budget is spent ({spent})" if spent else "the judge says that its predicate holds for no more"
            )
            raise GuardError(
                f"the rule {rule.id!r} has {len(kept)} usable examples of an {role} ({written} were written), expected "
                f"at least {_LEAST_EXAMPLES}: {because}; word the predicate more plainly, use a stronger language "
                "model, or give more budget. What was written and judged is kept in the store"
            )


class _Rows(NamedTuple):
    """What a head is trained on: windows, and for each the text it belongs to."""

    windows: list[str]
    text: np.ndarray  # the number of its text
    weight: np.ndarray  # how much of the text it has seen
    groups: list[str]  # of the texts: what is left out together in cross-validation
    examples: list[Example | None]  # of the texts; None for a benign one


def _train_heads(
    session: Session, constitution: Constitution, synthesis: Synthesis, benign: Benign, seed: int
) -> Screen:
    rows = {role: _rows(synthesis.kept(role, held_out=False), texts, role) for role, texts in benign.sides.items()}
    forms = dict.fromkeys(canonical(window) for of_role in rows.values() for window in of_role.windows)
    features = Features(session.embedder, NgramFeatures.fit(list(forms), max_ngrams=_MAX_NGRAMS, seed=seed))
    heads = {
        role: _train_head(of_role, features.of(of_role.windows, store=session.store), constitution)
        for role, of_role in rows.items()
    }
    return Screen(constitution, features, heads, np.inf, session.embedder.identity)


def _rows(examples: Sequence[Example], benign: Sequence[str], role: str) -> _Rows:
    """The windows of texts. Those of an output are its beginnings, as the screen will meet them; what only begins to
    break a rule counts by the share of the text that is there."""
    styles = sorted({example.style for example in examples}) or [""]
    of_texts: list[Example | None] = [*examples, *(None for _ in benign)]
    texts = [*(example.text for example in examples), *benign]
    groups = [*(example.style for example in examples), *(styles[n % len(styles)] for n in range(len(benign)))]
    windows, text_numbers, weights = [], [], []
    for number, text in enumerate(texts):
        if role == "input":
            seen = [(window, 1.0) for window in windows_of(text)]
        else:
            seen = [(look.window, look.n_characters / len(text)) for look in looks_of(text)]
        windows += [window for window, _ in seen]
        weights += [weight for _, weight in seen]
        text_numbers += [number] * len(seen)
    return _Rows(windows, np.asarray(text_numbers, int), np.asarray(weights), groups, of_texts)


def _train_head(rows: _Rows, features: np.ndarray, constitution: Constitution) -> LinearHead:
    """A logistic regression for each restricted rule, with the penalty that does best on styles left out."""
    rules = enumerate(constitution.restricted)
    coefficients, intercepts = zip(
        *(_train_rule(rows, features, number, rule.id) for number, rule in rules), strict=True
    )
    return LinearHead(np.stack(coefficients, axis=1), np.asarray(intercepts))


def _train_rule(rows: _Rows, features: np.ndarray, number: int, rule: str) -> tuple[np.ndarray, float]:
    positive = np.asarray([e is not None and e.rule == rule for e in rows.examples])
    # What was written for another rule and breaks this one too is an example of neither.
    unclear = np.asarray([e is not None and e.rule != rule and e.labels[number] for e in rows.examples])
    benign = np.asarray([e is None for e in rows.examples])
    of_text = rows.text
    used = ~unclear[of_text]
    labels = positive[of_text]
    weights = rows.weight.copy()
    parts = [labels & used, ~labels & ~benign[of_text] & used, benign[of_text] & used]
    # As much weight on texts that break the rule as on others, of which benign traffic is half.
    shares = (0.5, 0.25, 0.25) if all(part.any() for part in parts[1:]) else (0.5, 0.5, 0.5)
    for part, share in zip(parts, shares, strict=True):
        if part.any():
            weights[part] *= share * used.sum() / weights[part].sum()
    x, y, w = features[used], labels[used], weights[used]
    groups = np.unique([rows.groups[text] for text in of_text[used]], return_inverse=True)[1]
    if len(np.unique(groups)) < 2:
        groups = of_text[used]
    left_out = {c: _left_out(x, y, w, groups, c) for c in _INVERSE_PENALTIES}
    losses = {c: np.average(np.logaddexp(0, np.where(y, -z, z)), weights=w) for c, z in left_out.items()}
    best = min(losses, key=losses.__getitem__)
    fitted = _logistic(best).fit(x, y, sample_weight=w)
    # The level of benign texts by heads that did not see them, the highest window of each.
    of_benign = benign[of_text[used]]
    highest = np.full(len(rows.examples), -np.inf)
    np.maximum.at(highest, of_text[used][of_benign], left_out[best][of_benign])
    worded = highest[np.isfinite(highest)]  # none if all benign exchanges lack this side
    level = float(np.quantile(worded, _LEVEL)) if len(worded) else 0.0
    return fitted.coef_[0].astype(np.float32), float(fitted.intercept_[0]) - level


def _left_out(x: np.ndarray, y: np.ndarray, w: np.ndarray, groups: np.ndarray, inverse_penalty: float) -> np.ndarray:
    """Log-odds of each row by a regression without its group."""
    from sklearn.model_selection import GroupKFold

    folds = GroupKFold(min(_N_FOLDS, len(np.unique(groups))))
    left_out = np.zeros(len(y))
    for kept, held in folds.split(x, y, groups):
        if y[kept].all() or not y[kept].any():
            continue  # all examples of the rule are in one group: nothing to learn from the others
        left_out[held] = (
            _logistic(inverse_penalty).fit(x[kept], y[kept], sample_weight=w[kept]).decision_function(x[held])
        )
    return left_out


def _logistic(inverse_penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=inverse_penalty, max_iter=2000)
