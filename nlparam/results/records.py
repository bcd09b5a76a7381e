"""Records that several kinds of results hold."""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow


# What is said of a text for which no predicate holds.
NONE_OF_THESE = "none of these"


@dataclasses.dataclass(frozen=True)
class Judgment:
    """One answer of the language model: `probability` that `predicate` holds for text number `text`.

    `inclusion` is the probability with which the text was drawn, `None` where it was not drawn at random.
    """

    text: int
    predicate: str
    probability: float
    inclusion: float | None = None


def judgment_table(judgments: "Sequence[Judgment]") -> "pyarrow.Table":
    """Judgments as a table of text numbers, predicates and probabilities."""
    import pyarrow

    types = {"text": "int64", "predicate": "string", "probability": "float64", "inclusion": "float64"}
    schema = pyarrow.schema({name: pyarrow.type_for_alias(kind) for name, kind in types.items()})
    return pyarrow.Table.from_pylist([dataclasses.asdict(judgment) for judgment in judgments], schema=schema)


def judgments_of(table: "pyarrow.Table") -> list[Judgment]:
    """The judgments of `judgment_table`."""
    return [Judgment(**row) for row in table.to_pylist()]
