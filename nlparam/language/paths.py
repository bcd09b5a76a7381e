"""Paths: what a language model says of single texts under a goal, from general to specific, for a whole taxonomy."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from nlparam.language.prompting import load_prompt
from nlparam.language.statements import Stater

# A language model that is asked for more levels makes them up.
MOST_LEVELS = 3


@dataclasses.dataclass
class PathStater:
    """Asks for the path of one text at a time: `("sports", "football")`, once for all nodes of a taxonomy.

    The first name is what a fit has a text stated as, each other one is asked for within the one before. A path ends
    where nothing more is said.

    **Arguments:** `n_levels`, how many names a path has (up to three); `answers`, of which names it is known whether
    they answer the goal: a text whose first name does not has no path.
    """

    stater: Stater
    n_levels: int = 2
    answers: Callable[[Sequence[str], str], Mapping[str, bool]] | None = None

    def __post_init__(self):
        if not 1 <= self.n_levels <= MOST_LEVELS:
            raise ValueError(f"got n_levels={self.n_levels}, expected 1 to {MOST_LEVELS}")

    @property
    def identity(self) -> str:
        return f"{self.stater.identity} {load_prompt('narrower').version} l{self.n_levels}"

    def state(self, texts: Sequence[str], *, goal: str) -> list[tuple[str, ...]]:
        """The path of each text, each name in one spelling, no longer than `n_levels`; `()` for no usable answer."""
        stated = self.stater.state(texts, goal=goal)
        said = [name for name in stated if name is not None]
        known = {} if self.answers is None or not said else self.answers(said, goal)
        paths: list[tuple[str, ...]] = [
            (name,) if name is not None and known.get(name, True) else () for name in stated
        ]
        for length in range(1, self.n_levels):
            longest = [number for number, path in enumerate(paths) if len(path) == length]
            names = self.stater.narrow(
                [texts[number] for number in longest], [paths[number] for number in longest], goal=goal
            )
            for number, name in zip(longest, names, strict=True):
                paths[number] += () if name is None else (name,)
        return paths
