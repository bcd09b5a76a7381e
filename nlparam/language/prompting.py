"""Prompts are text files with a version; this module loads and fills them."""

import dataclasses
import functools
import hashlib
import re
import string
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from nlparam.lm.base import Image, Message

# So many letters of a word tell it from others, whatever its ending.
_STEM = 6
_SECTION = re.compile(r"^\[(system|user|assistant)\]$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Prompt:
    """A prompt template.

    `version` is the file's name, its stated version and a digest of its wording: it is part of the key of every
    stored answer, so an edited prompt never meets answers to the old one.
    """

    name: str
    version: str
    sections: tuple[tuple[str, str], ...]

    def wrote(self, said: str, asked: Sequence[Message] = ()) -> bool:
        """Whether three words or more of an answer stand in the prompt itself: a small model copies from it.

        With `asked`, the messages that it was filled to, what they say more of was not copied: the beginning of the
        last word is there more often than in the prompt.
        """
        own = " ".join(text for _, text in self.sections).casefold()
        words = said.casefold().split()
        if len(words) < 3 or " ".join(words) not in own:
            return False
        last = words[-1][:_STEM]
        return " ".join(message.content for message in asked).casefold().count(last) <= own.count(last)

    def fill(self, *, images: tuple[Image, ...] = (), **fields: str) -> tuple[Message, ...]:
        """The messages with every `$field` replaced once: a value that itself contains `$field` stays as it is.

        `images` go with the user's last message, before its text.

        Raises `KeyError` for a field of the template that is not given.
        """
        messages = [Message(role, string.Template(template).substitute(fields)) for role, template in self.sections]
        if images:
            last = max(number for number, message in enumerate(messages) if message.role == "user")
            messages[last] = dataclasses.replace(messages[last], images=images)
        return tuple(messages)


@functools.cache
def load_prompt(name: str, path: Path | None = None) -> Prompt:
    """Loads `nlparam/language/prompts/NAME.txt`, or the user's own file at `path`.

    Raises `ValueError` if the file does not begin with `version: N` or has no `[user]` section.
    """
    source = path if path is not None else resources.files("nlparam.language") / "prompts" / f"{name}.txt"
    content = source.read_text(encoding="utf-8")
    head, *parts = _SECTION.split(content)
    declared = re.match(r"version: (\w+)$", head.splitlines()[0] if head else "")
    if declared is None:
        raise ValueError(f"prompt {name!r}: the first line must be 'version: N', got {content[:40]!r}")
    sections = tuple((role, text.strip("\n")) for role, text in zip(parts[::2], parts[1::2], strict=True))
    if "user" not in {role for role, _ in sections}:
        raise ValueError(f"prompt {name!r}: a [user] section is missing")
    digest = hashlib.sha256(repr(sections).encode()).hexdigest()[:8]
    return Prompt(name, f"{name}-{declared[1]}-{digest}", sections)


def one_line(text: str) -> str:
    """A text with single spaces between its words, so that it cannot begin another line of a prompt."""
    return " ".join(text.split())


def cut_words(text: str, n_words: int) -> str:
    """The first `n_words` words on one line, at most 12 characters a word on average: what a prompt shows of a text."""
    words = text.lstrip()[: n_words * 40].split(maxsplit=n_words)[:n_words]
    return " ".join(words)[: n_words * 12]
