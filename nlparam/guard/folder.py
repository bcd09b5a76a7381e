"""A guard, and its folder: JSON, safetensors and Parquet. Loading one needs no language model and runs no code."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from nlparam.denotation.arrays import ngram_arrays, ngrams_of
from nlparam.errors import ResultFolderError
from nlparam.guard.constitution import ROLES, Constitution
from nlparam.guard.page import describe_trained
from nlparam.guard.plan import Plan
from nlparam.guard.screen import Features, LinearHead, Screen
from nlparam.guard.synthesis import Example
from nlparam.guard.thresholds import Threshold
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.results.jsonable import read_fields
from nlparam.results.page.sections import AbstractPage
from nlparam.results.result import AbstractResult, Files, Folder
from nlparam.runtime.costs import Costs

_HEADS, _NGRAMS, _EXAMPLES = "heads.safetensors", "ngrams.json", "synthetic.parquet"


@dataclasses.dataclass(frozen=True)
class Guard(AbstractResult):
    """A trained guard.

    **Attributes:** `screen`, which scores texts; `threshold`, with what it guarantees; `examples`, all synthetic texts
    (held out and dropped ones too); `counts`, what became of those that were planned; `seen`, the digests of the benign
    texts it was trained and set on; `settings`, `costs`, `versions`, `warnings`.
    """

    main = "guard.json"
    again = "train it again with --overwrite"
    format = 2  # 1 had heads for windows of 72 words
    not_compared = frozenset()

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

    def pack(self, folder: Path) -> tuple[dict[str, Any], Files]:
        import pyarrow

        del folder
        ngrams = self.screen.features.ngrams
        arrays = {
            f"{role}.{name}": leaf
            for role, head in self.screen.heads.items()
            for name, leaf in zip(head._fields, head, strict=True)
        }
        contents = self.described() | {
            "plan": dataclasses.asdict(self.plan),
            "costs": self.costs.as_dict(),
            "versions": self.versions,
            "warnings": list(self.warnings),
            "seen": sorted(self.seen),
        }
        rows = [dataclasses.asdict(example) for example in self.examples]
        return contents, Files(
            arrays={_HEADS: arrays | ngram_arrays(ngrams, ".")},
            tables={_EXAMPLES: pyarrow.Table.from_pylist(rows, schema=_schema())},
            texts={_NGRAMS: json.dumps(ngrams.vocabularies, ensure_ascii=False)},
        )

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder, *, embedder: Any = None) -> "Guard":
        if contents["format"] < cls.format:
            raise ResultFolderError(
                f"{folder.path} was written by an older nlparam, whose heads read longer windows: train the guard "
                "again with --overwrite; what was written and judged for it is in the store"
            )
        arrays, settings = folder.arrays(_HEADS), contents["settings"]
        ngrams = ngrams_of(folder.json(_NGRAMS), arrays, ".")
        heads = {role: LinearHead(*(arrays[f"{role}.{name}"] for name in LinearHead._fields)) for role in ROLES}
        constitution = Constitution.from_dict(contents["constitution"], where=str(folder.path / cls.main))
        threshold = Threshold(**contents["threshold"])
        if not isinstance(embedder, AbstractEmbedder):
            embedder = SentenceTransformerEmbedder(embedder or settings["embedder"])
        screen = Screen(constitution, Features(embedder, ngrams), heads, threshold.value, settings["embedder_identity"])
        screen.check_embedder()
        examples = folder.table(_EXAMPLES).to_pylist()
        made = {"constitution": constitution, "screen": screen, "threshold": threshold, "examples": examples}
        return read_fields(cls, contents | made)

    @classmethod
    def compared(cls, contents: Mapping[str, Any]) -> dict[str, Any]:
        """What a guard is trained from: rules, plan, models, benign texts and the refusals aimed at."""
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

    def page(self) -> AbstractPage:
        costs = {"costs": self.costs.as_dict(), "versions": self.versions}
        return describe_trained(self.described() | costs | {"warnings": self.warnings})


def _schema():
    import pyarrow

    kinds = {
        str: pyarrow.string(),
        bool: pyarrow.bool_(),
        tuple[float, ...]: pyarrow.list_(pyarrow.float64()),
        tuple[bool, ...]: pyarrow.list_(pyarrow.bool_()),
    }
    return pyarrow.schema([(name, kinds[kind]) for name, kind in get_type_hints(Example).items()])
