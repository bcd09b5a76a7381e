"""Whether a fit follows its goal, measured: `python -m benchmarks.goals [fetch|list|run|table]`.

`fetch` brings the corpora into the user's cache (pip, apt-get); the other two need no network. `list` shows the
goals and their corpora. `run` fits every goal of a half and prints one JSON object for each, then one for all. `table`
shows what a file that `run` has written holds.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.commands import PageError, kept_rows, write_block
from benchmarks.goals.suite import chosen
from nlparam.errors import NlparamError


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.goals", description="Whether a fit follows its goal")
    parser.add_argument("command", nargs="?", choices=("fetch", "list", "run", "table"), default="run")
    parser.add_argument("--half", choices=("seen", "unseen", "large", "topics", "all"), default="all")
    parser.add_argument("--goal", nargs="+", help="names of goals, instead of a half")
    parser.add_argument("--lm", default="native")
    parser.add_argument("--proposer", help="by default the library chooses")
    parser.add_argument("--given", action="store_true", help="with predicates written by one who knows the classes")
    parser.add_argument("--seeds", default="0", help="comma-separated, one fit each")
    parser.add_argument("--max-judgments", type=int, default=900, help="for each fit, twice as many for large sets")
    parser.add_argument("--store", type=Path, help="by default the store in the user's cache")
    parser.add_argument("--out", type=Path, help="a JSON Lines file to append to; what is there is not fitted again")
    parser.add_argument("--texts", type=int, help="the first texts of each corpus only, to try the suite out")
    parser.add_argument("--busy", type=Path, help="a JSON file with the figure busy_slowdown, measured separately")
    parser.add_argument("--page", type=Path, help="a page of the documentation whose table of goals `table` replaces")
    given = parser.parse_args()
    try:
        if given.command == "fetch":
            from benchmarks.goals.fetch import fetch

            fetch()
        elif given.command == "run":
            _run(given)
        else:
            from benchmarks.goals.scoring import BEGIN, END, shown, table

            if given.command == "list":
                print("\n".join(map(shown, chosen(given.half, given.goal))))
            elif given.page is None:
                print(table(kept_rows(given.out)))
            else:
                write_block(given.page, BEGIN, END, table(kept_rows(given.out)))
    except (NlparamError, PageError) as error:
        sys.exit(f"Error: {error}")


def _run(given: argparse.Namespace) -> None:
    from benchmarks.goals.running import Settings, run
    from benchmarks.goals.scoring import summary

    goals, seeds = chosen(given.half, given.goal), [int(seed) for seed in given.seeds.split(",")]
    slowdown = None if given.busy is None else json.loads(given.busy.read_text())["busy_slowdown"]
    settings = Settings(given.lm, given.proposer, given.max_judgments, given.store, given.texts, given.given)
    entries = []
    for entry in run(goals, seeds, settings, given.out):
        entries.append(entry)
        print(json.dumps(entry, ensure_ascii=False), flush=True)
    print(json.dumps(summary(entries, goals, slowdown), ensure_ascii=False))


if __name__ == "__main__":
    main()
