"""Problems with a known answer: two groups of texts that are mixed with known shares of a known property."""

import functools
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.commands import read_rows

# The sets, and whether their gold is one label per text or a denotation per reference predicate.
_SETS = {
    "agnews": "cluster/agnews",
    "syngoalex": "cluster/syngoalex_topic",
    "letters": "classification/dummy",
    "series": "time_series/topics",
}
# Properties of the form of a text, which a proposer could name and which the plant does not aim at.
_FORMS = {
    "contains a digit": r"\d",
    "contains a question": r"\?",
    "contains a quotation": r"[\"“”«»]",
    "contains an acronym": r"\b[A-Z]{2,}\b",
    "contains parentheses": r"\(",
    "begins with the letter A": r"^\W*[Aa]",
    "contains the word new": r"\bnew\b",
    "contains the word said": r"\bsaid\b",
    "contains the word year": r"\byears?\b",
    "contains the word first": r"\bfirst\b",
    "contains a hyphen": r"-",
    "contains a semicolon": r";",
    "contains an apostrophe": r"'",
    "contains a long word": r"\w{13,}",
    "mentions a weekday": r"(?i)\b(mon|tues|wednes|thurs|fri|satur|sun)day\b",
}


class Problem(NamedTuple):
    """Two groups, `planted`, the property that the first has more of, and the truth of all candidates by text."""

    name: str
    groups: dict[str, list[str]]
    planted: str | None
    truth: dict[str, dict[str, bool]]


def planted_problem(folder: Path, number: int, *, seed: int = 0) -> Problem:
    """Problem `number` of a family: set, property, sizes and shares vary with it."""
    rng = np.random.default_rng([seed, number])
    name = list(_SETS)[number % len(_SETS)]
    texts, truth = _gold(folder, name)
    properties = [p for p in truth if p not in _FORMS and not p.startswith("other: ")]
    planted = properties[(number // len(_SETS)) % len(properties)]
    first, second = [(0.5, 0.25), (0.45, 0.15), (0.6, 0.3), (0.35, 0.1)][int(rng.integers(4))]
    sizes = int(rng.integers(300, 500)), int(rng.integers(300, 500))
    return _mixed(name, planted, (first, second), sizes, texts, truth, rng)


def planted_in(
    folder: Path, name: str, word: str, shares: tuple[float, float], *, sizes: tuple[int, int], seed: int
) -> Problem:
    """A problem of a given set, in which the property that has a word in it is planted."""
    texts, truth = _gold(folder, name)
    planted = next(p for p in truth if word in p)
    return _mixed(name, planted, shares, sizes, texts, truth, np.random.default_rng([3, seed]))


def _mixed(name: str, planted: str, shares, sizes, texts: list[str], truth, rng: np.random.Generator) -> Problem:
    holders = rng.permutation([text for text in texts if truth[planted][text]]).tolist()
    others = rng.permutation([text for text in texts if not truth[planted][text]]).tolist()
    # Small sets do not hold that many texts with the property, or without it.
    wanted = sum(share * size for share, size in zip(shares, sizes, strict=True))
    scale = min(1.0, len(holders) / wanted, len(others) / (sum(sizes) - wanted))
    groups = {}
    for group, share, n in zip(("first", "second"), shares, sizes, strict=True):
        n_holders, n_others = int(share * n * scale), int((1 - share) * n * scale)
        groups[group] = [holders.pop() for _ in range(n_holders)] + [others.pop() for _ in range(n_others)]
    return Problem(f"{name}: {planted}", groups, planted, truth)


def many_problem(folder: Path, number: int, *, seed: int = 2) -> tuple[Problem, list[str]]:
    """News of four topics, of which the first group has mostly two and the second mostly the others; and the topics."""
    rng = np.random.default_rng([seed, number])
    texts, truth = _gold(folder, "agnews")
    topics = [p for p in truth if p not in _FORMS]
    mostly = rng.permutation(topics)[:2].tolist()
    groups: dict[str, list[str]] = {"first": [], "second": []}
    for text in rng.permutation(texts).tolist():
        of_first = any(truth[topic][text] for topic in mostly)
        groups["first" if of_first == (rng.random() < 0.9) else "second"].append(text)
    return Problem("agnews: four", groups, None, truth), topics


def null_problem(folder: Path, number: int, *, seed: int = 1) -> Problem:
    """Two groups drawn at random from one corpus: nothing tells them apart but chance."""
    rng = np.random.default_rng([seed, number])
    name = list(_SETS)[number % len(_SETS)]
    texts, truth = _gold(folder, name)
    n = int(rng.integers(200, 400))
    drawn = rng.permutation(texts)[: 2 * n].tolist()
    return Problem(name, {"first": drawn[:n], "second": drawn[n:]}, None, truth)


@functools.cache
def _gold(folder: Path, name: str) -> tuple[list[str], dict[str, dict[str, bool]]]:
    """Texts, and the truth of about 15 distractors beside the properties of the set."""
    place = folder / _SETS[name]
    rows = list({row["text"]: row for row in read_rows(place)}.values())
    texts = [row["text"] for row in rows]
    references = json.loads((place / "meta.json").read_text(encoding="utf-8"))["reference_predicates"]
    truth: dict[str, dict[str, bool]] = {}
    if name == "letters":
        # The texts are lists of letters; those without a meaning for the classes are the distractors.
        for letter in "abcdefghijklmnopqrstu":
            kind = "" if letter in references else "other: "
            truth[f"{kind}contains the letter {letter}"] = {text: letter in text.split() for text in texts}
        return texts, truth
    for number, reference in enumerate(references):
        name = reference.rstrip(".")
        held = (row["denotation"][number] if "denotation" in row else name.endswith(row["label"]) for row in rows)
        truth[name] = dict(zip(texts, map(bool, held), strict=True))
    for form, pattern in _FORMS.items():
        truth[form] = {text: re.search(pattern, text) is not None for text in texts}
    return texts, truth
