"""Corpora of sayings and talk: fortune cookies and dialogues of a chatterbot."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.commands import read_yaml
from benchmarks.goals import sources
from benchmarks.goals.corpora import Row, corpus
from benchmarks.goals.fetch import debian, python
from benchmarks.goals.formats import fortunes

_COOKIES = {"English": ("fortunes", ""), "Spanish": ("fortunes-es", "es"), "Russian": ("fortunes-ru", "ru")}


@corpus("cookies", most=80)
def cookies() -> Iterator[Row]:
    """Fortune cookies of three languages on four themes."""
    for theme, files in sources.THEMES.items():
        for language, names in files.items():
            package, folder = _COOKIES[language]
            for name in names:
                for cookie in _read(package, folder, name):
                    yield Row(cookie, {"language": language, "theme": theme})


@corpus("german-forms", most=150, by="form")
def german_forms() -> Iterator[Row]:
    """German fortune cookies by their form."""
    for form, names in sources.FORMS.items():
        for name in names:
            for cookie in _read("fortunes-de", "de", name):
                yield Row(cookie, {"form": form})


@corpus("english-cookies", most=90, by="theme")
def english_cookies() -> Iterator[Row]:
    """English fortune cookies of twenty files."""
    for name in sources.ENGLISH:
        package = "fortunes-min" if name == "riddles" else "fortunes"
        for cookie in _read(package, "", name):
            yield Row(cookie, {"theme": name})


def _read(package: str, folder: str, name: str) -> list[str]:
    path = debian(package) / "usr/share/games/fortunes" / folder / name
    if not path.exists():
        path = path.with_name(f"{name}.fortunes")
    return fortunes(path.read_text(encoding="utf-8", errors="replace"))


_SPOKEN = ("english", "italian", "persian", "ukrainian")
_SUBJECTS = ("emotion", "food", "literature", "money", "movies", "psychology", "science", "sports")


@corpus("chat", most=45)
def chat() -> Iterator[Row]:
    """Exchanges with a chatterbot: two lines in one of four languages on one of eight subjects."""
    for language in _SPOKEN:
        for subject in _SUBJECTS:
            path = python("chatterbot-corpus") / "chatterbot_corpus/data" / language / f"{subject}.yml"
            for turns in exchanges(path):
                yield Row("\n".join(turns[:2]), {"language": language.capitalize(), "subject": subject})


def exchanges(path: Path) -> list[list[str]]:
    """The conversations of a file of the chatterbot corpus."""
    return [[str(turn) for turn in turns] for turns in read_yaml(path)["conversations"]]
