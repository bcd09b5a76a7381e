"""A taxonomy and a comparison made by hand, of any size: no language model is needed to test what is done with them."""

import numpy as np

from nlparam.comparing.records import OUTCOMES as FATES
from nlparam.comparing.records import Estimate, Example, Finding, Group, Ranking, Ratings, Share, Units
from nlparam.comparing.result import Comparison
from nlparam.corpus.corpus import Corpus
from nlparam.results.records import Judgment
from nlparam.runtime.costs import Costs
from nlparam.taxonomies.records import OUTCOMES, ROOT, STATUS, STOPS, Candidate, Division, Node
from nlparam.taxonomies.result import Taxonomy


def make_taxonomy(n_texts=400, *, seed=0, texts=None, depth=2, n_children=3, names=None, settings=None) -> Taxonomy:
    """A tree in which each node has `n_children` predicates and a few texts that none of them explains."""
    rng = np.random.default_rng(seed)
    texts = [f"Question {i} about a matter and how to go about it." for i in range(n_texts)] if texts is None else texts
    corpus = Corpus.from_texts(texts)
    words = iter(names or ())
    nodes: dict[str, Node] = {}
    judgments: list[Judgment] = []

    def divide(identity: str, members: np.ndarray, level: int, **fields) -> None:
        if level == depth or len(members) < 2 * n_children:
            stopped = STOPS.none_of_these if fields.get("residual") else STOPS.depth
            nodes[identity] = Node(identity, members=members, stopped=stopped, **fields)
            return
        start = "" if identity == ROOT else f"{identity}."
        ids = [f"{start}{k}" for k in range(1, n_children + 1)]
        owner = rng.choice(n_children + 1, len(members), p=[*([0.93 / n_children] * n_children), 0.07])
        columns = np.where(owner[:, None] == np.arange(n_children), 0.55, 0.0) + rng.uniform(
            0, 0.45, (len(members), n_children)
        )
        also = rng.random(len(members)) < 0.05
        columns[also, 0] = 0.8
        predicates = [next(words, f"asks about matter {child}") for child in ids]
        nodes[identity] = Node(
            identity,
            members=members,
            children=(*ids, f"{start}0"),
            divisions=tuple(Division(k, 0.05 * k - 0.01 * k**2, 0.004) for k in range(2, 6)),
            candidates=(
                *(
                    Candidate(p, np.zeros(0), np.zeros(0, int), np.zeros(0), child=c)
                    for p, c in zip(predicates, ids, strict=True)
                ),
                Candidate(
                    "asks the same in other words", np.zeros(0), np.zeros(0, int), np.zeros(0), same_as=predicates[0]
                ),
                Candidate("asks about nothing in particular", np.zeros(0), np.zeros(0, int), np.zeros(0)),
            ),
            costs=Costs(calls=100, judgments_asked=300),
            **fields,
        )
        for k, child in enumerate(ids):
            held = members[columns[:, k] >= 0.5]
            for at in rng.choice(len(members), min(15, len(members)), replace=False).tolist():
                answer = float(np.clip(columns[at, k] + rng.normal(0, 0.3), 0, 1))
                judgments.append(Judgment(int(members[at]), predicates[k], answer))
            status = STATUS.locked if child == "1" else STATUS.open
            divide(
                child,
                held,
                level + 1,
                predicate=predicates[k],
                parent=identity,
                denotations=columns[:, k],
                status=status,
                agreement=0.9,
            )
        left = 1 - columns.max(axis=1)
        divide(
            f"{start}0", members[left > 0.5], depth, predicate=None, parent=identity, denotations=left, residual=True
        )

    divide(ROOT, np.flatnonzero(~corpus.blank), 0, predicate=None, parent=None, denotations=np.ones(len(corpus)))
    return Taxonomy(
        nodes=nodes,
        corpus=corpus,
        denoter=None,  # type: ignore[arg-type]
        judgments=judgments,
        result=OUTCOMES.complete,
        settings={"goal": "what the question asks", "lm": "scripted", "depth": depth} if settings is None else settings,
        versions={"nlparam": "0.1.0"},
        costs=Costs(calls=900, judgments_asked=2700, seconds={"propose": 12.0, "judge": 80.0}),
    )


