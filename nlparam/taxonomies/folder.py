"""A taxonomy as files: what goes into JSON, YAML, safetensors and Parquet, and the fields of a tree from them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.arrays import goal_arrays, goal_map_of, ngram_arrays, ngrams_of
from nlparam.denotation.denoter import TreeDenoter
from nlparam.denotation.following import GoalFollowing
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.numerics.heads.head import Head
from nlparam.results.jsonable import from_json, read_fields
from nlparam.results.records import judgment_table, judgments_of
from nlparam.results.result import Files, Folder
from nlparam.runtime.costs import Costs
from nlparam.taxonomies.records import (
    HOLDS,
    OUTCOMES,
    ROOT,
    Candidate,
    Node,
    Sample,
    Separation,
    TreeLike,
)
from nlparam.taxonomies.yaml_file import FILE as EDITED
from nlparam.taxonomies.yaml_file import written

_HEADS, _NGRAMS, _TEXTS = "head.safetensors", "ngrams.json", "texts.parquet"
_DENOTATIONS, _CANDIDATES, _JUDGMENTS = "denotations.parquet", "candidates.parquet", "judgments.parquet"
_SAMPLE = "sample.parquet"


def compared_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with what was done to the tree, but not when, nor what that cost."""
    edits, updates = settings.get("edits") or (), settings.get("updates") or ()
    return dict(settings) | {
        "edits": [one["changes"] for one in edits],
        "updates": [{name: value for name, value in one.items() if name != "date"} for one in updates],
    }


def pack_taxonomy(taxonomy: TreeLike, folder: Path) -> tuple[dict[str, Any], Files]:
    """What `taxonomy.json` says of a taxonomy, and the files beside it."""
    import pyarrow

    denoter = taxonomy.denoter
    arrays = ngram_arrays(denoter.ngrams) | goal_arrays(denoter.goal_map)
    for node, head in denoter.heads.items():
        arrays[f"directions/{node}"] = denoter.directions[node]
        arrays |= {f"head/{node}/{name}": np.asarray(leaf) for name, leaf in zip(Head._fields, head, strict=True)}
    contents = taxonomy.to_dict() | {"columns": {node: list(ids) for node, ids in denoter.columns.items()}}
    sampled = {}
    if (sample := taxonomy.sample) is not None:
        contents["sampled"] = len(sample)
        rows = _sample_rows(sample)
        sampled[_SAMPLE] = _table(rows, node="string", text="int64", inclusion="float64", under="float64")
    return contents, Files(
        arrays={_HEADS: arrays},
        tables={
            _TEXTS: pyarrow.table(_texts(taxonomy)),
            _DENOTATIONS: _table(_denoted_rows(taxonomy), node="string", text="int64", denotation="float32"),
            _CANDIDATES: _table(
                _candidate_rows(taxonomy),
                node="string",
                candidate="int64",
                text="int64",
                denotation="float32",
                answer="float64",
            ),
            _JUDGMENTS: judgment_table(taxonomy.judgments),
        }
        | sampled,
        texts={
            _NGRAMS: json.dumps(denoter.ngrams.vocabularies, ensure_ascii=False),
            EDITED: written(taxonomy, folder=folder),
        },
    )


def fields_of_taxonomy(contents: dict[str, Any], folder: Folder, embedder: Any) -> dict[str, Any]:
    """The fields of the taxonomy that `pack_taxonomy` packed. `embedder` is that of `nlparam.load`."""
    arrays, texts = folder.arrays(_HEADS), folder.table(_TEXTS)
    settings, columns = contents["settings"], contents["columns"]
    if not isinstance(embedder, AbstractEmbedder):
        embedder = SentenceTransformerEmbedder(embedder or settings["embedder"])
    corpus = Corpus.of_table(texts)
    return {
        "nodes": _nodes(contents["nodes"], corpus, folder.table(_DENOTATIONS), folder.table(_CANDIDATES)),
        "corpus": corpus,
        "denoter": TreeDenoter(
            embedder=embedder,
            ngrams=ngrams_of(folder.json(_NGRAMS), arrays),
            directions={node: arrays[f"directions/{node}"] for node in columns},
            heads={node: _head(arrays, node) for node in columns},
            columns={node: tuple(ids) for node, ids in columns.items()},
            embedder_identity=settings["embedder_identity"],
            goal_map=goal_map_of(arrays),
        ),
        "judgments": judgments_of(folder.table(_JUDGMENTS)),
        "result": OUTCOMES[contents["result"]],
        "settings": settings,
        "versions": contents["versions"],
        "costs": Costs.from_dict(contents["costs"]),
        "stamps": tuple(texts["time"].to_pylist()) if "time" in texts.column_names else None,
        "chance": {one["id"]: Separation(**one["chance"]) for one in contents["nodes"] if one.get("chance")},
        "clusters": tuple(texts["cluster"].to_pylist()) if "cluster" in texts.column_names else None,
        "following": from_json(GoalFollowing, contents.get("following")),
        "sample": _sample_of(folder.table(_SAMPLE)) if contents.get("sampled") else None,
    }


