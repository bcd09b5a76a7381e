"""The texts that a page carries to be searched, sorted and filtered: all of a small corpus, else a sample.

A page stays a few megabytes: of a large corpus it holds the texts that were judged and a random sample of the others.
It shows their beginnings, and carries them whole, compressed, for the search and the download. It says where it does
not.
"""

import base64
import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlparam.results.page.text import excerpt, folded, text_key, visible

if TYPE_CHECKING:
    from nlparam.corpus.corpus import Corpus

# Texts, cells of the table of denotations, and bytes that a page carries at most.
MAX_TEXTS = 4000
MAX_CELLS = 250_000
MAX_BYTES = 900_000
MAX_LENGTH = 1000
MIN_LENGTH = 120
# The same of the whole texts, before they are compressed; rather fewer texts than texts that are not whole.
MAX_WHOLE_BYTES = 6_000_000
MAX_WHOLE_LENGTH = 20_000
LEAST_TEXTS = 1000
# Corners of the map, of which each is a predicate.
MAX_CORNERS = 12
MAX_NAME = 120
# Of a large corpus, at most this share of the sample are texts that were judged: they are not like the others.
JUDGED_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class Browser:
    """The table of texts.

    `data` is for the page's script; `n_shown` of `n_distinct` distinct texts are in it. Each is shown up to `length`
    characters if some are longer (`cut`), and searched and downloaded whole, or up to `whole_length` characters if that
    is not `None`. With `judged` there is the answer of the language model beside a denotation. `noun` is what can be
    chosen, `figure` what a text has for it.
    """

    data: dict[str, Any]
    n_distinct: int
    length: int
    cut: bool
    whole_length: int | None
    judged: bool
    noun: str
    figure: str

    @property
    def n_shown(self) -> int:
        return len(self.data["numbers"])

    @property
    def sampled(self) -> bool:
        """Whether the page holds a part of the texts only."""
        return self.n_shown < self.n_distinct

    @property
    def corners(self) -> list[tuple[int, str]]:
        """The corners of the map: places among the predicates, and their names; none if there is no map."""
        return [(at, self.data["predicates"][at]) for at in self.data["map"]]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """The columns: the script's word for each, and its heading."""
        columns = [("number", "Text no."), ("text", "Text"), ("denotation", self.figure)]
        columns[1:1] = [("place", "Where")] if self.data["places"] else []
        columns[1:1] = [("times", "Occurs")] if self.data["times"] else []
        columns += [("answer", "Language model"), ("gap", "Difference")] if self.judged else []
        columns += [("cluster", "Assigned to")] if self.data["clusters"] is not None else []
        return columns + ([("group", "Group")] if self.data["groupNames"] else [])

    @property
    def choices(self) -> list[tuple[str, str, list[tuple[Any, str]]]]:
        """What a reader can choose: name, label, and the options with their words."""
        sides: list[tuple[Any, str]] = [("all", "all texts"), ("for", "texts for it"), ("against", "texts against it")]
        if self.judged:
            disagree = ("disagree", "denotation and language model disagree")
            sides += [("judged", "judged by the language model"), disagree]
        else:
            sides.append(("known", "judged texts"))
        sides += [("assigned", "assigned to it")] if self.data["clusters"] is not None else []
        choices = [("predicate", self.noun.capitalize(), list(enumerate(self.data["predicates"])))]
        choices.append(("side", "Show", sides))
        groups = [("", "every group"), *enumerate(self.data["groupNames"])]
        return choices + ([("group", "Of", groups)] if len(groups) > 1 else [])


class Groups(NamedTuple):
    """The groups of a comparison: their names, and for each text the index of its own, -1 for none."""

    names: Sequence[str]
    of: np.ndarray


