"""What a user wants of the predicates of a fit: some for certain, some never, and candidates of their own."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.language.likeness import distinct
from nlparam.language.propose.base import without

Embed = Callable[[Sequence[str]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Wishes:
    """Predicates that a fit has whatever else it has (`locked`), never has (`excluded`), and may have (`candidates`).

    Raises `ValueError` for a wish that cannot be kept: more that are locked than there are predicates, or one that is
    excluded and wanted as well.
    """

    locked: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()

    @classmethod
    def given(cls, n_predicates: int, **given: Iterable[str] | None) -> "Wishes":
        """The wishes for a model with so many predicates, as they come from a user."""
        wishes = cls(**{name: _distinct(name, predicates) for name, predicates in given.items()})
        if len(wishes.locked) > n_predicates:
            raise ValueError(
                f"got {len(wishes.locked)} locked predicates, expected at most {n_predicates}, which is how many the "
                "model has: lock fewer, or give it more"
            )
        barred = {predicate.casefold() for predicate in wishes.excluded}
        for name in ("locked", "candidates"):
            if both := [one for one in getattr(wishes, name) if one.casefold() in barred]:
                raise ValueError(
                    f"got {both[0]!r} as one of `{name}` and as one of `excluded`, expected only one of them"
                )
        return wishes

    def as_settings(self) -> dict[str, list[str] | None]:
        """As a folder keeps them; nothing for what was not asked for."""
        return {name: list(value) or None for name, value in dataclasses.asdict(self).items()}


def wishes_told(settings: Mapping[str, Any], predicates: Sequence[str]) -> list[tuple[str, str]]:
    """What was wished of a fit and what became of it, as labels and words; nothing where nothing was."""
    locked, excluded, candidates = (settings.get(field.name) or [] for field in dataclasses.fields(Wishes))
    there = {predicate.casefold() for predicate in predicates}
    n_chosen = sum(candidate.casefold() in there for candidate in candidates)
    told = {
        "Locked": "; ".join(locked),
        "Excluded": f"{'; '.join(excluded)} (and what says the same)" if excluded else "",
        "Candidates given": f"{len(candidates):,}, of which {n_chosen:,} chosen" if candidates else "",
    }
    return [(label, words) for label, words in told.items() if words]


class Barrier:
    """Keeps out predicates that are excluded, and those that say the same.

    **Arguments:** `embed`, unit vectors of what predicates say; `same`, the cosine from which on they say the same.
    """

    def __init__(self, excluded: Sequence[str], embed: Embed, *, same: float):
        self.excluded, self._embed, self._same = tuple(excluded), embed, same

    def passed(self, predicates: Sequence[str]) -> list[str]:
        """Those that are not kept out, in their order."""
        others = without(predicates, self.excluded)
        if not others or not self.excluded:
            return others
        vectors = self._embed([*self.excluded, *others])
        likeness = vectors[len(self.excluded) :] @ vectors[: len(self.excluded)].T
        return [one for one, cosines in zip(others, likeness, strict=True) if cosines.max() < self._same]


def _distinct(name: str, given: Any) -> tuple[str, ...]:
    """The distinct predicates of a list."""
    if given is None:
        return ()
    if isinstance(given, str):
        raise ValueError(f"got {name}={given!r}, expected a list of predicates: [{given!r}]")
    predicates = [one.strip() if isinstance(one, str) else one for one in given]
    if wrong := [one for one in predicates if not isinstance(one, str) or not one]:
        raise ValueError(f"got {wrong[0]!r} among `{name}`, expected a predicate such as 'is about late deliveries'")
    return distinct(predicates)
