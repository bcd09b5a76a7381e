"""Corpora of words that people meet: fortune cookies, a chatterbot, manual pages, translated messages."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.commands import read_yaml
from benchmarks.goals import sources
from benchmarks.goals.corpora import Row, corpus
from benchmarks.goals.fetch import debian, python
from benchmarks.goals.formats import described, fortunes, manual_page, stanzas, translations

LANGUAGES = {"de": "German", "es": "Spanish", "fr": "French", "ru": "Russian"}
_MANUALS = {"de": "German", "es": "Spanish", "fr": "French", "pl": "Polish"}
_SECTIONS = {"man1": "command", "man4": "device", "man5": "file format", "man7": "overview"}


@corpus("manuals", most=60, least_words=30)
def manuals() -> Iterator[Row]:
    """Manual pages of four languages about commands, devices, file formats, and conventions of the system."""
    for language, spoken in _MANUALS.items():
        root = debian(f"manpages-{language}") / "usr/share/man" / language
        for section, kind in _SECTIONS.items():
            for path in sorted((root / section).glob("*.gz")):
                if not path.is_symlink():
                    page = manual_page(gzip.decompress(path.read_bytes()).decode("utf-8", "replace"))
                    yield Row(page, {"language": spoken, "kind": kind})


# The parts of Django and Sphinx whose messages are of one matter each.
_PARTS = {
    "forms and fields": (("Django", "django/conf"),),
    "administration": (("Django", "django/contrib/admin"), ("Django", "django/contrib/admindocs")),
    "accounts and passwords": (("Django", "django/contrib/auth"),),
    "building documentation": (("Sphinx", "sphinx"),),
}


@corpus("catalogues", most=60, least_words=4)
def catalogues() -> Iterator[Row]:
    """Translated messages of four parts of two programs."""
    for part, places in _PARTS.items():
        for package, folder in places:
            for code, language in LANGUAGES.items():
                for path in sorted((python(package) / folder / "locale" / code / "LC_MESSAGES").glob("*.po")):
                    for _, message in translations(path.read_text(encoding="utf-8")):
                        yield Row(message, {"language": language, "part": part})


# How Debian asks, by the type that the package gave its template.
_FORMS = {
    "boolean": "yes/no question",
    "string": "request to enter something",
    "password": "request to enter something",
    "select": "choice from a list",
    "multiselect": "choice from a list",
    "note": "message",
    "error": "message",
}


@corpus("install-dialogues", most=60)
def dialogues() -> Iterator[Row]:
    """What Debian's packages ask and say while they are installed, in four languages."""
    for package in sources.ASKING:
        yield from asked(debian(package) / "DEBIAN/templates")


def asked(templates: Path) -> Iterator[Row]:
    """The translated questions of a file of templates."""
    if not templates.exists():
        return
    for fields in stanzas(templates.read_text(encoding="utf-8", errors="replace")):
        form = _FORMS.get(fields.get("Type", ""))
        for code, language in LANGUAGES.items():
            text = fields.get(f"Description-{code}.UTF-8")
            if form and text:
                yield Row(re.sub(r"\n\n+", "\n", described(text)), {"language": language, "form": form})


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
