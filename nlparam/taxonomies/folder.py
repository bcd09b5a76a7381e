"""A taxonomy on disk: JSON, YAML, safetensors and Parquet in one folder. Loading one needs no language model."""

import dataclasses
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.corpus import Corpus
from nlparam.costs import Costs
from nlparam.denoter import TreeDenoter
from nlparam.errors import EditError, FitFolderError
from nlparam.folder import goal_arrays, goal_map_of, ngram_arrays, ngrams_of
from nlparam.hierarchy import HOLDS, OUTCOMES, ROOT, STATUS, STOPS, Candidate, Division, Node, Taxonomy
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.numerics.head import Head
from nlparam.result_folder import check_result_folder, complete, make_room, read_json, write_json, writing
from nlparam.solution import Judgment
from nlparam.taxonomies.edit import plan
from nlparam.taxonomies.entries import FILE as EDITED
from nlparam.taxonomies.entries import read, written

FORMAT = 1
# Where a model is found may change between two runs of one tree; what it is (its identity) may not.
# Times change no node.
_NOT_COMPARED = {"date", "lm", "embedder", "form", "n_words", "time_unit"}
_TREE, _HEADS, _NGRAMS, _TEXTS = "taxonomy.json", "head.safetensors", "ngrams.json", "texts.parquet"
_DENOTATIONS, _CANDIDATES, _JUDGMENTS = "denotations.parquet", "candidates.parquet", "judgments.parquet"
_AGAIN = "grow it again with --overwrite"


def holds_taxonomy(folder: str | Path) -> bool:
    """Whether there is a taxonomy in a folder."""
    return (Path(folder) / _TREE).exists()


def check_folder(
    folder: str | Path, settings: Mapping[str, Any], *, overwrite: bool = False, ignored: Collection[str] = ()
) -> None:
    """Raises `FitFolderError` if the folder cannot take this taxonomy: it holds something else, or is no folder.

    The same taxonomy (equal texts, settings, edits and updates) may be written again: a repeated command is not an
    accident. `taxonomy.yaml` must not have been edited since it was written. Settings that are `ignored` may differ.
    """
    check_result_folder(
        folder,
        _TREE,
        _compared(settings),
        lambda: _compared(read_contents(folder)["settings"]),
        overwrite=overwrite,
        ignored=_NOT_COMPARED.union(ignored),
    )
    if not overwrite and holds_taxonomy(folder) and (change := unfitted(folder)):
        raise FitFolderError(
            f"{Path(folder) / EDITED} was edited ({change}): run `nlparam refit {folder}` first, choose another --out, "
            "or lose the edit with --overwrite"
        )


def _compared(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with what was done to the tree, but not when, nor what that cost."""
    edits, updates = settings.get("edits") or (), settings.get("updates") or ()
    return dict(settings) | {
        "edits": [one["changes"] for one in edits],
        "updates": [{name: value for name, value in one.items() if name != "date"} for one in updates],
    }


def unfitted(folder: str | Path, taxonomy: Taxonomy | None = None) -> str | None:
    """The first edit in the `taxonomy.yaml` of a folder that no refit has heeded, in words; `None` if there is none.

    `taxonomy` is that of the folder, if it is loaded already. Raises `FitFolderError` if it is incomplete.
    """
    path = Path(folder) / EDITED
    if not path.exists():
        return None
    try:
        return next(iter(plan(read(path), load(folder) if taxonomy is None else taxonomy).changes), None)
    except EditError as error:
        return str(error)


def save(taxonomy: Taxonomy, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Writes a taxonomy to a folder; `taxonomy.json` comes last, so that a folder with one is complete.

    Raises `FitFolderError` if the folder holds something else and `overwrite` is not set, or if it cannot be written.
    """
    import pyarrow
    import pyarrow.parquet
    from safetensors.numpy import save_file

    folder = Path(folder)
    denoter = taxonomy.denoter
    judgments = [dataclasses.asdict(judgment) for judgment in taxonomy.judgments]
    schema = pyarrow.schema(
        [("text", pyarrow.int64()), ("predicate", pyarrow.string()), ("probability", pyarrow.float64())]
    )
    contents = {"format": FORMAT} | taxonomy.to_dict() | {"columns": {k: list(v) for k, v in denoter.columns.items()}}
    tables = {
        _TEXTS: pyarrow.table(_texts(taxonomy)),
        _DENOTATIONS: _denotations(taxonomy),
        _CANDIDATES: _candidates(taxonomy),
        _JUDGMENTS: pyarrow.Table.from_pylist(judgments, schema=schema),
    }
    arrays = ngram_arrays(denoter.ngrams) | goal_arrays(denoter.goal_map)
    for node, head in denoter.heads.items():
        arrays[f"directions/{node}"] = np.ascontiguousarray(denoter.directions[node])
        for name, leaf in zip(Head._fields, head, strict=True):
            arrays[f"head/{node}/{name}"] = np.ascontiguousarray(leaf)
    with writing(folder):
        check_folder(folder, taxonomy.settings, overwrite=overwrite)
        try:
            make_room(folder, _TREE, overwrite=overwrite)
            save_file(arrays, folder / _HEADS)
            (folder / _NGRAMS).write_text(json.dumps(denoter.ngrams.vocabularies, ensure_ascii=False), encoding="utf-8")
            for name, table in tables.items():
                pyarrow.parquet.write_table(table, folder / name)
            (folder / EDITED).write_text(written(taxonomy, folder=folder), encoding="utf-8")
            write_json(folder / _TREE, contents)
        except OSError as error:
            raise FitFolderError(f"{folder} cannot be written ({error}): choose another --out") from error
    return folder


def _texts(taxonomy: Taxonomy) -> dict[str, list]:
    columns: dict[str, list] = {"text": list(taxonomy.texts), "node": taxonomy.assignments()}
    return columns if taxonomy.stamps is None else columns | {"time": list(taxonomy.stamps)}


def _denotations(taxonomy: Taxonomy):
    """A row for each node below the root and each text of its parent."""
    import pyarrow

    nodes = [node for node in taxonomy.nodes.values() if node.parent is not None]
    texts = [taxonomy.nodes[node.parent or ROOT].members for node in nodes]
    return pyarrow.table(
        {
            "node": pyarrow.array(np.repeat([node.id for node in nodes], [len(rows) for rows in texts]).astype(object)),
            "text": np.concatenate([*texts, np.zeros(0, np.int64)]),
            "denotation": np.concatenate([*(node.denotations for node in nodes), np.zeros(0)]).astype(np.float32),
        },
        schema=pyarrow.schema(
            [("node", pyarrow.string()), ("text", pyarrow.int64()), ("denotation", pyarrow.float32())]
        ),
    )


def _candidates(taxonomy: Taxonomy):
    """A row for each candidate of a node and each text it was denoted for or judged on; the node's children too."""
    import pyarrow

    columns: dict[str, list[np.ndarray]] = {"node": [], "candidate": [], "text": [], "denotation": [], "answer": []}
    for node in taxonomy.nodes.values():
        for number, candidate in enumerate(node.candidates):
            answers = dict(zip(candidate.judged.tolist(), candidate.answers.tolist(), strict=True))
            denoted = len(candidate.denotations) > 0
            texts = node.members if denoted else candidate.judged
            columns["node"].append(np.full(len(texts), node.id, dtype=object))
            columns["candidate"].append(np.full(len(texts), number))
            columns["text"].append(texts)
            columns["denotation"].append(candidate.denotations if denoted else np.full(len(texts), np.nan))
            columns["answer"].append(np.asarray([answers.get(text, np.nan) for text in texts.tolist()], float))
    schema = pyarrow.schema(
        [
            ("node", pyarrow.string()),
            ("candidate", pyarrow.int64()),
            ("text", pyarrow.int64()),
            ("denotation", pyarrow.float32()),
            ("answer", pyarrow.float64()),
        ]
    )
    whole = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in columns.items()}
    return pyarrow.table(
        [pyarrow.array(whole[field.name], type=field.type, from_pandas=True) for field in schema], schema=schema
    )


