"""A guard, and its folder: JSON, safetensors and Parquet. Loading one needs no language model and runs no code."""

import dataclasses
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.costs import Costs
from nlparam.guard.constitution import ROLES, Constitution
from nlparam.guard.errors import GuardError
from nlparam.guard.plan import Plan
from nlparam.guard.screen import Features, LinearHead, Screen
from nlparam.guard.synthesis import Example
from nlparam.guard.thresholds import Threshold
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.language.features import NgramFeatures
from nlparam.result_folder import check_result_folder, make_room, read_json, write_json

FORMAT = 2  # 1 had heads for windows of 72 words
_GUARD, _HEADS, _NGRAMS, _EXAMPLES = "guard.json", "heads.safetensors", "ngrams.json", "synthetic.parquet"


@dataclasses.dataclass(frozen=True)
class Guard:
    """A trained guard.

    **Attributes:** `screen`, which scores texts; `threshold`, with what it guarantees; `examples`, all synthetic texts
    (held out and dropped ones too); `counts`, what became of those that were planned; `seen`, the digests of the benign
    texts it was trained and set on; `settings`, `costs`, `versions`, `warnings`.
    """

    constitution: Constitution
    plan: Plan
    screen: Screen
    threshold: Threshold
    examples: tuple[Example, ...]
    counts: dict[str, int]
    seen: frozenset[str]
    settings: dict[str, Any]
    costs: Costs
    versions: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """What it was made of, as JSON can hold it, without texts."""
        return {
            "constitution": self.constitution.as_dict(),
            "threshold": self.threshold._asdict(),
            "counts": self.counts,
            "settings": self.settings,
        }

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the guard to a folder; `guard.json` comes last, so that a folder with one is complete.

        Raises `FitFolderError` if the folder holds another guard and `overwrite` is not set, `GuardError` if it cannot
        be written.
        """
        import pyarrow
        import pyarrow.parquet
        from safetensors.numpy import save_file

        folder = Path(folder)
        check_folder(
            folder,
            self.constitution,
            self.plan,
            self.settings,
            seen=self.seen,
            max_refusals=self.threshold.max_refusals,
            confidence=self.threshold.confidence,
            overwrite=overwrite,
        )
        ngrams, heads = self.screen.features.ngrams, self.screen.heads
        arrays = {
            f"{role}.{name}": leaf
            for role, head in heads.items()
            for name, leaf in zip(head._fields, head, strict=True)
        }
        arrays |= {f"idf.{name}": idf for name, idf in ngrams.idf.items()}
        arrays |= {f"axes.{name}": axes for name, axes in ngrams.axes.items()}
        contents = {
            "format": FORMAT,
            **self.described(),
            "plan": self.plan.as_dict(),
            "costs": self.costs.as_dict(),
            "versions": self.versions,
            "warnings": list(self.warnings),
            "seen": sorted(self.seen),
        }
        try:
            make_room(folder, _GUARD, overwrite=overwrite)
            save_file({name: np.ascontiguousarray(leaf) for name, leaf in arrays.items()}, folder / _HEADS)
            vocabularies = json.dumps(ngrams.vocabularies, ensure_ascii=False)
            (folder / _NGRAMS).write_text(vocabularies, encoding="utf-8")
            rows = [_as_row(example) for example in self.examples]
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=_schema()), folder / _EXAMPLES)
            write_json(folder / _GUARD, contents)
        except OSError as error:
            raise GuardError(f"{folder} cannot be written ({error}): choose another --out") from error
        return folder


def load(folder: str | Path, *, embedder: str | Path | AbstractEmbedder | None = None) -> Guard:
    """Loads a guard that `Guard.save` or the command line wrote.

    `embedder` is needed only if it was an object of one's own or has moved since; that it is the same one is checked.
    Raises `GuardError` if the folder holds no guard, an incomplete one, or one of another format, and `EmbedderError`
    for another embedder.
    """
    import pyarrow
    import pyarrow.parquet
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    contents = _read_contents(folder)
    if contents["format"] > FORMAT:
        raise GuardError(
            f"{folder} was written by a newer nlparam (format {contents['format']}, this one reads {FORMAT}): upgrade"
        )
    if contents["format"] < FORMAT:
        raise GuardError(
            f"{folder} was written by an older nlparam, whose heads read longer windows: train the guard again with "
            "--overwrite; what was written and judged for it is in the store"
        )
    try:
        arrays = load_file(folder / _HEADS)
        vocabularies = json.loads((folder / _NGRAMS).read_text(encoding="utf-8"))
        rows = pyarrow.parquet.read_table(folder / _EXAMPLES).to_pylist()
        ngrams = NgramFeatures(
            vocabularies,
            {name: arrays[f"idf.{name}"] for name in vocabularies},
            {name: arrays[f"axes.{name}"] for name in vocabularies},
        )
        heads = {role: LinearHead(*(arrays[f"{role}.{name}"] for name in LinearHead._fields)) for role in ROLES}
        constitution = Constitution.from_dict(contents["constitution"], where=str(folder / _GUARD))
        threshold, settings = Threshold(**contents["threshold"]), contents["settings"]
        plan, costs = Plan.from_dict(contents["plan"]), Costs.from_dict(contents["costs"])
        examples = tuple(_from_row(row) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, pyarrow.ArrowException) as error:
        raise GuardError(f"{folder} holds an incomplete guard ({error}): train it again with --overwrite") from error
    if not isinstance(embedder, AbstractEmbedder):
        embedder = SentenceTransformerEmbedder(embedder or settings["embedder"])
    screen = Screen(constitution, Features(embedder, ngrams), heads, threshold.value, settings["embedder_identity"])
    screen.check_embedder()
    return Guard(
        constitution=constitution,
        plan=plan,
        screen=screen,
        threshold=threshold,
        examples=examples,
        counts=contents["counts"],
        seen=frozenset(contents["seen"]),
        settings=settings,
        costs=costs,
        versions=contents["versions"],
        warnings=tuple(contents["warnings"]),
    )


def check_folder(
    folder: str | Path,
    constitution: Constitution,
    plan: Plan,
    settings: dict[str, Any],
    *,
    seen: Collection[str],
    max_refusals: float,
    confidence: float,
    overwrite: bool = False,
) -> None:
    """Raises `FitFolderError` if the folder cannot take this guard: it holds another one, or is no folder.

    The same guard may be trained again: a repeated command is not an accident.
    """
    wanted = {
        "constitution": constitution.as_dict(),
        "plan": plan.as_dict(),
        "lm": settings["lm_identity"],
        "embedder": settings["embedder_identity"],
        "benign": sorted(set(seen)),
        "max_refusals": max_refusals,
        "confidence": confidence,
    }

    def there() -> dict[str, Any]:
        contents = _read_contents(Path(folder))
        made, threshold = contents["settings"], contents["threshold"]
        return {
            "constitution": contents["constitution"],
            "plan": contents["plan"],
            "lm": made["lm_identity"],
            "embedder": made["embedder_identity"],
            "benign": contents["seen"],
            "max_refusals": threshold["max_refusals"],
            "confidence": threshold["confidence"],
        }

    check_result_folder(folder, _GUARD, wanted, there, overwrite=overwrite)


def _read_contents(folder: Path) -> dict[str, Any]:
    return read_json(folder / _GUARD, again="train it again with --overwrite")


def _schema():
    import pyarrow

    kinds = {"str": pyarrow.string(), "bool": pyarrow.bool_()}
    lists = {"probabilities": pyarrow.list_(pyarrow.float64()), "labels": pyarrow.list_(pyarrow.bool_())}
    fields = dataclasses.fields(Example)
    return pyarrow.schema([(field.name, lists.get(field.name) or kinds[_named(field.type)]) for field in fields])


def _named(kind: Any) -> str:
    return kind if isinstance(kind, str) else kind.__name__


def _as_row(example: Example) -> dict[str, Any]:
    return dataclasses.asdict(example)


def _from_row(row: dict[str, Any]) -> Example:
    values: dict[str, Any] = row | {name: tuple(row[name]) for name in ("probabilities", "labels")}
    return Example(**values)
