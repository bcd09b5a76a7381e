"""The public sets of the paper and its siblings: `python -m benchmarks.data [list | fetch [NAMES] --accept LICENCES]`.

`list` shows which sets are here, which can be fetched, and how to ask for the others. `fetch` downloads sets from the
repositories of their authors and converts them: see docs/how-to/experiments.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.experiments.base import DataError
from benchmarks.experiments.data import FOLDER, catalogue, sets
from benchmarks.experiments.data.catalogue import fetch
from nlparam.errors import NlparamError


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (
        commands.add_parser("list", help="which sets are here, and which can be had"),
        commands.add_parser("fetch", help="download sets and convert them"),
    ):
        command.add_argument("--data-folder", type=Path, default=FOLDER, help="where other sets are (%(default)s)")
    command.add_argument("names", nargs="*", help="sets, by default all that are not here")
    command.add_argument("--accept", nargs="+", default=[], metavar="LICENCE", help="licences that you accept, or all")
    command.add_argument("--again", action="store_true", help="fetch what is here, too")
    given = parser.parse_args(arguments)
    here = sets(given.data_folder)
    if given.command == "list":
        print("\n".join(_listed(here)))
        return
    try:
        wanted = _wanted(given.names, here, again=given.again)
        _check_accepted(wanted, given.accept)
        done = _all_fetched(wanted)
    except NlparamError as error:
        sys.exit(f"Error: {error}")
    if not done:
        sys.exit(1)


def _listed(here: dict[str, Path]) -> list[str]:
    public, absent = catalogue.public_sets(), catalogue.absent_sets()
    lines = [f"{name}: here, {path}" for name, path in here.items()]
    lines += [
        f"{name}: can be fetched, {sum(one.files.values()) / 1e6:.1f} MB; licences {', '.join(one.licences)}"
        for name, one in public.items()
        if name not in here
    ]
    lines += [said for name, said in absent.items() if name not in here]
    return lines + ["", "Licences:"] + [f"  {name}: {text}" for name, text in catalogue.licences().items()]


def _wanted(names: Sequence[str], here: dict[str, Path], *, again: bool) -> list[catalogue.PublicSet]:
    """The sets to fetch; says which are here. Raises `DataError` for a name that cannot be fetched."""
    public, absent = catalogue.public_sets(), catalogue.absent_sets()
    for name in names:
        if name in absent and name not in here:
            raise DataError(absent[name])
        if name not in public and name not in here:
            raise DataError(f"there is no public set {name!r}, expected some of {', '.join(public)}")
    chosen = names or list(public)
    for name in chosen:
        if name in here and not again:
            print(f"{name}: here, {here[name]}")
    return [public[name] for name in chosen if name in public and (again or name not in here)]


def _check_accepted(wanted: Sequence[catalogue.PublicSet], accepted: Sequence[str]) -> None:
    known = catalogue.licences()
    if unknown := sorted(set(accepted) - set(known) - {"all"}):
        raise DataError(f"there is no licence {', '.join(unknown)}, expected some of {', '.join(known)}, or all")
    if "all" in accepted:
        return
    needed = {name: [one.name for one in wanted if name in one.licences] for name in known if name not in accepted}
    needed = {name: sets for name, sets in needed.items() if sets}
    if needed:
        lines = [f"  {name} (for {', '.join(sets)}): {known[name]}" for name, sets in needed.items()]
        raise DataError(
            "these licences are not accepted, and nothing was fetched:\n" + "\n".join(lines) + "\n"
            f"Read them, and add --accept {' '.join([*accepted, *needed])} to the command, or name other sets"
        )


def _all_fetched(wanted: Sequence[catalogue.PublicSet]) -> bool:
    folder, hosts, failed = catalogue.fetched_folder(), catalogue.hosts(), 0
    for one in wanted:
        print(f"{one.name}: {sum(one.files.values()) / 1e6:.1f} MB of {one.repository} ...", flush=True)
        try:
            place = fetch(one, folder, hosts)
        except (DataError, OSError) as error:
            failed += 1
            print(f"{one.name}: not fetched. {error}", file=sys.stderr, flush=True)
        else:
            checked = "SHA-256 as expected" if one.sha256 else "sizes as expected, no SHA-256 is known"
            print(f"{one.name}: fetched to {place} ({checked})", flush=True)
    if failed:
        print(
            f"{failed} of {len(wanted)} sets were not fetched. Run the same command with a network, or name in "
            "NLPARAM_DATA_MIRROR mirrors, or a folder with clones of the repositories",
            file=sys.stderr,
        )
    return not failed


if __name__ == "__main__":
    main()
