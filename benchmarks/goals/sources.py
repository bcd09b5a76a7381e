"""Which packages the corpora are read from: those of `sources.yaml`."""

from pathlib import Path

from benchmarks.commands import read_yaml

_SOURCES = read_yaml(Path(__file__).with_suffix(".yaml"))
PYTHON: dict[str, str] = _SOURCES["python"]
# Packages that ask something while they are installed, in the languages of the corpus.
ASKING: list[str] = _SOURCES["asking"]
# By task and language, libraries that do the same in six languages.
CODE: dict[str, dict[str, list[str]]] = _SOURCES["code"]
THEMES: dict[str, dict[str, list[str]]] = _SOURCES["themes"]
FORMS: dict[str, list[str]] = _SOURCES["forms"]
ENGLISH: list[str] = _SOURCES["english"]
SECTIONS: list[str] = _SOURCES["sections"]
# By facet, the tags and their names.
TAGS: dict[str, dict[str, str]] = {
    facet: dict(zip(tags, tags, strict=True)) if isinstance(tags, list) else tags
    for facet, tags in _SOURCES["tags"].items()
}
CODE_PACKAGES = {package for languages in CODE.values() for packages in languages.values() for package in packages}
DEBIAN = tuple(sorted({*_SOURCES["manuals"], *_SOURCES["cookies"], *ASKING, *CODE_PACKAGES}))
