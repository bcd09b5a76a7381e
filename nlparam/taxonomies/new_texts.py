"""New texts for a taxonomy: whether they and the options of an update can be used, and what is odd about them."""

from collections.abc import Sequence
from typing import Any

from nlparam.corpus.corpus import Corpus
from nlparam.errors import CorpusError, check_at_least, check_fractions, check_one_of
from nlparam.language.detect import alike, language_name, main_language
from nlparam.numerics.statistics.prevalence import LEAST_JUDGED
from nlparam.runtime.words import agree, counted, part_of
from nlparam.taxonomies.over_time import checked_stamps
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.sampling import checked_clusters

PROPOSE = ("auto", "always", "never")
# Fewer new texts, or labels, make intervals that say little.
_FEW_TEXTS, _FEW_LABELS = 30, 30


def check_options(
    n_judged: int | str | None, propose: str, level: float, confidence: float, look: int | None = None
) -> None:
    """Raises `ValueError` for options of `update` that are impossible whatever the texts are."""
    check_one_of(PROPOSE, propose=propose)
    if isinstance(n_judged, str) and n_judged != "auto":
        raise ValueError(f"got n_judged={n_judged!r}, expected a number, None or 'auto'")
    check_at_least(0, n_judged=n_judged if isinstance(n_judged, int) else None)
    check_at_least(1, look=look)
    check_fractions(level=level, confidence=confidence)


def all_stamps(taxonomy: Taxonomy, new: Sequence[Any] | None, n_new: int) -> tuple[Any, ...] | None:
    """The times of all texts; those before, or the new ones, may have none."""
    together = _together(taxonomy, taxonomy.stamps, new, n_new, "time stamps")
    unit = taxonomy.settings.get("time_unit")
    return None if together is None else checked_stamps(together, len(together), unit=unit)


def all_clusters(taxonomy: Taxonomy, new: Sequence[Any] | None, n_new: int) -> tuple[str | None, ...] | None:
    """What all texts belong to; those before, or the new ones, may stand for themselves."""
    together = _together(taxonomy, taxonomy.clusters, new, n_new, "clusters")
    return None if together is None else checked_clusters(together, len(together))


def _together(
    taxonomy: Taxonomy, before: Sequence[Any] | None, new: Sequence[Any] | None, n_new: int, what: str
) -> list[Any] | None:
    if new is not None and len(new) != n_new:
        raise CorpusError(f"got {len(new):,} {what} for {n_new:,} new texts, expected one for each")
    if new is None and before is None:
        return None
    return [*(before or (None,) * len(taxonomy.corpus)), *(new if new is not None else (None,) * n_new)]


def notes_on(
    taxonomy: Taxonomy, new: Corpus, *, clustered: bool = False, n_labelled: tuple[int, int] | None = None
) -> list[str]:
    """What a user should know of the new texts, of their clusters, and of how many texts before and new ones have
    labels."""
    notes, n_new, n_blank = [], len(new), int(new.blank.sum())
    there = set(taxonomy.corpus.distinct)
    n_there = sum(text in there for text in new.texts)
    if n_blank:
        notes.append(f"{part_of(n_blank, n_new, 'new text', 'is', 'are')} blank: under no node")
    if n_there == n_new - n_blank:
        notes.append(
            "all new texts are in the taxonomy already: nothing is new, and what changes is their mixture only"
        )
    elif n_there:
        notes.append(
            f"{part_of(n_there, n_new, 'new text', 'is', 'are')} in the taxonomy already: is the file the right one?"
        )
    if n_new < _FEW_TEXTS:
        notes.append(
            f"there {agree(n_new, 'is', 'are')} only {counted(n_new, 'new text')}: intervals are wide, and only "
            "large changes can be told from chance"
        )
    if clustered and taxonomy.clusters is None:
        notes.append(
            "the texts before have no clusters: each counts for itself, and their intervals may be too narrow; grow "
            "the taxonomy with clusters too (clusters, --cluster-field)"
        )
    if n_labelled is not None and min(n_labelled) < _FEW_LABELS:
        notes.append(
            f"people labelled {n_labelled[0]:,} of the texts before and {n_labelled[1]:,} of the new ones: with fewer "
            f"than {LEAST_JUDGED} of either for a node its shares stay as the judge sees it, and from fewer than "
            f"{_FEW_LABELS} little can be said"
        )
    before, now = main_language(taxonomy.corpus.distinct), main_language(new.distinct)
    if before is not None and now is not None and not alike(before, now):
        notes.append(
            f"most new texts are in {language_name(now)}, those before in {language_name(before)}: the heads were "
            "trained on the latter, so have the new ones judged (n_judged, --n-judged), or grow a new taxonomy"
        )
    return notes
