"""Corpora of descriptions of Debian's packages, with what their maintainers said of them in sections and tags."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from benchmarks.goals.corpora import Corpus, Row, corpus_of, sampled
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


def programs() -> Corpus:
    """Descriptions of programs: what they are used for, and whether by commands or in windows."""
    rows = []
    for package in descriptions():
        said = tags(package["Tag"])
        use, interface = _one(said, "use", _USES), _one(said, "interface", _INTERFACES)
        if use and interface and "program" in said.get("role", ()):
            rows.append(Row(package["Description"], {"use": _USES[use], "interface": _INTERFACES[interface]}))
    return corpus_of("programs", sampled(rows, lambda row: tuple(row.labels.values()), 60), crossed=True)


def _one(said: dict[str, set[str]], facet: str, allowed: Iterable[str]) -> str | None:
    found = said.get(facet, set()) & set(allowed)
    return next(iter(found)) if len(found) == 1 else None


_SUBJECTS = {"sound": "sound", "graphics": "graphics", "net": "networking", "math": "mathematics"}


def package_roles() -> Corpus:
    """Descriptions of packages: what kind of package it is, and the subject of the programs of the same source."""
    sources = defaultdict(list)
    for package in descriptions():
        sources[(package["Source"] or package["Package"]).split()[0]].append(package)
    rows = []
    for packages in sources.values():
        subjects = Counter(package["Section"] for package in packages if package["Section"] in _SUBJECTS)
        for package in packages:
            role = role_of(package)
            if subjects and role:
                subject = _SUBJECTS[min(subjects, key=lambda section: (-subjects[section], section))]
                rows.append(Row(package["Description"], {"role": role, "subject": subject}))
    return corpus_of("package-roles", sampled(rows, lambda row: tuple(row.labels.values()), 55), crossed=True)


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


def sections() -> Corpus:
    """Descriptions of packages of 25 sections of Debian."""
    rows = [
        Row(package["Description"], {"section": package["Section"]})
        for package in descriptions()
        if package["Section"] in _SECTIONS and not package["Package"].endswith(("-doc", "-dev"))
    ]
    return corpus_of("sections", sampled(rows, lambda row: row.labels["section"], 75))


_FIELDS = (
    "arts", "astronomy", "aviation", "biology", "chemistry", "electronics", "finance", "geography", "linguistics",
    "mathematics", "medicine", "meteorology", "physics", "religion", "statistics",
)  # fmt: skip
_DATA = (
    "3dmodel", "archive", "audio", "biological-sequence", "db", "dictionary", "font", "image", "logfile", "mail",
    "network-traffic", "pim", "software:package", "software:source", "spreadsheet", "vcs", "video",
)  # fmt: skip


def fields() -> Corpus:
    """Descriptions of packages for 15 fields of knowledge."""
    return _tagged("fields", "field", _FIELDS, 90)


def kinds_of_data() -> Corpus:
    """Descriptions of packages that work with one of 17 kinds of data."""
    return _tagged("kinds-of-data", "works-with", _DATA, 90)


def _tagged(name: str, facet: str, allowed: Iterable[str], most: int) -> Corpus:
    rows = []
    for package in descriptions():
        said = _one(tags(package["Tag"]), facet, allowed)
        if said:
            rows.append(Row(package["Description"], {facet: said}))
    return corpus_of(name, sampled(rows, lambda row: row.labels[facet], most))


LOADERS = {
    "programs": programs,
    "package-roles": package_roles,
    "sections": sections,
    "fields": fields,
    "kinds-of-data": kinds_of_data,
}
