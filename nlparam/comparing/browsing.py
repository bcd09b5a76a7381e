"""The texts of a comparison, to be searched: on its page, and where that is served."""

import numpy as np

from nlparam.comparing.quotes import places_of
from nlparam.comparing.records import ComparisonLike
from nlparam.corpus.corpus import Cited, Corpus
from nlparam.results.page.browser import Browser, Groups, browse_texts
from nlparam.results.page.searched import Searched

# Findings that a page has room for.
MAX_ROWS = 300


def browse_judgments(comparison: ComparisonLike) -> Browser | None:
    """The judged texts of a comparison with their groups, for the table in the page."""
    corpus, units = comparison.corpus, comparison.units
    findings = [at for at, finding in enumerate(comparison.findings[:MAX_ROWS]) if finding.n_screened or finding.tested]
    if not findings or not len(units):
        return None
    # One line for each observation: a text that occurs in two groups has two.
    groups, places = [group.name for group in comparison.groups], places_of(comparison)
    texts = [
        Cited(corpus.distinct[text], places.get((groups[group], corpus.distinct[text]), ""))
        for text, group in zip(units.text.tolist(), units.group.tolist(), strict=True)
    ]
    judged = np.asarray(comparison.judgments, dtype=float)[:, findings][units.text]
    return browse_texts(
        Corpus.from_texts(texts),
        [f"{at + 1}. {comparison.findings[at].predicate}" for at in findings],
        judged,
        [],
        groups=Groups(groups, np.asarray(units.group)),
        distinct=False,
        figure="Judged",
    )


def searched_judgments(comparison: ComparisonLike) -> Searched:
    """The distinct texts with what was judged of them for the predicates that were tested."""
    findings = [(place, one) for place, one in enumerate(comparison.findings[:MAX_ROWS], start=1) if one.tested]
    columns = [place - 1 for place, _ in findings]
    judged = np.full((len(comparison.corpus.distinct), len(columns)), np.nan)
    text = comparison.units.text
    judged[text] = np.asarray(comparison.judgments, dtype=float)[:, columns][text]
    return Searched(
        Corpus.from_texts(comparison.corpus.distinct),
        [f"{place}. {finding.predicate}" for place, finding in findings],
        [finding.predicate for _, finding in findings],
        judged,
        [f"finding-{place}" for place, _ in findings],
    )