def browse_texts(
    corpus: "Corpus",
    names: Sequence[str],
    denotations: np.ndarray,
    answers: Sequence[Mapping[int, float]],
    *,
    clusters: np.ndarray | None = None,
    groups: Groups | None = None,
    distinct: bool = True,
    noun: str = "predicate",
    figure: str = "Denotation",
    mapped: Sequence[int] = (),
) -> Browser | None:
    """The texts of a corpus with their denotations, as data for a table in the page.

    **Arguments:** `names` of the predicates; `denotations`, `(n_texts, n_predicates)`, not a number where a text has
    none; `answers[k]`, the language model's probabilities for predicate `k` by text number, which are shown beside
    the denotations if there are some; `clusters`, `(n_texts,)` indices into the predicates, -1 for none; `distinct`,
    whether each distinct text is shown once; `noun`, what the names are of, and `figure`, what the denotations are;
    `mapped`, which predicates are corners of the map (the most common, if there are many), where there is one.
    """
    rows, first = np.unique(corpus.row, return_index=True)
    first = first[rows >= 0] if distinct else np.flatnonzero(~corpus.blank)
    if not len(first) or not len(names):
        return None
    asked = {number for column in answers for number in column}
    if not any(answers):
        asked = set(np.flatnonzero(np.isfinite(denotations).any(axis=1)).tolist())
    chosen = _choose(corpus, first, asked, max(1, min(_fitting(corpus, first), MAX_CELLS // len(names))))
    texts, length, cut = _cut(corpus, chosen)
    whole, whole_length, partial = _whole(corpus, chosen, texts)
    times = corpus.multiplicity[corpus.row[chosen]] if distinct else np.ones(len(chosen), dtype=int)
    place: dict[int, list[int]] = {}
    for at, number in enumerate(chosen.tolist()):
        place.setdefault(int(corpus.row[number]), []).append(at)
    places = corpus.places
    answered = []
    for column in answers:
        found = {
            at: int(_hundredths(probability))
            for number, probability in column.items()
            if np.isfinite(probability)
            for at in place.get(int(corpus.row[number]), ())
        }
        answered.append([list(found), list(found.values())])
    data = {
        "predicates": [visible(excerpt(name, MAX_NAME)) for name in names],
        "numbers": chosen.tolist(),
        "texts": texts,
        # All of each text, between NULs, compressed (zlib) in base64; null where `texts` is all.
        "whole": whole,
        # By which marks name the texts, and the places of those of which the page has not all, or not as they are.
        "keys": [text_key(corpus.texts[number]) for number in chosen.tolist()],
        "partial": partial,
        "places": None if places is None else [visible(places[number]) for number in chosen.tolist()],
        "times": times.tolist() if (times > 1).any() else None,
        "map": _corners(denotations, mapped),
        # By predicate, in hundredths, -1 for none: the answers as places in the table and their probabilities.
        "denotations": _hundredths(denotations[chosen]).T.tolist(),
        "answers": answered,
        "clusters": None if clusters is None else clusters[chosen].astype(int).tolist(),
        "groups": None if groups is None else groups.of[chosen].astype(int).tolist(),
        "groupNames": [] if groups is None else [visible(excerpt(name, MAX_NAME)) for name in groups.names],
    }
    return Browser(data, len(first), length, cut, whole_length, any(answers), noun, figure)


def _hundredths(probabilities: np.ndarray | float) -> np.ndarray:
    """Probabilities in hundredths, -1 for none. None is rounded to the other side of one half."""
    given = np.asarray(probabilities)
    rounded = np.clip(np.nan_to_num(given) * 100, 0, 100).round()
    sided = np.where(given >= 0.5, np.maximum(rounded, 50), np.minimum(rounded, 49))
    return np.where(np.isfinite(given), sided, -1).astype(int)


def _choose(corpus: "Corpus", first: np.ndarray, asked: set[int], limit: int) -> np.ndarray:
    """Numbers of the texts in the table: all, or the judged ones and a random sample of the others, in order."""
    if len(first) <= limit:
        return np.sort(first)
    # A report made again holds the same texts.
    rng = np.random.default_rng(0)
    judged = np.isin(corpus.row[first], corpus.row[np.fromiter(asked, dtype=np.int64, count=len(asked))])
    known, others = first[judged], first[~judged]
    n_known = min(len(known), max(int(limit * JUDGED_SHARE), limit - len(others)))
    kept = [rng.choice(known, n_known, replace=False), rng.choice(others, limit - n_known, replace=False)]
    return np.sort(np.concatenate(kept))


def _cut(corpus: "Corpus", chosen: np.ndarray) -> tuple[list[str], int, bool]:
    """The texts, all cut to a length at which they fit into the page together."""
    # Long lines are shortened before anything is counted, so that one of a megabyte costs no more than any other.
    texts = [folded(corpus.texts[number][: 4 * MAX_LENGTH]) for number in chosen.tolist()]
    length = _length_within(texts, MAX_LENGTH, MAX_BYTES)
    cut = any(len(text) > length for text in texts)
    return [visible(excerpt(text, length)) for text in texts], length, cut


def _length_within(texts: list[str], length: int, n_bytes: int) -> int:
    """The length at which texts are cut to have so many bytes together."""
    while length > MIN_LENGTH and sum(len(text[:length].encode("utf-8")) for text in texts) > n_bytes:
        length = max(MIN_LENGTH, int(length * 0.7))
    return length


def _fitting(corpus: "Corpus", first: np.ndarray) -> int:
    """How many whole texts a page has room for, by the mean length of some of them."""
    some = first[:: max(1, len(first) // 500)].tolist()
    mean = np.mean([len(corpus.texts[number][:MAX_WHOLE_LENGTH].encode("utf-8", "replace")) for number in some])
    return int(np.clip(MAX_WHOLE_BYTES / max(float(mean), 1.0), LEAST_TEXTS, MAX_TEXTS))


def _whole(corpus: "Corpus", chosen: np.ndarray, shown: list[str]) -> tuple[str | None, int | None, list[int]]:
    """The whole texts as the page carries them, the length at which they are cut if they do not fit, and which of them
    are not the text as it is."""
    texts = [visible(corpus.texts[number][:MAX_WHOLE_LENGTH]) for number in chosen.tolist()]
    length = _length_within(texts, MAX_WHOLE_LENGTH, MAX_WHOLE_BYTES)
    cut = any(len(text) > length for text in texts)
    cut = cut or any(len(corpus.texts[number]) > MAX_WHOLE_LENGTH for number in chosen.tolist())
    texts = [text[:length] for text in texts]
    packed = zlib.compress("\0".join(texts).encode("utf-8"))
    there = enumerate(zip(texts, chosen.tolist(), strict=True))
    partial = [at for at, (text, number) in there if text.strip() != corpus.texts[number].strip()]
    return None if texts == shown else base64.b64encode(packed).decode(), length if cut else None, partial


def _corners(denotations: np.ndarray, mapped: Sequence[int]) -> list[int]:
    """The most common of the predicates that are mapped, in their order; a map of one has no meaning."""
    holding = {at: int((denotations[:, at] >= 0.5).sum()) for at in mapped}
    most = sorted(holding, key=lambda at: -holding[at])[:MAX_CORNERS]
    return sorted(most) if len(most) > 1 else []
