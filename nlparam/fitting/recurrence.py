"""How often the predicates of a fit come back when it is made again, on other texts."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """One predicate as the fits from several seeds found it.

    **Attributes:** `predicate`, the wording that stands for it; `seeds`, those that found it, and `wordings`, aligned
    with them; `correlation`, the mean correlation of their denotations over the pairs of these seeds (1 for a single
    seed); `prevalence`, the share of the texts for which it holds; `in_consensus`, whether the consensus has it.
    """

    predicate: str
    seeds: tuple[int, ...]
    wordings: tuple[str, ...]
    correlation: float
    prevalence: float
    in_consensus: bool = False


@dataclasses.dataclass(frozen=True)
class Stability:
    """What fits to halves of the texts have in common. Predicates are compared by denotation, not by wording.

    **Attributes:** `seeds`, of the fits that were made; `losses`, aligned with them; `alignment`, the mean correlation
    of predicates matched one to one, over pairs of disjoint halves (1: both halves found the same); `chance`, the same
    when each half chooses among its candidates for data that were permuted, one figure for each permutation;
    `recurrences`, those that come back most often first.

    A result of an earlier version has no `chance`: its fits were to all texts, and `alignment` is over all pairs of
    seeds. Fits to the same texts find the same on noise too.
    """

    seeds: tuple[int, ...]
    losses: tuple[float, ...]
    alignment: float
    recurrences: tuple[Recurrence, ...]
    chance: tuple[float, ...] = ()

    @property
    def by_chance(self) -> float:
        """The mean alignment on permuted data, `nan` where that is not known."""
        return sum(self.chance) / len(self.chance) if self.chance else float("nan")

    @property
    def sentence(self) -> str:
        """What the alignment says, and what it would be by chance."""
        found = f"matched one to one, the predicates correlate by {self.alignment:.2f}"
        if not self.chance:
            return f"{found} between fits to the same texts, on which seeds agree by chance too"
        above = sum(value >= self.alignment for value in self.chance)
        said = f"{found} between halves of the texts; by chance it would be {self.by_chance:.2f}"
        if above == 0:
            return f"{said} (at most {max(self.chance):.2f} in {len(self.chance)} permutations of the data)"
        return f"{said}, and as much in {above} of {len(self.chance)} permutations of the data: that is no stability"
