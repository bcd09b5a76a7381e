"""What commands read: texts with what a user should know of them, data sets, predicates."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from nlparam.cli.options import refuse
from nlparam.errors import CorpusError
from nlparam.runtime.words import part_of

if TYPE_CHECKING:
    from nlparam.corpus.readers import Table
    from nlparam.denotation.definitions import Definition

# A text of more characters is a file that was taken for a text, or one whose end nobody reads.
_VERY_LONG = 100_000
_TABLES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")


class Predicates(NamedTuple):
    """Predicates of a file, if there is one, and the definitions of those that have one."""

    predicates: list[str] | None
    definitions: "dict[str, Definition]"


def read_predicates(path: Path, least: int = 1) -> list[str]:
    """The distinct predicates of a file, one per line, or of a table of texts.

    Raises `CorpusError` if it cannot be read, has fewer than `least`, or has definitions, which this command does not
    use.
    """
    found = read_defined_predicates(path, least)
    if found.definitions:
        raise CorpusError(f"{path} has definitions, which this command does not use: take them out")
    return found.predicates or []


def read_defined_predicates(path: Path | None, least: int = 1) -> Predicates:
    """The same with definitions, which a YAML file (or a JSON file with the key `predicate`) may have; without a file
    nothing."""
    if path is None:
        return Predicates(None, {})
    definitions: dict[str, Definition] = {}
    from nlparam.corpus.readers import field_names, read_texts

    ending = path.suffix.lower()
    if ending in (".yaml", ".yml") or (ending == ".json" and "predicate" in field_names(path)):
        from nlparam.denotation.definitions import read_defined

        lines, definitions = read_defined(path)
    elif ending in _TABLES:
        lines = read_texts(path).texts
    else:
        try:
            lines = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
        except OSError as error:
            raise CorpusError(f"cannot read the predicates {path}: {error.strerror or error}") from error
    predicates = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not predicates and least == 1:
        raise CorpusError(f"{path} holds no predicates, expected one per line")
    if len(predicates) < least:
        raise CorpusError(
            f"{path} holds {len(predicates)} distinct predicates, expected at least {least}, one per line"
        )
    return Predicates(predicates, definitions)


def read_wishes(given: Sequence[str] | None) -> list[str]:
    """The predicates of an option that takes each by itself, or a file of them.

    Raises `CorpusError` for a file that cannot be read: a value with a slash or the ending of one is meant as a file.
    """
    predicates: list[str] = []
    for one in given or ():
        path = Path(one)
        is_file = path.suffix.lower() in (*_TABLES, ".txt") or "/" in one or path.is_file()
        predicates += read_predicates(path) if is_file and " " not in one.strip() else [one]
    return predicates


def check_source(texts: Path | None, dataset: str | None, text_field: str | None) -> None:
    """Raises a usage error unless there is exactly one of a file of texts and a data set."""
    got = "got neither" if texts is None else "got both"
    refuse((texts is None) == (dataset is None), "FILE' or '--dataset", f"{got}, expected exactly one of the two")
    refuse(dataset is not None and text_field is not None, "--text-field", "a data set has no field of texts to choose")


def read_source(
    texts: Path | None, dataset: str | None, *, fields: Sequence[str | None] = (), **reading: Any
) -> "Table":
    """Texts from a file (`reading` as `read_texts` takes it) or else a data set, with the `fields` of each.

    Raises `CorpusError` if it cannot be read or lacks one of the fields.
    """
    if dataset is None:
        from nlparam.corpus.readers import read_texts

        assert texts is not None  # checked before
        return read_texts(texts, fields=fields, **reading)
    from nlparam.corpus.datasets import load_dataset

    table = load_dataset(dataset)
    if unknown := [field for field in fields if field not in (None, *table.columns)]:
        known = ", ".join(map(repr, table.columns)) or "none"
        raise CorpusError(f"the data set {dataset!r} has no field {unknown[0]!r}; its fields are {known}")
    return table


def times_of(table: "Table", field: str | None, time_format: str | None) -> list | None:
    """The times of texts that a field has, in the form that was given; `None` without a field."""
    refuse(field is None and time_format is not None, "--time-format", "got no --time-field, whose form it would be")
    if field is None:
        return None
    from nlparam.corpus.stamps import in_form

    return in_form(table.columns[field], time_format)


def corpus_warnings(texts: Sequence[str], kinds: Collection[str] = ("blank", "repeated", "long")) -> list[str]:
    """What a user should know about texts before they are fitted: blank, repeated and very long ones."""
    from nlparam.corpus.corpus import Corpus

    corpus, n_texts = Corpus.from_texts(texts), len(texts)
    n_blank, n_long = int(corpus.blank.sum()), sum(len(text) > _VERY_LONG for text in texts)
    n_repeated = n_texts - n_blank - len(corpus.distinct)
    blank, repeated, long = (
        part_of(n, n_texts, "text", *verbs)
        for n, verbs in ((n_blank, ("is", "are")), (n_repeated, ("repeats", "repeat")), (n_long, ("has", "have")))
    )
    found = {
        "blank": (n_blank, f"{blank} blank: no predicate holds there (--drop-missing leaves such texts out)"),
        "repeated": (n_repeated, f"{repeated} another: equal texts are embedded and judged once"),
        "long": (n_long, f"{long} over {_VERY_LONG:,} characters: only the beginning is read"),
    }
    return [message for kind, (n, message) in found.items() if n and kind in kinds]


def names_of(files: Sequence[Path]) -> list[str]:
    """The names of files without folder and ending, or whatever tells them apart."""
    for shorten in (lambda path: path.stem, lambda path: path.name, str):
        names = [shorten(path) for path in files]
        if len(set(names)) == len(names):
            return names
    raise CorpusError(f"got a file twice among {', '.join(map(str, files))}, expected different files to compare")


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """A `ValueError` about a model or options is a mistake in the command; one about the texts is not."""
    try:
        yield
    except CorpusError:
        raise
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
