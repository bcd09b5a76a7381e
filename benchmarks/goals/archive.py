"""Corpora of descriptions of Debian's packages, with what their maintainers said of them in sections and tags."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from benchmarks.goals.corpora import Row, corpus
from benchmarks.goals.fetch import descriptions
from benchmarks.goals.formats import tags

_USES = {
    "gameplaying": "playing games",
    "converting": "converting",
    "checking": "checking",
    "editing": "editing",
    "viewing": "viewing",
    "monitor": "monitoring",
    "configuring": "configuring",
    "playing": "playing media",
}
_INTERFACES = {"commandline": "command line", "graphical": "graphical"}


@corpus("programs", most=60)
def programs() -> Iterator[Row]:
    """Descriptions of programs: what they are used for, and whether by commands or in windows."""
    for package in descriptions():
        said = tags(package["Tag"])
        use, interface = _one(said, "use", _USES), _one(said, "interface", _INTERFACES)
        if use and interface and "program" in said.get("role", ()):
            yield Row(package["Description"], {"use": _USES[use], "interface": _INTERFACES[interface]})


def _one(said: dict[str, set[str]], facet: str, allowed: Iterable[str]) -> str | None:
    found = said.get(facet, set()) & set(allowed)
    return next(iter(found)) if len(found) == 1 else None


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


# Sections that hold programs of one kind; those by programming language are left to their names.
_SECTIONS = (
    "database", "editors", "electronics", "fonts", "games", "gnu-r", "graphics", "hamradio", "haskell", "httpd", "java",
    "javascript", "kernel", "localization", "mail", "math", "ocaml", "perl", "php", "ruby", "science", "sound", "tex",
    "vcs", "video",
)  # fmt: skip


@corpus("sections", most=75, by="section")
def sections() -> Iterator[Row]:
    """Descriptions of packages of 25 sections of Debian."""
    for package in descriptions():
        if package["Section"] in _SECTIONS and not package["Package"].endswith(("-doc", "-dev")):
            yield Row(package["Description"], {"section": package["Section"]})


_FIELDS = (
    "arts", "astronomy", "aviation", "biology", "chemistry", "electronics", "finance", "geography", "linguistics",
    "mathematics", "medicine", "meteorology", "physics", "religion", "statistics",
)  # fmt: skip
_DATA = (
    "3dmodel", "archive", "audio", "biological-sequence", "db", "dictionary", "font", "image", "logfile", "mail",
    "network-traffic", "pim", "software:package", "software:source", "spreadsheet", "vcs", "video",
)  # fmt: skip


@corpus("fields", most=90, by="field")
def fields() -> Iterator[Row]:
    """Descriptions of packages for 15 fields of knowledge."""
    return _tagged("field", _FIELDS)


@corpus("kinds-of-data", most=90, by="works-with")
def kinds_of_data() -> Iterator[Row]:
    """Descriptions of packages that work with one of 17 kinds of data."""
    return _tagged("works-with", _DATA)


def _tagged(facet: str, allowed: Iterable[str]) -> Iterator[Row]:
    for package in descriptions():
        said = _one(tags(package["Tag"]), facet, allowed)
        if said:
            yield Row(package["Description"], {facet: said})
