"""What `nlparam predict` does with the folder of a taxonomy."""

import collections
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nlparam.cli.output import print_table, print_warnings, printable
from nlparam.errors import NlparamError
from nlparam.runtime.progress import Progress

if TYPE_CHECKING:
    from nlparam.runtime.budget import Budget


def assign_texts(
    folder: Path,
    texts: Sequence[str],
    *,
    by: str | None,
    lm: str | None,
    calibration: Path | None,
    budget: "Budget",
    store: Path | None,
    timeout: float,
    progress: Progress,
) -> dict[str, list]:
    """The table of texts and their nodes, by column; prints how many texts each node has."""
    with progress.task("starting", None):
        from nlparam.corpus.corpus import whole_characters
        from nlparam.lm.store import Store
        from nlparam.taxonomies.assign import WAYS, assign, columns_of
    from nlparam.taxonomies.result import Taxonomy

    if by is not None and by not in WAYS:
        raise NlparamError(f"got --by {by} for a taxonomy, expected one of {', '.join(WAYS)}")
    taxonomy = Taxonomy.load(folder)
    with Store(store) as opened:
        assigned = assign(
            taxonomy,
            texts,
            by=by or "head",
            lm=lm,
            calibration=calibration,
            budget=budget,
            store=opened,
            timeout=timeout,
            progress=progress,
        )
    counts = collections.Counter(assigned.nodes)
    rows = []
    for node in taxonomy.nodes.values():
        under = int(assigned.under[node.id].sum())
        name = "  " * max(node.depth - 1, 0) + printable(node.name)
        rows.append((node.id, name, f"{under:,}", f"{under / len(texts):.1%}", f"{counts[node.id]:,}"))
    if counts[None]:
        rows.append(("", "(blank texts)", f"{counts[None]:,}", f"{counts[None] / len(texts):.1%}", ""))
    print_table(("", "node", "texts", "share", "assigned here"), rows, numbers=(2, 3, 4))
    if assigned.n_failed:
        print_warnings([f"{assigned.n_failed:,} judgments were not made or failed: the head stands in for them"])
    columns = columns_of(taxonomy, assigned)
    columns["text"] = list(map(whole_characters, columns["text"]))
    return columns
