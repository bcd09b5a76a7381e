"""Comparisons of two groups: texts that belong together, covariates that bend, a judge that errs unequally; audits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.inference.scenarios import CLAIMED_AT, LEVEL, Found, interval, scenario
from benchmarks.simulated import TableJudge, answered, correlated, quiet, silent, texts_of
from nlparam.comparing.driver import compare
from nlparam.evals.audit import Evaluations, audit

_N_TASKS, _N_STYLES, _N_COVARIATES = 1000, 6, 6


def _evaluations(rng, texts, systems, tasks, chance, covariates=None) -> Evaluations:
    """Outputs of which half are right; of the wrong ones the evaluator accepts each with its chance."""
    correct = rng.random(len(texts)) < 0.5
    return Evaluations(
        task=[f"task {task}" for task in tasks.tolist()],
        output=texts,
        verdict=rng.random(len(texts)) < np.where(correct, 0.8, chance),
        correct=correct,
        system=[("one", "another")[system] for system in systems.tolist()],
        covariates={} if covariates is None else covariates,
    )


@scenario("audit", "the accepted system writes in another style, 2,000 outputs", name="audit-style")
def style(rng, *, planted=False):
    """The evaluator likes one system, and one task more than another. Planted: it also likes a property."""
    system, task = np.repeat([0, 1], _N_TASKS), np.tile(np.arange(_N_TASKS), 2)
    texts = texts_of(2 * _N_TASKS)
    easy = rng.normal(0, 0.1, _N_TASKS)[task]
    held = {f"property {k}": rng.random(len(texts)) < 0.3 for k in range(1, _N_STYLES)}
    held |= {"style": rng.random(len(texts)) < np.where(system == 0, 0.2, 0.7)}
    liked = 0.25 * held["property 1"] if planted else 0.0
    evaluations = _evaluations(rng, texts, system, task, np.clip(0.25 + 0.3 * system + easy + liked, 0, 1))
    with quiet():
        found = audit(
            evaluations,
            lm=silent(),
            judge=TableJudge(texts, held),
            predicates=list(held),
            ratings=False,
            store=":memory:",
            level=CLAIMED_AT,
            confidence=LEVEL,
            options={"n_directions": 0, "n_validated": 500},
            seed=int(rng.integers(2**31)),
        )
    claims = [] if found.comparison is None else [finding.predicate for finding in found.comparison.claims]
    return Found(claimed="property 1" in claims if planted else bool(claims))


@scenario("audit", "six covariates that matter to nobody, 2,000 outputs", name="audit-covariates")
def covariates(rng, *, planted=False):
    system, task = np.repeat([0, 1], _N_TASKS), np.tile(np.arange(_N_TASKS), 2)
    values = {f"covariate {k}": rng.normal(size=len(task)) for k in range(_N_COVARIATES)}
    chance = 0.35 + 0.2 * system + (0.1 * values["covariate 0"] if planted else 0.0)
    columns = {name: column.tolist() for name, column in values.items()}
    texts = texts_of(len(task))
    found = audit(_evaluations(rng, texts, system, task, np.clip(chance, 0, 1), columns), predicates=False)
    claimed = {one.covariate for one in found.effects if getattr(one, "p_adjusted", one.p_value) <= CLAIMED_AT}
    return Found(claimed="covariate 0" in claimed if planted else bool(claimed))


ROW = "compare"
_N_PREDICATES, _EFFECT = 8, 0.25
_PLANTED = "property 0"


def compared(
    rng: np.random.Generator,
    groups: np.ndarray,
    answers: Mapping[str, np.ndarray],
    differences: Mapping[str, float],
    *,
    planted: bool,
    texts: Sequence[str] | None = None,
    adjust: Mapping[str, np.ndarray] | None = None,
    clusters: np.ndarray | None = None,
    n_validated: int = 500,
    **options: Any,
) -> Found:
    """What a comparison of the texts of two groups makes of given answers.

    **Arguments:** `groups`, `(n_texts,)` of 0 and 1; `answers` of each predicate, `(n_texts,)`; `differences`, the true
    share in group 1 minus that in group 0, of those whose intervals are to hold it; `adjust`, covariates, `(n_texts,)`
    each; `clusters`, `(n_texts,)`, which text belongs to which;
    `n_validated`, how many of each group are tested at most; `options`, others of `nlparam.compare`.
    """
    texts = texts_of(len(groups)) if texts is None else texts

    def grouped(values: Sequence[Any]) -> dict[str, list]:
        rows: list[list[int]] = [np.flatnonzero(groups == g).tolist() for g in (0, 1)]
        return {name: [values[row] for row in of_group] for name, of_group in zip(("before", "now"), rows, strict=True)}

    if adjust is not None:
        options["adjust"] = {name: grouped(values.tolist()) for name, values in adjust.items()}
    if clusters is not None:
        options["clusters"] = grouped([f"author {cluster}" for cluster in clusters.tolist()])
    with quiet():
        comparison = compare(
            grouped(texts),
            lm=silent(),
            judge=TableJudge(texts, answers),
            predicates=list(answers),
            ratings=False,
            store=":memory:",
            seed=int(rng.integers(2**31)),
            confidence=LEVEL,
            level=CLAIMED_AT,
            options={"n_directions": 0, "n_validated": n_validated, "least_alike": 0.999},
            **options,
        )
    covered: list[bool] = []
    widths = []
    for finding in comparison.tested:
        if (truth := differences.get(finding.predicate)) is not None:
            assert finding.estimate is not None
            low, high = finding.estimate.low, finding.estimate.high
            covered += interval(truth if finding.more == "now" else -truth, low, high)
            widths.append(high - low)
    claimed = {finding.predicate: finding.estimate for finding in comparison.claims}
    size = claimed.get(_PLANTED) if planted and differences else None
    return Found(
        covered,
        width=float(np.mean(widths)) if widths else None,
        claimed=_PLANTED in claimed if planted else bool(claimed),
        unsaid=sum(width >= 2 for width in widths),
        figures={} if size is None else {"claimed_size_ratio": size.effect / differences[_PLANTED]},
    )


@scenario(ROW, "independent texts", name="compare-independent", n_each=400, n_predicates=_N_PREDICATES)
@scenario(ROW, "80 predicates tested", name="compare-80-predicates", n_each=400, n_predicates=80)
def independent(rng, n_each, n_predicates, planted):
    groups = np.repeat([0, 1], n_each)
    effect = 0.12 if n_predicates > _N_PREDICATES else _EFFECT
    rates = {f"property {k}": float(rng.choice([0.05, 0.2, 0.4])) for k in range(n_predicates)} | {_PLANTED: 0.3}
    shifts = dict.fromkeys(rates, 0.0) | {_PLANTED: effect if planted else 0.0}
    answers = {name: rng.random(len(groups)) < rate + shifts[name] * groups for name, rate in rates.items()}
    return compared(rng, groups, answers, shifts, planted=planted)


@scenario(ROW, "30 authors, each in one group, intraclass correlation .2", name="compare-authors-30", n_authors=30)
@scenario(ROW, "8 authors, each in one group, intraclass correlation .2", name="compare-authors-8", n_authors=8)
@scenario(ROW, "30 authors, each in both groups", name="compare-authors-crossed", n_authors=30, crossed=True)
def authors(rng, n_authors, crossed=False, *, planted=False, naive=False):
    """Texts of authors who differ; unequally many of each."""
    shares = rng.dirichlet(np.full(n_authors, 5.0))
    author = np.concatenate([np.arange(n_authors), rng.choice(n_authors, 800 - n_authors, p=shares)])
    groups = rng.integers(2, size=len(author)) if crossed else rng.permutation(np.arange(n_authors) % 2)[author]
    answers, shifts = {}, dict.fromkeys([f"property {k}" for k in range(_N_PREDICATES)], 0.0)
    for name in shifts:
        prevalence = 0.3 if name == _PLANTED else float(rng.choice([0.1, 0.3, 0.5]))
        answers[name] = correlated(rng, author, prevalence, 0.2)
    if planted:
        shifts[_PLANTED] = _EFFECT
        # What does not hold yet begins to hold: the share rises by the effect in every author.
        more = rng.random(len(author)) < _EFFECT / 0.7
        answers[_PLANTED] |= more & (groups == 1)
    return compared(rng, groups, answers, shifts, planted=planted, clusters=None if naive else author)


@scenario(ROW, "a covariate that acts along a U", name="compare-covariate-u")
def bent(rng, *, planted=False):
    groups = np.repeat([0, 1], 600)
    year = np.where(groups == 0, rng.normal(0, 0.35, 1200), rng.choice([-1, 1], 1200) * rng.normal(0.7, 0.35, 1200))
    chance = 0.15 + 0.5 * np.minimum(year**2, 1)
    return _adjusted(rng, groups, chance, planted, {"year": year})


@scenario(ROW, "a covariate that acts by length", name="compare-covariate-length")
def lengths(rng, *, planted=False):
    """Whoever writes more mentions more."""
    groups = np.repeat([0, 1], 600)
    n_words = np.clip(np.exp(rng.normal(3.4 + 0.7 * groups, 0.7)), 3, 400).astype(int)
    chance = 0.8 * (1 - np.exp(-n_words / 30))
    return _adjusted(rng, groups, chance, planted, {"length": n_words}, texts=texts_of(1200, n_words.tolist()))


def _adjusted(rng, groups, chance, planted, adjust, **options):
    answers = {f"property {k}": rng.random(len(groups)) < chance for k in range(4)}
    shifts = dict.fromkeys(answers, 0.0)
    if planted:
        shifts[_PLANTED] = 0.15
        # The same share more among texts with equal covariates.
        answers[_PLANTED] = rng.random(len(groups)) < chance * 0.8 + 0.15 * groups
    return compared(rng, groups, answers, shifts, planted=planted, adjust=adjust, **options)


@scenario(ROW, "the judge right for .90/.95 and .90/.90 of the groups", name="compare-judge-unequal", right=(0.95, 0.9))
@scenario(ROW, "the judge right for .85 in both groups", name="compare-judge-equal", right=(0.85, 0.85))
def misjudged(rng, right, *, planted=False, naive=False):
    """150 texts of each group are labelled. What is compared is the share as people see it."""
    groups = np.repeat([0, 1], 850)
    truth = {f"property {k}": rng.random(1700) < (0.1, 0.3)[k] for k in range(2)}
    shifts = dict.fromkeys(truth, 0.0)
    if planted:
        shifts[_PLANTED] = _EFFECT
        truth[_PLANTED] = rng.random(1700) < 0.1 + _EFFECT * groups
    right_yes = 0.9 if right[0] != right[1] else right[0]
    answers = {name: answered(rng, held, right_yes, np.asarray(right)[groups]) for name, held in truth.items()}
    options: dict[str, Any] = {} if naive else {"labels": _labels(rng, groups, truth)}
    return compared(rng, groups, answers, shifts, planted=planted, **options)


def _labels(rng, groups: np.ndarray, truth: Mapping[str, np.ndarray], n_each: int = 150):
    from nlparam.denotation.labels import Labelled

    texts = texts_of(len(groups))
    rows = np.concatenate([rng.permutation(np.flatnonzero(groups == g))[:n_each] for g in (0, 1)]).tolist()
    return Labelled.of([(texts[row], name, float(truth[name][row])) for name in truth for row in rows])


@scenario(ROW, "repeats counted, unequally many in the groups", name="compare-repeats")
def repeats(rng, *, planted=False):
    """Some texts are passed on very often."""
    n_distinct = 400
    group = np.repeat([0, 1], n_distinct)
    held = {f"property {k}": rng.random(2 * n_distinct) < 0.3 for k in range(_N_PREDICATES)}
    if planted:
        held[_PLANTED] = rng.random(2 * n_distinct) < 0.3 + 0.35 * group
    copies = np.where(group == 0, 1, np.minimum(rng.zipf(1.8, 2 * n_distinct), 40))
    row = np.repeat(np.arange(2 * n_distinct), copies)
    distinct = texts_of(2 * n_distinct)
    answers = {name: column[row] for name, column in held.items()}
    texts = [distinct[number] for number in row.tolist()]
    # Of shares among texts with so heavy a tail of copies there is no simple truth: only the claims are looked at.
    return compared(rng, group[row], answers, {}, planted=planted, texts=texts, repeats="count")


@scenario(ROW, "speeches of the State of the Union, whole years at random", name="compare-speeches")
def speeches(rng, *, planted=False, naive=False):
    """Real texts, and predicates that are words in them; all paragraphs are compared, halves of the years at random."""
    from benchmarks.inference.real import WORDS, paragraphs

    texts, years = paragraphs()
    chosen = np.flatnonzero(years >= 1970)
    texts, years = [texts[row] for row in chosen.tolist()], years[chosen]
    distinct, year = np.unique(years, return_inverse=True)
    groups = rng.permutation(np.arange(len(distinct)) % 2)[year]
    answers = {f"mentions {word}": np.asarray([word in text.lower() for text in texts]) for word in WORDS}
    if planted:
        answers[_PLANTED] = rng.random(len(texts)) < 0.1 + _EFFECT * groups
    clusters = None if naive else years
    return compared(rng, groups, answers, {}, planted=planted, texts=texts, clusters=clusters, n_validated=len(texts))
