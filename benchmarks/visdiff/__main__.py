"""VisDiffBench: how often the known difference of two image sets is found.

    python -m benchmarks.visdiff run --pairs pairs.jsonl --sets FOLDER --lm http://HOST:PORT/v1 [--ranker clip-ViT-B-32]
    python -m benchmarks.visdiff check-grader --pairs pairs.jsonl --grader native

`run` compares the sets of every pair that is in the folder: `FOLDER/ID/a/` and `FOLDER/ID/b/` with images, or
`FOLDER/ID/a.jsonl` and `b.jsonl` (`.csv`, `.txt`) with captions, ID as in the file of pairs. A language model grades
the hypotheses, 0, 0.5 or 1; acc@k is the best grade among the first k (arXiv 2312.02974, section 5.2). `check-grader`
needs no images: it says how far a language model can be trusted as the grader, on hypotheses whose grade is known.

The last line is one JSON object.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.commands import DATA
from benchmarks.visdiff.pairs import Grader, Pair, Sets, accuracies, agreement, find_sets, known_hypotheses, read_pairs
from nlparam.denotation.session import Session
from nlparam.language.similarity import SimilarityJudge
from nlparam.lm.store import Store

PAIRS = DATA / "visdiff" / "pairs.jsonl"


def main(given: Sequence[str] | None = None) -> None:
    arguments = _parser().parse_args(given)
    pairs = read_pairs(arguments.pairs, sources=arguments.sources, most=arguments.most)
    began = time.perf_counter()
    result = check_grader(pairs, arguments) if arguments.command == "check-grader" else run(pairs, arguments)
    print(json.dumps(result | {"seconds": round(time.perf_counter() - began, 1)}))


def run(pairs: Sequence[Pair], arguments: argparse.Namespace) -> dict[str, Any]:
    """acc@1 and acc@5 over the pairs whose sets are there, by source and over all."""
    present = [(pair, sets) for pair in pairs if (sets := find_sets(arguments.sets, pair)) is not None]
    if not present:
        raise SystemExit(f"{arguments.sets} has the images or captions of none of the {len(pairs)} pairs")
    rows = []
    lm, timeout = arguments.grader or arguments.lm, arguments.timeout
    with Session(lm=lm, store=arguments.store, timeout=timeout) as session:
        grader = Grader(session.engine)
        for pair, sets in present:
            found = hypotheses(sets, session.store, arguments)
            grades = grader.grade([(pair, hypothesis) for hypothesis in found[:5]])
            row = {"id": pair.id, "source": pair.source, **accuracies(grades.tolist()), "hypotheses": found[:5]}
            rows.append(row)
            print(json.dumps(row, ensure_ascii=False), flush=True)
    sources = dict.fromkeys(row["source"] for row in rows)
    return {
        "pairs": len(rows),
        "of": len(pairs),
        "images": sum(sets.images for _, sets in present),
        **_means(rows),
        "by_source": {source: _means([row for row in rows if row["source"] == source]) for source in sources},
        "lm": arguments.lm,
        "ranker": arguments.ranker,
        "grader": grader.identity,
    }


def hypotheses(sets: Sets, store: Store, arguments: argparse.Namespace) -> list[str]:
    """What is said of set A, the best first: by AUROC where there is a ranker, else by the tested effect."""
    import nlparam
    from nlparam.corpus.readers import read_texts

    common = {"lm": arguments.lm, "store": store, "ratings": False, "seed": arguments.seed}
    if sets.images:
        found = nlparam.compare_images({"A": sets.a, "B": sets.b}, ranker=arguments.ranker, **common)
    else:
        groups = {"A": read_texts(sets.a).texts, "B": read_texts(sets.b).texts}
        found = nlparam.compare(groups, goal="what is visible in the image", **common)
    towards_a = [finding for finding in found.findings if finding.more == "A"]

    def rank(finding) -> tuple[float, float]:
        effect = finding.crude or finding.screening
        score = finding.ranking.auroc if finding.ranking is not None else -1.0
        return (score, -1.0 if effect is None else effect.effect)

    return [finding.predicate for finding in sorted(towards_a, key=rank, reverse=True)]


def check_grader(pairs: Sequence[Pair], arguments: argparse.Namespace) -> dict[str, Any]:
    """How a language model grades what is right and what is wrong for certain, by the two prompts there are."""
    known = known_hypotheses(pairs)
    kinds, right = [row[0] for row in known], [row[3] for row in known]
    with Session(lm=arguments.grader, store=arguments.store, timeout=arguments.timeout) as session:
        engine, costs = session.engine, session.costs
        grades = Grader(engine).grade([(pair, hypothesis) for _, pair, hypothesis, _ in known])
        result: dict[str, Any] = {"pairs": len(pairs), "grader": agreement(kinds, right, grades)}
        if arguments.similarity:
            # The library's own comparison of two predicates knows nothing of set B.
            alike = SimilarityJudge(engine).judge([(f"shows {pair.set_a}", says) for _, pair, says, _ in known])
            result["similarity"] = agreement(kinds, right, alike)
        result |= {"lm": engine.lm.identity, "calls": costs.calls, "failures": costs.failures}
    return result


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in ("acc@1", "acc@5")} | {"n": len(rows)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visdiff", description="VisDiffBench")
    commands = parser.add_subparsers(dest="command", required=True)
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("--pairs", type=Path, default=PAIRS, help="the file of pairs")
    both.add_argument("--sources", nargs="*", default=(), help="parts of the benchmark, by default all")
    both.add_argument("--most", type=int, help="how many pairs of each part")
    both.add_argument("--store", type=Path, help="the file of answers, by default the user's")
    both.add_argument("--timeout", type=float, default=900.0)
    runs = commands.add_parser("run", parents=[both], help="compare the sets and grade what is found")
    runs.add_argument("--sets", type=Path, required=True, help="the folder with a folder for each pair")
    runs.add_argument("--lm", default="embedded", help="who describes, proposes and judges")
    runs.add_argument("--grader", help="who grades, by default the same")
    runs.add_argument("--ranker", help="a sentence-transformers model of images and texts")
    runs.add_argument("--seed", type=int, default=0)
    checks = commands.add_parser("check-grader", parents=[both], help="grade hypotheses whose grade is known")
    checks.add_argument("--grader", default="embedded")
    checks.add_argument("--similarity", action="store_true", help="by the library's prompt for two predicates too")
    return parser


if __name__ == "__main__":
    main()