def make_update(taxonomy: Taxonomy, *, warnings=()) -> dict:
    """What an update of a taxonomy found: every second node is met more often, the others less."""

    def share(value: float) -> dict:
        return {"share": value, "low": max(0.0, value - 0.05), "high": min(1.0, value + 0.05)}

    nodes = [node for node in taxonomy.nodes.values() if node.parent is not None]
    moved = [0.1 + 0.01 * k if k % 2 else -0.02 for k in range(len(nodes))]
    return {
        "n_before": len(taxonomy.corpus) - 50,
        "n_new": 50,
        "n_judged": [30, 30],
        "confidence": 0.95,
        "level": 0.05,
        "drift": [
            {
                "id": node.id,
                "name": node.name,
                "added": node.id == "2",
                "before": share(0.3),
                "now": share(0.3 + change),
                "drift": {"difference": change, "low": change - 0.04, "high": change + 0.04, "p_value": 0.01},
                "p_adjusted": 0.02 if change > 0 else 0.9,
                "changed": change > 0,
            }
            for node, change in zip(nodes, moved, strict=True)
        ],
        "unexplained": [
            {
                "node": "root",
                "name": "all texts",
                "n_texts": 50,
                "n_unexplained": 20,
                "before": share(0.1),
                "now": share(0.4),
                "p_value": 0.001,
                "outcome": "children were added",
            }
        ],
        "added": [
            {"id": "2", "parent": "root", "predicate": nodes[1].name, "share_unexplained": 0.9, "share_elsewhere": 0.1}
        ],
        "warnings": list(warnings),
    }


def make_comparison(
    n_texts=300,
    *,
    seed=0,
    groups=("before", "after"),
    texts=None,
    predicates=None,
    covariates=(),
    n_tested=6,
    n_dropped=4,
    settings=None,
) -> Comparison:
    """A comparison in which the first predicates differ between the first group and the others."""
    rng = np.random.default_rng(seed)
    texts = [f"Complaint {i} about a parcel that came late." for i in range(n_texts)] if texts is None else texts
    corpus = Corpus.from_texts(texts)
    n_distinct = len(corpus.distinct)
    of = np.arange(n_distinct) % len(groups)
    research = rng.random(n_distinct) < 0.5
    units = Units(np.arange(n_distinct), of, research, ~research)
    predicates = predicates or [f"mentions detail {k}" for k in range(n_tested + n_dropped)]
    judgments = np.full((n_distinct, len(predicates)), np.nan)
    findings = []
    for k, predicate in enumerate(predicates):
        more = groups[k % len(groups)]
        tested = k < n_tested
        asked = ~research if tested else research & (rng.random(n_distinct) < 0.2)
        shift = max(0.0, 0.35 - 0.08 * k) * (of == k % len(groups))
        judgments[asked, k] = np.clip(rng.beta(1, 2, n_distinct) + shift, 0, 1)[asked]
        effect = float(
            np.nanmean(judgments[of == k % len(groups), k]) - np.nanmean(judgments[of != k % len(groups), k])
        )
        estimate = Estimate(effect, 0.04, effect - 0.08, effect + 0.08, float(np.exp(-((effect / 0.04) ** 2) / 2)))
        outcome = (
            (FATES.claimed if effect > 0.08 else FATES.unproven) if tested else (FATES.dropped, FATES.repeats)[k % 2]
        )
        examples = tuple(
            Example(corpus.distinct[at], groups[int(of[at])], float(judgments[at, k]))
            for at in np.flatnonzero(asked)[: 8 * len(groups)].tolist()
        )
        findings.append(
            Finding(
                predicate=predicate,
                outcome=outcome,
                reason=f"It {outcome.value}.",
                more=more,
                screening=estimate,
                n_screened=20,
                crude=estimate if tested else None,
                given_covariates=Estimate(effect - 0.01, 0.05, effect - 0.11, effect + 0.09, 0.02)
                if tested and covariates
                else None,
                p_adjusted=min(1.0, 2 * estimate.p_value) if tested else None,
                shares=tuple(
                    Share(g, float(np.nanmean(judgments[of == i, k])), 0.2, 0.6, 40) for i, g in enumerate(groups)
                )
                if tested
                else (),
                ratings=Ratings(2.0, 1.5, None) if tested else None,
                ranking=Ranking(0.7, 0.01) if tested else None,
                repeats=predicates[0] if outcome is FATES.repeats else None,
                examples=examples if tested else (),
            )
        )
    sizes = [
        Group(
            name,
            int((of == i).sum()),
            int((of == i).sum()),
            int((research & (of == i)).sum()),
            int((~research & (of == i)).sum()),
            int((~research & (of == i)).sum()),
        )
        for i, name in enumerate(groups)
    ]
    return Comparison(
        groups=sizes,
        goal=(settings or {}).get("goal", "what customers complain about"),
        findings=findings,
        corpus=corpus,
        units=units,
        judgments=judgments,
        covariates=tuple(covariates),
        confidence=0.95,
        level=0.05,
        correction="bh",
        warnings=["3 texts occur in both groups"],
        settings={"goal": "what customers complain about", "lm": "scripted"} if settings is None else settings,
        versions={"nlparam": "0.1.0"},
        costs=Costs(calls=400, judgments_asked=1600, seconds={"judge": 40.0}),
    )
