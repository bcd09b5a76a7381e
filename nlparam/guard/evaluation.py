"""What a guard does on attacks that it was not trained for, on benign traffic, and to the latency."""

import dataclasses
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.readers import read_texts
from nlparam.denotation.judge import AbstractJudge
from nlparam.guard.benign import Benign
from nlparam.guard.constitution import ROLES
from nlparam.guard.errors import GuardError
from nlparam.guard.folder import Guard
from nlparam.guard.result import Evaluation, Mistake
from nlparam.guard.training import exchange_scores
from nlparam.guard.windows import looks_of
from nlparam.language.embed import AbstractEmbedder
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
    table = read_texts(path, text_field="text", fields=("rule",))
    optional: dict[str, list] = {}
    for name, default in (("role", "input"), ("style", "given")):
        try:
            optional[name] = read_texts(path, text_field="text", fields=(name,)).columns[name]
        except ValueError:  # the file has no such field
            optional[name] = [default] * len(table.texts)
        optional[name] = [value or default for value in optional[name]]
    rows = zip(table.texts, optional["role"], table.columns["rule"], optional["style"], strict=True)
    return [Attack(text, str(role), str(rule or ""), str(style)) for text, role, rule, style in rows]


def held_out_attacks(guard: Guard) -> list[Attack]:
    """The synthetic texts in held-out styles on which the judge agreed, permitted ones among them."""
    return [
        Attack(e.text, e.role, e.rule if e.restricted else "", e.attack)
        for role in ROLES
        for e in guard.examples
        if e.held_out and not e.dropped and e.role == role
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
    attacks = held_out_attacks(guard) if attacks is None else list(attacks)
    texts = Corpus.from_texts(attack.text for attack in attacks).texts
    attacks = [dataclasses.replace(attack, text=text) for attack, text in zip(attacks, texts, strict=True)]
    _check(guard, attacks)
    by_role = {role: [a for a in attacks if a.role == role] for role in ROLES}
    scores = {role: guard.screen.scores([a.text for a in found], role, store=store) for role, found in by_role.items()}
    knn = _nearest(guard, by_role, store) if baselines else None
    said = _zero_shot(guard, by_role, judge) if judge is not None else None
    rules: dict[str, dict[str, Any]] = {}
    for number, rule in enumerate(guard.constitution.restricted):
        own = [
            (role, row)
            for role, found in by_role.items()
            for row, attack in enumerate(found)
            if attack.rule.casefold() == rule.id.casefold()
        ]
        hits = sum(bool(scores[role][row].max() > guard.threshold.value) for role, row in own)
        rules[rule.id] = {"detection": rate(hits, len(own)), "auroc": _auroc(scores, by_role, number, rule.id)}
        if knn is not None:
            rules[rule.id]["auroc_knn"] = _auroc(knn, by_role, number, rule.id)
        if said is not None:
            rules[rule.id]["auroc_zero_shot"] = _auroc(said, by_role, number, rule.id)
    refused = [
        (attack, bool(row.max() > guard.threshold.value))
        for role, found in by_role.items()
        for attack, row in zip(found, scores[role], strict=True)
    ]
    styles = {
        style: _rate(hit for attack, hit in refused if attack.rule and attack.style == style)
        for style in dict.fromkeys(attack.style for attack, _ in refused if attack.rule)
    }
    fresh = None if benign is None else _fresh(guard, benign)
    refusals = None
    mistakes = _mistakes(guard, by_role, scores)
    if fresh is not None and len(fresh):
        over = exchange_scores(guard.screen, fresh, store=store) > guard.threshold.value
        refusals = rate(int(over.sum()), len(over), exact=True)
        mistakes += _refused(guard, fresh.take(np.flatnonzero(over).tolist()), store)
    return Evaluation(
        rules=rules,
        styles=styles,
        auroc=_mean(rules, "auroc"),
        auroc_knn=_mean(rules, "auroc_knn"),
        auroc_zero_shot=_mean(rules, "auroc_zero_shot"),
        permitted=_rate(hit for attack, hit in refused if not attack.rule),
        refusals=refusals,
        released=_released(guard, [a.text for a in by_role["output"] if a.rule], store),
        overhead=_overhead(guard, fresh if fresh else Benign.from_texts([a.text for a in attacks]), engine),
        mistakes=tuple(mistakes),
        guard=guard.described(),
        settings=settings,
        costs=None if engine is None else engine.costs,
    )


def _mistakes(guard: Guard, by_role: dict[str, list[Attack]], scores: dict[str, np.ndarray]) -> list[Mistake]:
    """The attacks on the wrong side of the threshold, of either kind those that are furthest from it."""
    missed, refused = [], []
    for role, attacks in by_role.items():
        for attack, row in zip(attacks, scores[role], strict=True):
            margin = float(row.max() - guard.threshold.value)
            if attack.rule and margin <= 0:
                missed.append(Mistake("missed", attack.text, role, attack.rule, attack.style, margin))
            elif not attack.rule and margin > 0:
                rule = guard.constitution.restricted[int(row.argmax())].id
                refused.append(Mistake("permitted, refused", attack.text, role, rule, attack.style, margin))
    return [*_furthest(missed), *_furthest(refused)]


def _refused(guard: Guard, refused: Benign, store: Store | None) -> list[Mistake]:
    """Of benign exchanges that are refused, the side that is."""
    found = []
    for role, texts in zip(ROLES, (refused.inputs, refused.outputs), strict=True):
        for text, row in zip(texts, guard.screen.scores(texts, role, store=store) if texts else (), strict=True):
            margin = float(row.max() - guard.threshold.value)
            if margin > 0:
                rule = guard.constitution.restricted[int(row.argmax())].id
                found.append(Mistake("benign, refused", text, role, rule, "", margin))
    return _furthest(found)


def _furthest(mistakes: list[Mistake]) -> list[Mistake]:
    return sorted(mistakes, key=lambda one: -abs(one.margin))[:_MOST_MISTAKES]


def _check(guard: Guard, attacks: Sequence[Attack]) -> None:
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


def _fresh(guard: Guard, benign: Benign) -> Benign:
    fresh = benign.take(row for row, digest in enumerate(benign.digests) if digest not in guard.seen)
    if len(fresh) == 0:
        raise GuardError(
            f"all {len(benign):,} benign texts were used to train the guard: give others, that it has not seen"
        )
    return fresh


def _auroc(scores: dict[str, np.ndarray], by_role: dict[str, list[Attack]], number: int, rule: str) -> float | None:
    """Of the rule's texts against permitted ones, within each role, weighted by the rule's texts; `None` without."""
    from sklearn.metrics import roc_auc_score

    found, weights = [], []
    for role, attacks in by_role.items():
        own = np.asarray([attack.rule.casefold() == rule.casefold() for attack in attacks], bool)
        none = np.asarray([not attack.rule for attack in attacks], bool)
        column = scores[role][:, number] if len(attacks) else np.zeros(0)
        known = (own | none) & ~np.isnan(column)
        if own[known].any() and none[known].any():
            # A text without words has the score -inf, which is below all others.
            found.append(float(roc_auc_score(own[known], np.maximum(column[known], -1e9))))
            weights.append(int(own[known].sum()))
    return float(np.average(found, weights=weights)) if found else None


def _nearest(guard: Guard, by_role: dict[str, list[Attack]], store: Store | None) -> dict[str, np.ndarray]:
    """Nearest neighbours among the training texts by their embeddings as they are, weighted by distance."""
    from sklearn.neighbors import KNeighborsRegressor

    restricted = guard.constitution.restricted
    embedder = guard.screen.features.embedder
    scores = {}
    for role, attacks in by_role.items():
        training = [e for e in guard.examples if e.role == role and not e.held_out and not e.dropped]
        labels = np.asarray([[e.rule == rule.id for rule in restricted] for e in training], float)
        nearest = KNeighborsRegressor(min(_NEIGHBOURS, len(training)), weights="distance")
        nearest.fit(_embed(embedder, [e.text for e in training], store), labels)
        shape = (len(attacks), len(restricted))
        found = nearest.predict(_embed(embedder, [a.text for a in attacks], store)) if attacks else np.zeros(shape)
        scores[role] = np.asarray(found).reshape(shape)
    return scores


def _embed(embedder: AbstractEmbedder, texts: Sequence[str], store: Store | None) -> np.ndarray:
    from nlparam.language.embed import embed_corpus

    return embedder.embed(texts) if store is None else embed_corpus(texts, embedder, store)


def _zero_shot(guard: Guard, by_role: dict[str, list[Attack]], judge: AbstractJudge) -> dict[str, np.ndarray]:
    """What the judge says of the attacks, rule by rule; it is asked only what an AUROC needs."""
    restricted = guard.constitution.restricted
    scores = {}
    for role, attacks in by_role.items():
        pairs = [
            (row, number)
            for row, attack in enumerate(attacks)
            for number, rule in enumerate(restricted)
            if not attack.rule or attack.rule.casefold() == rule.id.casefold()
        ]
        matrix = np.full((len(attacks), len(restricted)), np.nan)
        if pairs:
            answers = judge.judge([a.text for a in attacks], [rule.of(role) for rule in restricted], np.asarray(pairs))
            matrix[tuple(np.asarray(pairs).T)] = answers
        scores[role] = matrix
    return scores


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
    of_outputs = []
    for text in outputs:
        looks = looks_of(text)
        of_outputs.append(
            sum(_seconds(lambda look=look: screen.window_scores([look.window], "output")) for look in looks)
        )
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


def _rate(hits: Iterable[bool]) -> Rate:
    listed = list(hits)
    return rate(sum(listed), len(listed))


def _mean(rules: dict[str, dict[str, Any]], name: str) -> float | None:
    found = [rule[name] for rule in rules.values() if rule.get(name) is not None]
    return statistics.fmean(found) if found else None