def _texts(taxonomy: TreeLike) -> dict[str, list]:
    columns: dict[str, list] = {**taxonomy.corpus.columns(), "node": taxonomy.assignments()}
    if taxonomy.stamps is not None:
        columns["time"] = list(taxonomy.stamps)
    if taxonomy.clusters is not None:
        columns["cluster"] = list(taxonomy.clusters)
    return columns


def _table(parts: Iterable[Sequence[Any]], **kinds: str):
    """A table of several parts: of each part, a column has one value for each row, or one for all of them.

    `kinds` are the types of the columns, as pyarrow calls them; what is not a number is missing.
    """
    import pyarrow

    schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in kinds.items()])
    rows = [
        np.broadcast_arrays(*(np.asarray(one, dtype=object if isinstance(one, str) else None) for one in part))
        for part in parts
    ]
    columns = zip(*rows, strict=True) if rows else [[np.zeros(0)]] * len(schema)
    arrays = [
        pyarrow.array(np.concatenate(column), type=field.type, from_pandas=True)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pyarrow.table(arrays, schema=schema)


def _sample_rows(sample: Sample) -> Iterator[Sequence[Any]]:
    """Of each node the texts of the sample."""
    return ((node, sample.texts, sample.inclusion, under) for node, under in sample.under.items())


def _sample_of(table) -> Sample:
    rows = _grouped(table, ["node"], ["text", "inclusion", "under"])
    texts, inclusion, _ = rows[ROOT,]
    return Sample(texts, inclusion, {node: under for (node,), (_, _, under) in rows.items()})


def _denoted_rows(taxonomy: TreeLike) -> Iterator[Sequence[Any]]:
    """Of each node below the root the texts of its parent."""
    return (
        (node.id, taxonomy.nodes[node.parent].members, node.denotations)
        for node in taxonomy.nodes.values()
        if node.parent is not None
    )


def _candidate_rows(taxonomy: TreeLike) -> Iterator[Sequence[Any]]:
    """Of each candidate of a node the texts it was denoted for or judged on; the node's children too."""
    for node in taxonomy.nodes.values():
        for number, candidate in enumerate(node.candidates):
            answers = np.full(len(taxonomy.corpus), np.nan)
            answers[candidate.judged] = candidate.answers
            denoted = len(candidate.denotations) > 0
            texts = node.members if denoted else candidate.judged
            yield node.id, number, texts, candidate.denotations if denoted else np.nan, answers[texts]


def _head(arrays: dict[str, np.ndarray], node: str) -> Head:
    leaves = {name: arrays[f"head/{node}/{name}"] for name in Head._fields}
    return Head(leaves["coefficients"], leaves["intercepts"], leaves["slope"].item(), leaves["thresholds"])


def _nodes(kept: list[dict[str, Any]], corpus: Corpus, denoted, considered) -> dict[str, Node]:
    denotations = _grouped(denoted, ["node"], ["denotation"])
    candidates = _grouped(considered, ["node", "candidate"], ["text", "denotation", "answer"])
    nodes: dict[str, Node] = {}
    for one in kept:
        if one["id"] == ROOT:
            members = np.flatnonzero(~corpus.blank)
            values = np.ones(len(members), np.float32)
        else:
            parent = nodes[one["parent"]].members
            (values,) = denotations.get((one["id"],), (np.zeros(0, np.float32),))
            members = parent[values >= HOLDS]
            if one["residual"]:  # its siblings come before it
                siblings = [nodes[child].members for child in nodes[one["parent"]].children[:-1]]
                members = np.setdiff1d(parent, np.concatenate(siblings))
        kept_candidates = [
            _candidate(candidate, candidates.get((one["id"], number)), len(members))
            for number, candidate in enumerate(one["candidates"])
        ]
        arrays = {"members": members, "denotations": values, "candidates": kept_candidates}
        nodes[one["id"]] = read_fields(Node, one | arrays)
    return nodes


def _candidate(kept: dict[str, Any], columns: tuple[np.ndarray, ...] | None, n_members: int) -> Candidate:
    nothing = np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0)
    texts, denotations, answers = nothing if columns is None else columns
    judged = np.isfinite(answers)
    denoted = len(denotations) == n_members and bool(np.isfinite(denotations).all())
    return Candidate(
        predicate=kept["predicate"],
        denotations=denotations if denoted else nothing[1],
        judged=texts[judged],
        answers=answers[judged].astype(np.float32),
        child=kept["child"],
        same_as=kept["same_as"],
    )


def _grouped(table, keys: list[str], values: list[str]) -> dict[tuple, tuple[np.ndarray, ...]]:
    """The values of a table by its keys; the rows of a key are in one piece."""
    if table.num_rows == 0:
        return {}
    columns = [table[key].to_numpy(zero_copy_only=False) for key in keys]
    arrays = [table[name].to_numpy(zero_copy_only=False) for name in values]
    changes = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    ends = [*(np.flatnonzero(changes) + 1).tolist(), table.num_rows]
    grouped, begin = {}, 0
    for end in ends:
        grouped[tuple(column[begin] for column in columns)] = tuple(array[begin:end] for array in arrays)
        begin = end
    return grouped