def load(folder: str | Path, *, embedder: str | Path | AbstractEmbedder | None = None) -> Taxonomy:
    """Loads a taxonomy that `Taxonomy.save` or the command line wrote.

    `embedder` is what embeds new texts, needed only if it was an object of your own or has moved since.

    Raises `FitFolderError` if the folder holds no taxonomy, an incomplete one, or one of a newer format.
    """
    import pyarrow.parquet
    from safetensors.numpy import load_file

    folder = Path(folder)
    contents = read_contents(folder)
    if contents["format"] > FORMAT:
        raise FitFolderError(
            f"{folder} was written by a newer nlparam (format {contents['format']}, this one reads {FORMAT}): "
            "upgrade nlparam"
        )
    with complete(folder, "taxonomy", again=_AGAIN):
        arrays = load_file(folder / _HEADS)
        vocabularies = json.loads((folder / _NGRAMS).read_text(encoding="utf-8"))
        names = (_TEXTS, _DENOTATIONS, _CANDIDATES, _JUDGMENTS)
        texts, denoted, considered, judged = (pyarrow.parquet.read_table(folder / name) for name in names)
        settings, columns = contents["settings"], contents["columns"]
        if not isinstance(embedder, AbstractEmbedder):
            embedder = SentenceTransformerEmbedder(embedder or settings["embedder"])
        corpus = Corpus.from_texts(texts["text"].to_pylist())
        return Taxonomy(
            nodes=_nodes(contents["nodes"], corpus, denoted, considered),
            corpus=corpus,
            denoter=TreeDenoter(
                embedder=embedder,
                ngrams=ngrams_of(vocabularies, arrays),
                directions={node: arrays[f"directions/{node}"] for node in columns},
                heads={node: _head(arrays, node) for node in columns},
                columns={node: tuple(ids) for node, ids in columns.items()},
                embedder_identity=settings["embedder_identity"],
                goal_map=goal_map_of(arrays),
            ),
            judgments=[Judgment(**judgment) for judgment in judged.to_pylist()],
            result=OUTCOMES[contents["result"]],
            settings=settings,
            versions=contents["versions"],
            costs=Costs.from_dict(contents["costs"]),
            stamps=tuple(texts["time"].to_pylist()) if "time" in texts.column_names else None,
        )


def read_contents(folder: str | Path) -> dict[str, Any]:
    """What `taxonomy.json` in a folder says: nodes, settings, versions, costs.

    Raises `FitFolderError` if there is none or it is damaged.
    """
    return read_json(Path(folder) / _TREE, again=_AGAIN)


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
        nodes[one["id"]] = Node(
            id=one["id"],
            predicate=one["predicate"],
            judged_as=one["judged_as"],
            parent=one["parent"],
            children=tuple(one["children"]),
            members=members,
            denotations=values,
            status=STATUS(one["status"]),
            residual=one["residual"],
            stopped=None if one["stopped"] is None else STOPS[one["stopped"]],
            partial=one["partial"],
            candidates=tuple(
                _candidate(candidate, candidates.get((one["id"], number)), len(members))
                for number, candidate in enumerate(one["candidates"])
            ),
            divisions=tuple(Division(**division) for division in one["divisions"]),
            agreement=float("nan") if one["agreement"] is None else one["agreement"],
            costs=Costs.from_dict(one["costs"]),
        )
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
