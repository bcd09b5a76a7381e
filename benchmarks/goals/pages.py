"""Corpora of documentation: manual pages and translated messages."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.goals import sources
from benchmarks.goals.corpora import Row, corpus
from benchmarks.goals.fetch import debian, python
from benchmarks.goals.formats import described, manual_page, stanzas, translations

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
