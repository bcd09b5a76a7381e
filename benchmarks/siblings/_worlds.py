"""Small worlds in which a rule decides: inputs about a subject with three properties, read also in other words."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.commands import read_yaml


class Property(NamedTuple):
    """How an input says that a property holds and that it does not, how an explanation says so, and two patterns.

    A language model that writes inputs has words of its own. `fails` finds what says that the property does not hold;
    in what is left, `holds` finds what says that it does.
    """

    yes: str
    no: str
    said: str
    holds: str
    fails: str


@dataclasses.dataclass(frozen=True)
class World:
    """Inputs about a subject, with three properties that hold or not, of which two decide."""

    task: str
    frame: str
    subjects: Sequence[str]
    properties: tuple[Property, ...]
    verdict: str
    vacuous: str

    def text(self, subject: str, held: Sequence[bool]) -> str:
        said = (one.yes if holds else one.no for one, holds in zip(self.properties, held, strict=True))
        return self.frame.format(subject, *said)

    def read(self, text: str) -> tuple[bool | None, ...]:
        """The properties as a text states them: `None` where it states neither, or both."""
        held = []
        for one in self.properties:
            left, n_fails = re.subn(one.fails, " ", text, flags=re.IGNORECASE)
            holds = re.search(one.holds, left, re.IGNORECASE) is not None
            held.append(None if holds == (n_fails > 0) else holds)
        return tuple(held)

    def decided(self, text: str, decides: Sequence[int]) -> bool:
        """Whether a text says of all the properties that decide that they hold; what it does not say does not."""
        held = self.read(text)
        return all(held[number] is True for number in decides)


def _read(path: Path) -> tuple[World, ...]:
    return tuple(
        World(**world | {"properties": tuple(Property(**one) for one in world["properties"])})
        for world in read_yaml(path)
    )


WORLDS = _read(Path(__file__).with_name("worlds.yaml"))
