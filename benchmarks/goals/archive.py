"""Corpora of descriptions of Debian's packages, with what their maintainers said of them in sections and tags."""

import functools
from collections import Counter, defaultdict
from collections.abc import Iterator

from benchmarks.goals.corpora import Row, corpus
from benchmarks.goals.fetch import descriptions
from benchmarks.goals.formats import tags
from benchmarks.goals.sources import SECTIONS, TAGS


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
