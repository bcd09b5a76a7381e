"""`nlparam store`: what is in the file of answers, and how to move, shrink and mend it."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from nlparam.cli import options as shared
from nlparam.cli.options import argument, option
from nlparam.cli.output import print_error, print_json, print_lines, print_table, printable
from nlparam.errors import NlparamError, StoreError
from nlparam.runtime.files import writable
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from nlparam.lm.store import Store as OpenStore

app = typer.Typer(no_args_is_help=True, help="The file that keeps judgments, proposals and embeddings.")

Answers = Literal["judgments", "completions", "embeddings"]
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@app.command()
def stats(store: Path | None = shared.STORE, json: bool = shared.JSON) -> None:
    """Show what is in the store: how many answers of each kind, from which models and prompts, and since when."""
    from nlparam.lm.store.contents import contents

    with _opened(store) as opened:
        found = contents(opened)
    if json:
        print_json(
            {
                "path": found.path,
                "bytes": found.size,
                "log_bytes": found.log_size,
                "schema": found.schema,
                **found.counts._asdict(),
                "predicates": found.n_predicates,
                "oldest": found.oldest,
                "newest": found.newest,
                "groups": found.groups,
            }
        )
        return
    print_lines(
        f"{found.path}, schema {found.schema}",
        f"{_bytes(found.size)}, and a log of {_bytes(found.log_size)}",
        f"{counted(found.counts.judgments, 'judgment')} of {counted(found.n_predicates, 'predicate')}, "
        f"{counted(found.counts.completions, 'completion')}, {counted(found.counts.embeddings, 'embedding')}",
        "",
    )
    rows = [
        (
            group.kind,
            printable("not recorded" if group.model is None else group.model),
            printable(group.prompt_version or ""),
            f"{group.n:,}",
            _date(group.oldest),
            _date(group.newest),
        )
        for group in found.groups
    ]
    print_table(("kind", "model", "prompt", "answers", "oldest", "newest"), rows, numbers=(3,))


@app.command()
def check(store: Path | None = shared.STORE) -> None:
    """Read the whole store and say whether it is sound; the exit status is 1 if it is not."""
    from nlparam.lm.store.contents import faults

    with _opened(store) as opened:
        found = faults(opened)
        path = opened.path
    if found:
        for fault in found:
            print_error(fault)
        raise StoreError(f"the store {path} is damaged: run `nlparam store salvage --store {path}`")
    print_lines(f"{path} is sound")


@app.command()
def export(
    out: Path = option(..., "The file to write: .parquet or .jsonl.", metavar="FILE"),
    what: Answers = option("judgments", "Which answers."),
    store: Path | None = shared.STORE,
    overwrite: bool = shared.OVERWRITE,
) -> None:
    """Write all answers of a kind into a file, one row each: key (SHA-256), model, time, and the answer.

    A judgment comes with its prompt version, predicate and probability. The store does not have the texts.
    """
    from nlparam.lm.store.transfer import SUFFIXES
    from nlparam.lm.store.transfer import export as write

    if out.suffix not in SUFFIXES:
        raise NlparamError(f"--out is {out}, expected a name that ends in {' or '.join(SUFFIXES)}")
    if out.exists() and not overwrite:
        raise NlparamError(f"{out} exists: choose another --out, or replace it with --overwrite")
    with writable(out), _opened(store) as opened:
        n_rows = write(opened, out, what=what)
    print_lines(f"{n_rows:,} {what}: {out}")


@app.command("import")
def import_files(
    files: list[Path] = argument("Exported files, or other stores."), store: Path | None = shared.STORE
) -> None:
    """Add what exported files or other stores hold. What is there already stays, so it can be done twice."""
    from nlparam.lm.store import Store as OpenStore
    from nlparam.lm.store.transfer import merge

    with OpenStore(store) as opened:
        for path in files:
            merged = merge(opened, path)
            for kind, n_read, n_new in merged:
                print_lines(f"{path}: {n_read:,} {kind}, {n_new:,} of them new")
            if not merged:
                print_lines(f"{path}: empty")


@app.command()
def gc(
    older_than: float | None = option(None, "Only answers older than so many days.", metavar="DAYS", min=0.0),
    model: str | None = option(None, "Only answers of a model, as `stats` shows it.", metavar="NAME"),
    prompt_version: str | None = option(None, "Only judgments under a version of the prompt.", metavar="VERSION"),
    max_size: str | None = option(
        None, "Then delete the oldest answers until the file is no larger: 500MB, 2GB.", metavar="SIZE"
    ),
    dry_run: bool = option(False, "Only say what would be deleted.", "--dry-run"),
    store: Path | None = shared.STORE,
) -> None:
    """Delete answers and give their space back to the disk. What is deleted will be asked again where it is needed.

    Answers that meet all of --older-than, --model and --prompt-version are deleted. Without any option the file is only
    made as small as its answers allow. It is rewritten in the end, which takes free space of twice its size.
    """
    from nlparam.lm.store.contents import collect

    with _opened(store) as opened:
        found = collect(
            opened,
            older_than=None if older_than is None else older_than * 86400,
            model=model,
            prompt_version=prompt_version,
            max_size=None if max_size is None else _size(max_size),
            dry_run=dry_run,
        )
    deleted = ", ".join(f"{number:,} {kind}" for kind, number in found.deleted._asdict().items())
    print_lines(
        f"{'would delete' if dry_run else 'deleted'} {deleted}",
        f"{_bytes(found.size_before)} before, {'about ' if dry_run else ''}{_bytes(found.size_after)} after",
    )


@app.command()
def salvage(store: Path | None = shared.STORE) -> None:
    """Mend a damaged store: save every answer that SQLite can read in a new file, and keep the damaged one beside it.

    Stop everything that uses the store first.
    """
    from nlparam.lm.store import default_store_path
    from nlparam.lm.store.salvage import salvage as save

    path = default_store_path() if store is None else store.expanduser()
    found = save(path)
    print_lines(
        f"saved {counted(found.saved.judgments, 'judgment')}, {counted(found.saved.completions, 'completion')} and "
        f"{counted(found.saved.embeddings, 'embedding')}; {counted(found.n_unreadable, 'place')} could not be read",
        f"store:    {path}",
        f"damaged:  {found.damaged} (delete it when you do not need it)",
    )


@contextmanager
def _opened(path: Path | None) -> "Iterator[OpenStore]":
    from nlparam.lm.store import Store as OpenStore
    from nlparam.lm.store import default_store_path

    path = default_store_path() if path is None else path.expanduser()
    if not path.exists():
        raise StoreError(f"there is no store {path}: say with --store where it is")
    with OpenStore(path) as opened:
        yield opened


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)i?b?", text.strip(), re.IGNORECASE)
    if match is None:
        raise NlparamError(f"--max-size is {text!r}, expected for instance 500MB or 2GB")
    return int(Decimal(match[1]) * _UNITS[match[2].lower()])


def _bytes(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} bytes"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
