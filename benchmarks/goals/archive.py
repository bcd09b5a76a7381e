"""Corpora of Debian's packages: descriptions with sections and tags, source code of six languages, documents."""

import functools
import gzip
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmarks.goals import sources
from benchmarks.goals.corpora import Row, corpus
from benchmarks.goals.fetch import debian, descriptions
from benchmarks.goals.formats import manual_page, tags
from benchmarks.goals.sources import SECTIONS, TAGS

_ENDINGS = {
    "Python": (".py",),
    "Perl": (".pm", ".pl"),
    "Ruby": (".rb",),
    "PHP": (".php",),
    "JavaScript": (".js", ".mjs"),
    "Go": (".go",),
}
_LEFT_OUT = re.compile(r"\.min\.|/tests?/|_test\.|\.umd\.|/locales?/|/lang/|/dist/.*/|unicode")
_LINES = 24
_MOST_EXCERPTS = 12


@corpus("code", most=40, least_words=30)
def code() -> Iterator[Row]:
    """Excerpts of libraries in six programming languages that do one of five tasks."""
    for task, languages in sources.CODE.items():
        for language, packages in languages.items():
            for package in packages:
                for path in _files(package, _ENDINGS[language]):
                    for excerpt in excerpts(path.read_text(encoding="utf-8", errors="replace")):
                        yield Row(excerpt, {"language": language, "task": task})


def _files(package: str, endings: tuple[str, ...]) -> Iterator[Path]:
    for path in sorted((debian(package) / "usr").rglob("*")):
        inside = str(path.relative_to(debian(package))).lower()
        if path.suffix in endings and path.is_file() and not path.is_symlink() and not _LEFT_OUT.search(inside):
            yield path


def excerpts(source: str) -> list[str]:
    """Some passages of a file, spread over it, without the comment at its head."""
    lines = source.splitlines()
    start = next((number for number, line in enumerate(lines) if _is_code(line)), len(lines))
    blocks = [lines[first : first + _LINES] for first in range(start, len(lines) - _LINES // 2, _LINES)]
    readable = ["\n".join(block) for block in blocks if _readable(block)]
    step = max(1, -(-len(readable) // _MOST_EXCERPTS))
    return readable[::step]


def _readable(block: list[str]) -> bool:
    """Whether a passage is of code for the greater part, in lines as a person writes them."""
    return max(map(len, block)) < 200 and 2 * sum(map(_is_code, block)) > sum(bool(line.strip()) for line in block)


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not re.match(r"\s*(#|//|/?\*|<\?php|\"\"\"|'use strict'|=\w+)", line)


_KINDS = {
    "licence": "usr/share/doc/*/copyright",
    "changelog": "usr/share/doc/*/changelog*.gz",
    "manual page": "usr/share/man/man*/*.gz",
    "configuration": "etc/**/*",
    "installation script": "DEBIAN/p*[mt]",
    "introduction": "usr/share/doc/*/README*",
}


@corpus("documents", most=150, by="kind", least_words=20)
def documents() -> Iterator[Row]:
    """Beginnings of files that packages hold, by the kind of document."""
    every_ending = tuple(end for ends in _ENDINGS.values() for end in ends)
    for package in (*sources.ASKING, *sorted(sources.CODE_PACKAGES)):
        for kind, pattern in _KINDS.items():
            there = sorted(debian(package).glob(pattern))
            for path in [path for path in there if path.is_file() and not path.is_symlink()][:5]:
                text = _read(path)
                yield Row(manual_page(text) if kind == "manual page" else text, {"kind": kind})
        for path in itertools.islice(_files(package, every_ending), 5):
            yield Row(_read(path), {"kind": "source code"})


def _read(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8", "replace")


@corpus("programs", most=60)
def programs() -> Iterator[Row]:
    """Descriptions of programs: what they are used for, and whether by commands or in windows."""
    for package in descriptions():
        said = tags(package["Tag"])
        use, interface = _one(said, "use"), _one(said, "interface")
        if use and interface and "program" in said.get("role", ()):
            yield Row(package["Description"], {"use": use, "interface": interface})


def _one(said: dict[str, set[str]], facet: str) -> str | None:
    found = said.get(facet, set()) & set(TAGS[facet])
    return TAGS[facet][found.pop()] if len(found) == 1 else None


_SUBJECTS = {"sound": "sound", "graphics": "graphics", "net": "networking", "math": "mathematics"}


@corpus("package-roles", most=55)
def package_roles() -> Iterator[Row]:
    """Descriptions of packages: what kind of package it is, and the subject of the programs of the same source."""
    sources = defaultdict(list)
    for package in descriptions():
        sources[(package["Source"] or package["Package"]).split()[0]].append(package)
    for packages in sources.values():
        subjects = Counter(package["Section"] for package in packages if package["Section"] in _SUBJECTS)
        for package in packages:
            role = role_of(package)
            if subjects and role:
                subject = _SUBJECTS[min(subjects, key=lambda section: (-subjects[section], section))]
                yield Row(package["Description"], {"role": role, "subject": subject})


def role_of(package: dict[str, str]) -> str | None:
    """What kind of package it is, by its section and name."""
    name, section = package["Package"], package["Section"]
    if section == "doc" or name.endswith("-doc"):
        return "documentation"
    if section in ("libs", "libdevel"):
        return {"libs": "shared library", "libdevel": "development files"}[section]
    helper = name.endswith(("-data", "-common", "-dbg")) or "plugin" in name or name.startswith("lib")
    return "program" if section in _SUBJECTS and not helper else None


@corpus("sections", most=75, by="section")
def sections() -> Iterator[Row]:
    """Descriptions of packages of 25 sections of Debian."""
    for package in descriptions():
        if package["Section"] in SECTIONS and not package["Package"].endswith(("-doc", "-dev")):
            yield Row(package["Description"], {"section": package["Section"]})


def _tagged(facet: str) -> Iterator[Row]:
    """Descriptions of packages with one tag of a facet."""
    for package in descriptions():
        said = _one(tags(package["Tag"]), facet)
        if said:
            yield Row(package["Description"], {facet: said})


corpus("fields", most=90, by="field")(functools.partial(_tagged, "field"))
corpus("kinds-of-data", most=90, by="works-with")(functools.partial(_tagged, "works-with"))
