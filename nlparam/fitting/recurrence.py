"""How often the predicates of a fit come back when it is made again from another seed."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """One predicate as several seeds found it.

    **Attributes:** `predicate`, the wording that stands for it; `seeds`, those that found it, and `wordings`, aligned
    with them; `correlation`, the mean correlation of their denotations over the pairs of these seeds (1 for a single
    seed); `prevalence`, its mean denotation over the corpus; `in_consensus`, whether the consensus has it.
    """

    predicate: str
    seeds: tuple[int, ...]
    wordings: tuple[str, ...]
    correlation: float
    prevalence: float
    in_consensus: bool = False


@dataclasses.dataclass(frozen=True)
class Stability:
    """What fits from several seeds have in common. Predicates are compared by denotation, not by wording.

    **Attributes:** `seeds`, of the fits that were made; `losses`, aligned with them; `alignment`, the mean correlation
    of predicates matched one to one over all pairs of seeds (1: all seeds found the same); `recurrences`, those that
    come back most often first.
    """

    seeds: tuple[int, ...]
    losses: tuple[float, ...]
    alignment: float
    recurrences: tuple[Recurrence, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it; `from_dict` reads it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Stability":
        recurrences = tuple(
            Recurrence(**entry | {"seeds": tuple(entry["seeds"]), "wordings": tuple(entry["wordings"])})
            for entry in values["recurrences"]
        )
        return cls(tuple(values["seeds"]), tuple(values["losses"]), values["alignment"], recurrences)
