"""Small worlds in which a rule decides: inputs about a subject with three properties, read also in other words."""

import dataclasses
import re
from collections.abc import Sequence
from typing import NamedTuple


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
    subjects: tuple[str, ...]
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


WORLDS = (
    World(
        "A shop says whether it takes an item back.",
        "Somebody brings back a {}, which {}; {}; {}.",
        ("kettle", "lamp", "chair", "radio", "bicycle", "blanket", "teapot", "ladder", "mirror", "tent"),
        (
            Property(
                "comes with its receipt",
                "comes without a receipt",
                "it comes with its receipt",
                r"\breceipts?\b",
                r"\b(?:without|no|not|\w+n't|lacks|lost|missing|never)\b[^.;,]*?\breceipts?\b"
                r"|\breceipts? (?:is|was|has been|had been) (?:lost|missing|not|thrown)\b",
            ),
            Property(
                "its box is still sealed",
                "its box has been torn open",
                "its box is still sealed",
                r"\b(?:sealed|unopened|intact)\b",
                r"\b(?:torn|opened|open|unsealed|broken)\b|\b(?:not|\w+n't|no longer)\b[^.;,]*?\b(?:sealed|intact)\b",
            ),
            Property(
                "it was on sale",
                "it was sold at full price",
                "it was on sale",
                r"\b(?:on sale|discount\w*|reduced|half price)\b",
                r"\b(?:full|regular|normal|original) price\b"
                r"|\b(?:not|\w+n't|never)\b[^.;,]*?\b(?:on sale|discount\w*)\b",
            ),
        ),
        "An item is taken back exactly if",
        "Each case is looked at with care and a fair decision is made.",
    ),
    World(
        "A gardener says whether a plant is watered today.",
        "The {} {}; {}; {}.",
        ("fern", "rose", "basil", "fig tree", "lavender", "tomato", "ivy", "lemon tree", "orchid", "cactus"),
        (
            Property(
                "stands in dry soil",
                "stands in moist soil",
                "it stands in dry soil",
                r"\b(?:dry|parched)\b",
                r"\b(?:moist|wet|damp|soggy)\b|\b(?:not|\w+n't)\b[^.;,]*?\bdry\b",
            ),
            Property(
                "its leaves hang down",
                "its leaves stand upright",
                "its leaves hang down",
                r"\b(?:leaves|leaf|fronds|needles)\b[^.;,]*?\b(?:hang\w*|droop\w*|wilt\w*|sag\w*)"
                r"|\b(?:drooping|hanging|wilted|wilting)\b",
                r"\b(?:leaves|leaf|fronds|needles)\b[^.;,]*?\b(?:upright|stand|straight|up|firm)\b"
                r"|\b(?:leaves|leaf)\b[^.;,]*?\b(?:not|\w+n't)\b[^.;,]*?\b(?:hang\w*|droop\w*|wilt\w*)",
            ),
            Property(
                "it is in flower",
                "it has no flowers",
                "it is in flower",
                r"\b(?:flower\w*|bloom\w*|blossom\w*)\b",
                r"\b(?:no|not|\w+n't|without|never)\b[^.;,]*?\b(?:flower\w*|bloom\w*|blossom\w*)\b",
            ),
        ),
        "A plant is watered exactly if",
        "Every plant gets what it needs, as experience teaches.",
    ),
    World(
        "A library says whether a loan is extended.",
        "A reader asks to keep a {} that {}; {}; {}.",
        ("novel", "atlas", "cookbook", "biography", "dictionary", "comic", "travel guide", "play", "score", "almanac"),
        (
            Property(
                "nobody else has reserved",
                "another reader has reserved",
                "nobody else has reserved it",
                r"\b(?:nobody|no one|no other|not|\w+n't|none)\b[^.;,]*?\breserved\b|\bunreserved\b",
                r"(?<!\bno )\b(?:another|other|some(?:body|one)|a different)\b[^.;,]*?\breserved\b"
                r"|\b(?:is|was|been|already) reserved\b(?<!not been reserved)",
            ),
            Property(
                "the reader has no fees open",
                "the reader owes a fee",
                "the reader has no fees open",
                r"\bno (?:\w+ )?fees?\b|\bwithout (?:\w+ )?fees?\b|\b(?:not|\w+n't) (?:owe|have)[^.;,]*?\bfees?\b",
                r"(?<!not )(?<!n't )\bowe[sd]?\b|\bhas (?:a|some) fees?\b"
                r"|(?<!no )\b(?:open|unpaid|overdue|late|outstanding) fees?\b",
            ),
            Property(
                "the book is new",
                "the book is old",
                "the book is new",
                r"\b(?:new|brand-new)\b",
                r"\b(?:old|worn|used|ancient)\b|\b(?:not|\w+n't)\b[^.;,]*?\bnew\b",
            ),
        ),
        "A loan is extended exactly if",
        "Loans are a matter of trust between a library and its readers.",
    ),
    World(
        "A bakery says whether a cake can be delivered.",
        "A customer orders a {} that {}; {}; {}.",
        (
            "plum cake",
            "cheesecake",
            "nut tart",
            "sponge",
            "apple pie",
            "strudel",
            "gateau",
            "carrot cake",
            "trifle",
            "bun",
        ),
        (
            Property(
                "was ordered two days ahead",
                "was ordered this morning",
                "it was ordered two days ahead",
                r"\b(?:two|three|four|five|2|3|4|5) days\b|\b(?:a|one) week\b",
                r"\b(?:this|the same) (?:morning|afternoon|day|evening)\b|\btoday\b|\byesterday\b|\b(?:one|a|1) day\b"
                r"|\bhours?\b|\b(?:not|\w+n't)\b[^.;,]*?\bdays\b",
            ),
            Property(
                "the address is in town",
                "the address is far away",
                "the address is in town",
                r"\b(?:in|within) (?:the )?(?:town|city)\b|\b(?:nearby|near|local|downtown)\b",
                r"\bfar\b|\b(?:out of|outside|not in|\w+n't in|outside of) (?:the )?(?:town|city)\b"
                r"|\b(?:another|different|neighbou?ring) (?:town|city)\b|\bcountryside\b",
            ),
            Property(
                "it has icing",
                "it has a plain crust",
                "it has icing",
                r"\b(?:icing|iced|frosting|frosted)\b",
                r"\bplain\b|\b(?:no|without|not|\w+n't)\b[^.;,]*?\b(?:icing|frosting)\b",
            ),
        ),
        "A cake is delivered exactly if",
        "Deliveries depend on the circumstances of the day.",
    ),
    World(
        "A club says whether a walk takes place.",
        "The walk to the {} {}; {}; {}.",
        ("lake", "castle", "forest", "mill", "hilltop", "chapel", "bridge", "waterfall", "old harbour", "meadow"),
        (
            Property(
                "has dry weather ahead",
                "has rain ahead",
                "dry weather lies ahead",
                r"\b(?:dry|sunny|clear|sunshine)\b",
                r"\b(?:rain\w*|wet|storm\w*|snow\w*)\b|\b(?:not|\w+n't|no)\b[^.;,]*?\bdry\b",
            ),
            Property(
                "five or more people signed up",
                "only two people signed up",
                "five or more people signed up",
                r"\b(?:five|six|seven|eight|nine|ten|eleven|twelve|twenty|[5-9]|[1-9]\d+)\b",
                r"\b(?:one|two|three|four|[1-4]) (?:\w+ )?(?:people|person|persons|members|hikers|walkers)\b"
                r"|\b(?:fewer|less) than (?:five|5)\b|\b(?:nobody|no one)\b",
            ),
            Property(
                "it ends at a cafe",
                "it ends at a bus stop",
                "it ends at a cafe",
                r"\bcaf[eé]|\bcoffee\b",
                r"\b(?:bus|train|car park|parking)\b|\b(?:not|\w+n't)\b[^.;,]*?\bcaf[eé]",
            ),
        ),
        "A walk takes place exactly if",
        "Walks are planned so that everybody enjoys them.",
    ),
)
