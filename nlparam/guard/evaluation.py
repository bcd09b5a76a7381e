"""What a guard does on attacks that it was not trained for, on benign traffic, and to the latency."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.readers import field_names, read_texts
from nlparam.denotation.judge import AbstractJudge
from nlparam.guard.benign import Benign
from nlparam.guard.constitution import ROLES
from nlparam.guard.errors import GuardError
from nlparam.guard.folder import Guard
from nlparam.guard.result import Evaluation, Mistake
from nlparam.guard.screen import embedded
from nlparam.guard.training import exchange_scores
from nlparam.guard.windows import looks_of
from nlparam.lm.base import Message, Request
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.numerics.statistics.rates import Rate, rate

_NEIGHBOURS = 10
_N_TIMED, _TOKENS_TIMED, _N_GENERATED = 20, 100, 3
_WORDS_PER_TOKEN = 0.75
_MOST_MISTAKES = 200  # of each kind: the rates count the others
HELD_OUT = "held-out styles"


@dataclasses.dataclass(frozen=True)
class Attack:
    """A text with a truth: `rule` is the id of the restricted rule that it breaks, "" for one that breaks none."""

    text: str
    role: str
    rule: str
    style: str


def read_attacks(path: str | Path) -> list[Attack]:
    """Reads labelled texts: the fields text, rule (an id, or nothing for a permitted text), and, where given, role
    ("input" or "output", by default "input") and style. Raises `CorpusError` and `GuardError`."""
    given = [name for name in ("role", "style") if name in field_names(path)]
    table = read_texts(path, text_field="text", fields=("rule", *given))
    nothing = [None] * len(table.texts)
    columns = (table.columns.get(name, nothing) for name in ("role", "rule", "style"))
    return [
        Attack(text, str(role or "input"), str(rule or ""), str(style or "given"))
        for text, role, rule, style in zip(table.texts, *columns, strict=True)
    ]


def held_out_attacks(guard: Guard) -> list[Attack]:
    """The synthetic texts in held-out styles on which the judge agreed, permitted ones among them."""
    return [
        Attack(e.text, e.role, e.rule if e.restricted else "", e.attack)
        for e in sorted(guard.examples, key=lambda e: ROLES.index(e.role))
        if e.held_out and not e.dropped
    ]


def evaluate(
    guard: Guard,
    benign: Benign | None = None,
    *,
    attacks: Iterable[Attack] | None = None,
    judge: AbstractJudge | None = None,
    engine: Engine | None = None,
    store: Store | None = None,
    baselines: bool = True,
) -> Evaluation:
    """Evaluates a guard.

    **Arguments:**

    - `benign`: traffic that must not be refused; exchanges that the guard was trained or set on are left out.
    - `attacks`: labelled texts, by default `held_out_attacks(guard)`.
    - `judge`: asked about every attack, as the zero-shot baseline; `engine`: generates the unguarded answers that the
      time of screening is compared with.
    - `store`: keeps embeddings.
    - `baselines`: whether nearest neighbours on embeddings are evaluated too.

    Raises `GuardError` if there is nothing to evaluate on, and what the language model and the embedder do.
    """
    settings = {"attacks": HELD_OUT if attacks is None else "given", "judge": None if judge is None else judge.identity}
    attacks = _checked(guard, held_out_attacks(guard) if attacks is None else attacks)
    screen, threshold, restricted = guard.screen, guard.threshold.value, guard.constitution.restricted
    n_rules = len(restricted)
    scores = _by_role(attacks, n_rules, lambda role, texts, _: screen.scores(texts, role, store=store))
    columns = {"auroc": scores}
    if baselines:
        columns["auroc_knn"] = _by_role(attacks, n_rules, lambda role, texts, _: _nearest(guard, role, texts, store))
    if judge is not None:
        columns["auroc_zero_shot"] = _by_role(attacks, n_rules, lambda *own: _zero_shot(guard, judge, *own))
    over = scores.max(axis=1) > threshold
    broken = np.asarray([attack.rule.casefold() for attack in attacks])
    rules: dict[str, dict[str, Any]] = {}
    for number, rule in enumerate(restricted):
        own = broken == rule.id.casefold()
        rules[rule.id] = {"detection": _rate(over[own])}
        rules[rule.id] |= {name: _auroc(found[:, number], attacks, own) for name, found in columns.items()}
    style = np.asarray([attack.style if attack.rule else None for attack in attacks], dtype=object)
    mistakes = _mistakes(guard, attacks, scores)
    fresh = None if benign is None else _fresh(guard, benign)
    refusals = None
    if fresh is not None:
        refused = exchange_scores(screen, fresh, store=store) > threshold
        refusals = rate(int(refused.sum()), len(refused), exact=True)
        mistakes += _refused(guard, fresh.take(np.flatnonzero(refused).tolist()), store)
    return Evaluation(
        rules=rules,
        styles={name: _rate(over[style == name]) for name in dict.fromkeys(style) if name is not None},
        auroc=_mean(rules, "auroc"),
        auroc_knn=_mean(rules, "auroc_knn"),
        auroc_zero_shot=_mean(rules, "auroc_zero_shot"),
        permitted=_rate(over[broken == ""]),
        refusals=refusals,
        released=_released(guard, [a.text for a in attacks if a.rule and a.role == "output"], store),
        overhead=_overhead(guard, fresh if fresh else Benign.from_texts([a.text for a in attacks]), engine),
        mistakes=tuple(mistakes),
        guard=guard.described(),
        settings=settings,
        costs=None if engine is None else engine.costs,
    )


def _rate(hits: np.ndarray) -> Rate:
    return rate(int(hits.sum()), len(hits))


def _by_role(
    attacks: Sequence[Attack], n_rules: int, score: Callable[[str, list[str], list[Attack]], np.ndarray]
) -> np.ndarray:
    """`(n_attacks, n_rules)` scores, made of the texts of one role at a time."""
    scores = np.full((len(attacks), n_rules), np.nan)
    for role in ROLES:
        rows = [row for row, attack in enumerate(attacks) if attack.role == role]
        if rows:
            own = [attacks[row] for row in rows]
            scores[rows] = score(role, [attack.text for attack in own], own)
    return scores


def _mistakes(guard: Guard, attacks: Sequence[Attack], scores: np.ndarray) -> list[Mistake]:
    """The attacks on the wrong side of the threshold, of either kind those that are furthest from it."""
    missed, refused = [], []
    for attack, row in zip(attacks, scores, strict=True):
        margin = float(row.max() - guard.threshold.value)
        if attack.rule and margin <= 0:
            missed.append(Mistake("missed", attack.text, attack.role, attack.rule, attack.style, margin))
        elif not attack.rule and margin > 0:
            rule = guard.screen.verdict(row).rule
            refused.append(Mistake("permitted, refused", attack.text, attack.role, rule, attack.style, margin))
    return [*_furthest(missed), *_furthest(refused)]


def _refused(guard: Guard, refused: Benign, store: Store | None) -> list[Mistake]:
    """Of benign exchanges that are refused, the side that is."""
    found = []
    for role, texts in refused.sides.items():
        for text, row in zip(texts, guard.screen.scores(texts, role, store=store) if texts else (), strict=True):
            verdict = guard.screen.verdict(row)
            if verdict.refused:
                margin = verdict.score - guard.threshold.value
                found.append(Mistake("benign, refused", text, role, verdict.rule, "", margin))
    return _furthest(found)


def _furthest(mistakes: list[Mistake]) -> list[Mistake]:
    return sorted(mistakes, key=lambda one: -abs(one.margin))[:_MOST_MISTAKES]


def _checked(guard: Guard, given: Iterable[Attack]) -> list[Attack]:
    """The attacks, those of one role after another. Raises `GuardError` if they are not of this guard."""
    attacks = list(given)
    texts = Corpus.from_texts(attack.text for attack in attacks).texts
    known = {rule.id.casefold() for rule in guard.constitution.restricted}
    for attack in attacks:
        if attack.role not in ROLES:
            raise GuardError(f"got the role {attack.role!r} of an attack, expected one of {', '.join(ROLES)}")
        if attack.rule and attack.rule.casefold() not in known:
            raise GuardError(
                f"got the rule {attack.rule!r} of an attack, expected the id of a restricted rule "
                f"({', '.join(sorted(known))}), or nothing for a permitted text"
            )
    if not any(attack.rule for attack in attacks):
        raise GuardError(
            "there are no restricted texts to evaluate on: train with --n-held-out above 0, or give some (--attacks)"
        )
    whole = [dataclasses.replace(attack, text=text) for attack, text in zip(attacks, texts, strict=True)]
    return sorted(whole, key=lambda attack: ROLES.index(attack.role))


def _fresh(guard: Guard, benign: Benign) -> Benign:
    fresh = benign.take(row for row, digest in enumerate(benign.digests) if digest not in guard.seen)
    if len(fresh) == 0:
        raise GuardError(
            f"all {len(benign):,} benign texts were used to train the guard: give others, that it has not seen"
        )
    return fresh


def _auroc(scores: np.ndarray, attacks: Sequence[Attack], own: np.ndarray) -> float | None:
    """Of the rule's texts against permitted ones, within each role, weighted by the rule's texts; `None` without."""
    from sklearn.metrics import roc_auc_score

    known = ~np.isnan(scores) & (own | np.asarray([not attack.rule for attack in attacks]))
    found, weights = [], []
    for role in ROLES:
        rows = known & np.asarray([attack.role == role for attack in attacks])
        if len(set(own[rows].tolist())) == 2:
            # A text without words has the score -inf, which is below all others.
            found.append(float(roc_auc_score(own[rows], np.maximum(scores[rows], -1e9))))
            weights.append(int(own[rows].sum()))
    return float(np.average(found, weights=weights)) if found else None


def _nearest(guard: Guard, role: str, texts: Sequence[str], store: Store | None) -> np.ndarray:
    """Nearest neighbours among the training texts by their embeddings as they are, weighted by distance."""
    from sklearn.neighbors import KNeighborsRegressor

    training = [e for e in guard.examples if e.role == role and not e.held_out and not e.dropped]
    labels = np.asarray([[e.rule == rule.id for rule in guard.constitution.restricted] for e in training], float)
    nearest = KNeighborsRegressor(min(_NEIGHBOURS, len(training)), weights="distance")
    embedder = guard.screen.features.embedder
    nearest.fit(embedded([e.text for e in training], embedder, store), labels)
    return np.asarray(nearest.predict(embedded(texts, embedder, store))).reshape(len(texts), -1)


def _zero_shot(guard: Guard, judge: AbstractJudge, role: str, texts: list[str], attacks: list[Attack]) -> np.ndarray:
    """What the judge says of the attacks, rule by rule; it is asked only what an AUROC needs."""
    restricted = guard.constitution.restricted
    asked = np.asarray(
        [[not a.rule or a.rule.casefold() == rule.id.casefold() for rule in restricted] for a in attacks], dtype=bool
    )
    answers = np.full(asked.shape, np.nan)
    answers[asked] = judge.judge(texts, [rule.of(role) for rule in restricted], np.argwhere(asked))
    return answers


def _released(guard: Guard, outputs: Sequence[str], store: Store | None) -> float | None:
    """Of the outputs that a stream would be stopped in, the mean share that was let through before."""
    shares = []
    for text in outputs:
        looks = looks_of(text)
        if not looks:
            continue
        scores = guard.screen.window_scores([look.window for look in looks], "output", store=store).max(axis=1)
        over = np.flatnonzero(scores > guard.threshold.value)
        if len(over):
            first = int(over[0])
            shares.append(looks[first - 1].n_characters / len(text) if first else 0.0)
    return float(np.mean(shares)) if shares else None


def _overhead(guard: Guard, benign: Benign, engine: Engine | None) -> dict[str, float]:
    """Median seconds of screening one request: its input, and its output as far as 100 tokens reach."""
    n_words = int(_TOKENS_TIMED * _WORDS_PER_TOKEN)
    screen = guard.screen
    inputs = [text for text in benign.inputs if text.strip()][:_N_TIMED]
    # Answers of 100 tokens: texts one after another, as they come.
    words = " ".join(benign.outputs[: _N_TIMED * 4]).split()
    outputs = [" ".join(words[start : start + n_words]) for start in range(0, len(words), n_words)][:_N_TIMED]
    screen.window_scores(["a first text"], "input")  # loads the embedder
    of_inputs = [_seconds(lambda text=text: screen.scores([text], "input")) for text in inputs]
    of_outputs = [
        sum(_seconds(lambda look=look: screen.window_scores([look.window], "output")) for look in looks_of(text))
        for text in outputs
    ]
    found = {"input_seconds": _median(of_inputs), "output_seconds": _median(of_outputs)}
    found["request_seconds"] = found["input_seconds"] + found["output_seconds"]
    if engine is not None:
        found |= _unguarded(engine, inputs)
        found["share"] = found["request_seconds"] / found["generation_seconds"]
    return found


def _unguarded(engine: Engine, inputs: Sequence[str]) -> dict[str, float]:
    """Seconds for 100 tokens, by requests that are not stored: a stored answer takes no time."""
    seconds, tokens = 0.0, 0
    for text in inputs[:_N_GENERATED]:
        question = Message(
            "user", f"Write a long summary of this text, with all details.\n\n{' '.join(text.split()[:60])}"
        )
        start = time.perf_counter()
        (answer,) = engine.run([Request((question,), max_tokens=_TOKENS_TIMED)])
        if answer is not None and answer.completion_tokens:
            seconds += time.perf_counter() - start
            tokens += answer.completion_tokens
    if not tokens:
        raise GuardError("the language model generated nothing to compare the time of screening with")
    return {"generation_seconds": seconds / tokens * _TOKENS_TIMED}


def _median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) if seconds else 0.0


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _mean(rules: dict[str, dict[str, Any]], name: str) -> float | None:
    found = [rule[name] for rule in rules.values() if rule.get(name) is not None]
    return statistics.fmean(found) if found else None
