"""Whether texts allow the taxonomy that is asked for, said before anything is computed."""

import math
import warnings

from nlparam.corpus.corpus import Corpus
from nlparam.errors import CorpusError, FitWarning
from nlparam.language.detect import language_mismatch, language_warning
from nlparam.runtime.words import part_of


def check_sizes(corpus: Corpus, *, depth: int, children: tuple[int, int], least_texts: int) -> None:
    """Raises `ValueError` for a depth below 1, `CorpusError` if the texts cannot be divided so often or so finely."""
    if depth < 1:
        raise ValueError(f"got depth={depth}, expected at least 1")
    n_distinct, least = len(corpus.distinct), children[0]
    if n_distinct < least_texts:
        raise CorpusError(
            f"got {n_distinct:,} distinct texts that are not blank (of {len(corpus):,}), expected at least "
            f"{least_texts} for a taxonomy: give more texts, or set least_texts (--least-texts) lower"
        )
    # Evenly divided, a node of the last but one level has this many texts.
    on_last = n_distinct / least ** (depth - 1)
    if on_last < least_texts:
        deepest = 1 + int(math.log(n_distinct / least_texts) / math.log(least))
        raise CorpusError(
            f"got depth={depth} for {n_distinct:,} distinct texts: with {least} children a node, those on level "
            f"{depth - 1} would have {on_last:.0f} texts each, expected at least {least_texts} to divide: ask for a "
            f"depth of at most {deepest}, or set least_texts (--least-texts) lower"
        )
    if n_distinct < 2 * children[0]:
        raise CorpusError(
            f"got {n_distinct} distinct texts for {children[0]} children: give more texts or ask for fewer"
        )


def warn_of_texts(corpus: Corpus, goal: str) -> None:
    """Warns of texts without words, which are under no node, and of a goal in another language than the texts."""
    n_blank = int(corpus.blank.sum())
    if n_blank:
        warnings.warn(
            f"{part_of(n_blank, len(corpus), 'text', 'is', 'are')} blank: under no node",
            FitWarning,
            stacklevel=3,
        )
    if (mismatch := language_mismatch(goal, corpus.distinct)) is not None:
        warnings.warn(language_warning(mismatch), FitWarning, stacklevel=3)
