"""The goals: what a person could want to know of each corpus, in a person's words."""

import dataclasses
import hashlib
from typing import Literal

from benchmarks.goals.errors import SuiteError

Half = Literal["seen", "unseen"]
Group = Literal["", "large", "topics"]


@dataclasses.dataclass(frozen=True)
class Goal:
    """A goal, and the axis of its corpus that follows it.

    `k` predicates are asked for. The model is a clustering, or a classification whose classes are those of the axis.
    """

    name: str
    corpus: str
    axis: str
    goal: str
    k: int
    group: Group = ""
    model: Literal["clustering", "classification"] = "clustering"

    @property
    def half(self) -> Half:
        """Whether the goal may be looked at while a way to follow goals is made; its name says, not who wrote it."""
        return half_of(self.name)

    @property
    def about_language(self) -> bool:
        """Whether it asks for the language that people speak."""
        return self.axis == "language" and self.corpus != "code"


def half_of(name: str) -> Half:
    """Seen if the SHA-256 digest of the name is even."""
    return "unseen" if hashlib.sha256(name.encode()).digest()[-1] % 2 else "seen"


GOALS = (
    # Manual pages
    Goal("manuals-language", "manuals", "language", "the language it is written in", 4),
    Goal("manuals-kind", "manuals", "kind", "what kind of thing does the page document?", 4),
    # Translated messages
    Goal("catalogues-language", "catalogues", "language", "Which language is this?", 4),
    Goal("catalogues-part", "catalogues", "part", "which part of the software the message belongs to", 4),
    # Installation dialogues
    Goal("dialogues-language", "install-dialogues", "language", "group by language", 4),
    Goal(
        "dialogues-form",
        "install-dialogues",
        "form",
        "what the user has to do: for instance answer yes or no, type something in, or choose from a list",
        4,
    ),
    # Fortune cookies
    Goal("cookies-language", "cookies", "language", "the language of the quotation", 3),
    Goal("cookies-theme", "cookies", "theme", "the theme of the saying", 4),
    Goal("german-forms", "german-forms", "form", "the form of the text, like a joke, a proverb or a cooking recipe", 5),
    # Talk
    Goal("chat-language", "chat", "language", "In what language do they talk?", 4),
    Goal("chat-subject", "chat", "subject", "what they are talking about", 8),
    # Programs
    Goal("programs-use", "programs", "use", "what is the program for?", 8),
    Goal("programs-interface", "programs", "interface", "how a person operates the program", 2),
    Goal(
        "packages-role",
        "package-roles",
        "role",
        "I want to sort these packages by what they contain, no matter what they are about. Each description should be "
        "in the form of 'contains <something>', where <something> says what kind of package it is.",
        4,
    ),
    Goal("packages-subject", "package-roles", "subject", "the field in which the software is used", 4),
    # Files
    Goal("code-language", "code", "language", "the programming language", 6),
    Goal("code-task", "code", "task", "What does the library do?", 5),
    Goal("documents-kind", "documents", "kind", "sort the files by kind of document", 7),
    # Persons
    Goal("addresses-era", "addresses", "era", "when was this said?", 4),
    Goal("addresses-president", "addresses", "president", "which president is speaking", 8),
    Goal("debates-speaker", "debates", "speaker", "who is speaking?", 5),
    Goal("speeches-party", "speeches", "party", "the party of the speaker", 2),
    Goal("speeches-occasion", "speeches", "occasion", "the occasion on which it was said", 2),
    # Films
    Goal("films-kind", "films", "kind", "does it tell the story or judge the film?", 2),
    Goal("films-verdict", "films", "verdict", "group by tone: praise, complaint, or neither", 3),
    Goal("reviews-verdict", "reviews", "verdict", "whether the critic likes the film", 3, model="classification"),
    # Many classes
    Goal("sections", "sections", "section", "the kind of software", 25, "large"),
    Goal("fields", "fields", "field", "which field of knowledge is it for?", 15, "large"),
    Goal("kinds-of-data", "kinds-of-data", "works-with", "the kind of data that the program works with", 17, "large"),
    Goal("english-cookies", "english-cookies", "theme", "the theme of the saying", 20, "large"),
    # Topics, which were followed before
    Goal("bbc", "bbc", "topic", "what the story is about", 5, "topics"),
    Goal("agnews", "agnews", "topic", "the topic of the text", 4, "topics"),
    Goal("syngoalex_topic", "syngoalex_topic", "topic", "the topic of the text", 4, "topics"),
)


def chosen(half: str = "all", names: list[str] | None = None) -> list[Goal]:
    """The goals of a half (large sets and topics in no half), of a group, or all; or those named."""
    if names:
        known = {goal.name: goal for goal in GOALS}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise SuiteError(f"got the goals {', '.join(unknown)}, expected some of {', '.join(known)}")
        return [known[name] for name in names]
    if half in ("large", "topics"):
        return [goal for goal in GOALS if goal.group == half]
    return [goal for goal in GOALS if half == "all" or (not goal.group and goal.half == half)]
