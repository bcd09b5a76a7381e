"""Taxonomies of three corpora: what they cover, how much siblings overlap, and what they cost.

`python -m benchmarks.taxonomy [--only bbc] [--lm embedded] [--store FILE] [--out out/taxonomies]` grows a tree of
depth 2 for BBC news articles, headlines of The Guardian and AG News, and saves each with its report under `--out`. A
tree that is there already is not grown again unless `--again` is given. `--gallery docs/reference/taxonomy-gallery.md`
writes the page of the documentation from the trees that are there. The last line is one JSON object: for each corpus
coverage, overlap, the highest correlation of siblings, seconds, calls and what the store knew (time is told by a run
for which it knew nothing), and how well the levels agree with the labels, where there are some (they are used for
nothing else).
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

import nlparam
from benchmarks.commands import DATA, chosen, command, markdown_table, read_results, read_rows, timed
from nlparam.corpus.datasets import load_dataset
from nlparam.taxonomies.result import Taxonomy


class Loaded(NamedTuple):
    """Texts and, where there are some, their labels and their times."""

    texts: list[str]
    labels: list[str] | None = None
    stamps: list[str] | None = None


class CorpusOf(NamedTuple):
    """A corpus, which `load(data)` loads."""

    title: str
    about: str
    goal: str
    load: Callable[[Path], Loaded]


def _bbc(_: Path) -> Loaded:
    table = load_dataset("bbc")
    return Loaded(table.texts, labels=table.columns["label"])


def _guardian(_: Path) -> Loaded:
    table = load_dataset("guardian")
    return Loaded(table.texts, stamps=table.columns["date"])


def _agnews(data: Path) -> Loaded:
    rows = read_rows(data / "cluster" / "agnews")
    return Loaded([row["text"] for row in rows], labels=[str(row["label"]) for row in rows])


# The share of calls that a store may have answered in a run that tells the time.
_HARDLY_ANY = 0.02

CORPORA = {
    "bbc": CorpusOf("BBC News", "2,225 articles of 2004 and 2005, in five sections.", "the topic of the news", _bbc),
    "guardian": CorpusOf(
        "Headlines of The Guardian",
        "4,080 headlines of the business pages, January to July 2020.",
        "what the news is about",
        _guardian,
    ),
    "agnews": CorpusOf("AG News", "2,048 short news of four sections.", "the topic of the news", _agnews),
}


def write(
    data: Path = DATA,
    out: Path = Path("out/taxonomies"),
    lm: str = "embedded",
    store: Path | None = None,
    timeout: float = 900.0,
    depth: int = 2,
    seed: int = 0,
    only: Annotated[list[str] | None, ", ".join(CORPORA)] = None,
    again: Annotated[bool, "grow what is there already"] = False,
    gallery: Annotated[Path | None, "the page to write"] = None,
) -> dict[str, Any]:
    """Grows trees, measures them, and writes their page."""
    options = {"lm": lm, "store": store, "timeout": timeout, "depth": depth, "seed": seed}
    for name in chosen(only, CORPORA):
        if again or not (out / name / "result.json").exists():
            print(json.dumps({name: grow(CORPORA[name], data, out / name, **options)}), flush=True)
    results = read_results(out, CORPORA, "result.json")
    if gallery is not None:
        gallery.write_text(page(results, out), encoding="utf-8")
    return results


def grow(corpus: CorpusOf, data: Path, out: Path, **options: Any) -> dict[str, Any]:
    """Grows, saves and measures one tree."""
    loaded = corpus.load(data)
    options |= {"stamps": loaded.stamps, "goal": corpus.goal, "out": out, "overwrite": True}
    tree, seconds = timed(nlparam.taxonomy, loaded.texts, **options)
    measures = tree.measures()
    result = {
        "n_texts": len(loaded.texts),
        "lm": tree.settings["lm_identity"],
        **{name: round(measures[name], 4) for name in ("coverage", "overlap", "balance")},
        "highest_correlation": round(measures["correlation"], 4),
        "least_coverage_of_a_node": round(min(tree.coverage(node.id) for node in tree.divided()), 4),
        "most_overlap_of_a_node": round(max(tree.overlap(node.id) for node in tree.divided()), 4),
        "n_divided": len(list(tree.divided())),
        "n_nodes": len(tree.predicate_ids),
        "seconds": round(seconds, 1),
        "agreement": [round(value, 4) for value in agreement(tree)],
        "calls": tree.costs.calls,
        "served": tree.costs.judgments_served + tree.costs.proposals_served,
        "result": tree.result.name,
    }
    if loaded.labels is not None:
        for depth in (1, 2):
            agreed = agree(tree, loaded.labels, depth)
            result |= {f"level_{depth}_{key}": value for key, value in agreed.items()}
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def agree(tree: Any, labels: list[str], depth: int) -> dict[str, float]:
    """Purity (every node named by its most frequent label) and adjusted mutual information of a level with labels."""
    assigned = np.asarray([node or "" for node in tree.assignments(depth)])
    told = np.asarray(labels)
    right = sum(Counter(told[assigned == node].tolist()).most_common(1)[0][1] for node in np.unique(assigned))
    return {
        "purity": round(right / len(told), 4),
        "adjusted_mutual_information": round(float(adjusted_mutual_info_score(told, assigned)), 4),
    }


def agreement(tree: Any) -> list[float]:
    """For each level the mean agreement of its nodes with the language model, on judgments left out."""
    nodes = [node for node in tree.nodes.values() if node.predicate is not None]
    levels = sorted({node.depth for node in nodes})
    return [float(np.nanmean([node.agreement for node in nodes if node.depth == level])) for level in levels]


def page(results: dict[str, dict[str, Any]], out: Path) -> str:
    """The page of the documentation: a table of all trees, then each tree as the command prints it."""
    head = [
        "# Gallery of taxonomies",
        "",
        "Trees of depth 2 that one command each grew, with the 1.5B language model on a CPU; made by",
        "`python -m benchmarks.taxonomy --gallery docs/reference/taxonomy-gallery.md`. Nothing was edited. Covered are",
        "the texts of a divided node that are under at least one of its children; overlap is the share that is under",
        "more than one. Agreement is how often the denotations of a node agree with the language model on judgments",
        "left out, the mean of the nodes of a level: a node that agrees on few is a vague one, whatever it covers.",
        "Minutes are those of a run with an empty store, and missing where a store had answers of runs before.",
        "",
    ]
    rows = []
    for name, found in results.items():
        agreed = " and ".join(f"{value:.0%}" for value in agreement(Taxonomy.load(out / name)))
        n_calls = found["calls"] + found["served"]
        # A run that a store answered in part tells no time.
        minutes = f"{found['seconds'] / 60:.0f}" if found["served"] < _HARDLY_ANY * n_calls else ""
        shares = f"{found['coverage']:.1%}", f"{found['overlap']:.1%}", f"{found['highest_correlation']:.2f}", agreed
        rows.append([CORPORA[name].title, f"{found['n_texts']:,}", *shares, found["n_nodes"], minutes, f"{n_calls:,}"])
    header = ["corpus", "texts", "covered", "overlap", "highest correlation of siblings"]
    head.append(markdown_table([*header, "agreement, level 1 and 2", "nodes", "minutes", "calls"], rows))
    return "\n".join([*head, *(line for name in results for line in _section(name, results[name], out))]) + "\n"


def _section(name: str, result: dict[str, Any], out: Path) -> list[str]:
    corpus, tree = CORPORA[name], Taxonomy.load(out / name)
    lines = ["", f"## {corpus.title}", "", f'{corpus.about} The goal: "{corpus.goal}".', ""]
    if "level_1_purity" in result:
        lines += [
            "The sections that the texts are from were used for nothing else: named by its most frequent section, a",
            f"node of the first level is right for {result['level_1_purity']:.0%} of the texts (adjusted mutual",
            f"information {result['level_1_adjusted_mutual_information']:.2f}).",
            "",
        ]
    return [*lines, "```text", *str(tree).splitlines(), "```"]


if __name__ == "__main__":
    command(write, __doc__)
