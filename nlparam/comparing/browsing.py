"""The texts of a comparison on its page: quoted for and against a predicate, and to be searched."""

import numpy as np

from nlparam.comparing.records import ComparisonLike, Finding
from nlparam.corpus.corpus import Cited, Corpus
from nlparam.results.page.blocks import Quote, Quotes, Tag
from nlparam.results.page.browser import Browser, Groups, browse_texts
from nlparam.results.page.examples import likeness, quotable
from nlparam.results.page.searched import Searched
from nlparam.results.page.text import excerpt

# Findings that a page has room for.
MAX_ROWS = 300
# Quotations of a group on either side.
PER_GROUP = 6


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


def quotes_of(comparison: ComparisonLike, finding: Finding, max_bytes: int) -> list[Quotes]:
    """For each group the texts that speak for a predicate, and those that speak against it, surest first."""
    sides, places = [], places_of(comparison)
    for group in comparison.groups:
        # Of texts that look alike one is enough.
        of = {likeness(example.text): example for example in reversed(finding.examples) if example.group == group.name}
        texts = list(reversed(of.values()))
        texts.sort(key=lambda example: -example.probability)
        holding = [example for example in texts if example.probability >= 0.5][:PER_GROUP]
        failing = [example for example in reversed(texts) if example.probability < 0.5][:PER_GROUP]
        for words, examples in (("it holds", holding), ("it does not", failing)):
            quotes = [
                Quote(
                    quotable(example.text, max_bytes),
                    [Tag(f"{example.probability:.2f}", "strong")],
                    places.get((group.name, example.text), ""),
                    picture=_picture(comparison, example.text),
                )
                for example in examples
            ]
            sides.append(Quotes(f"{excerpt(group.name, 100)}: {words}", quotes))
    return sides


def places_of(comparison: ComparisonLike) -> dict[tuple[str, str], str]:
    """Where the texts of each group stand, by the names of the groups and the texts, where that is known."""
    places, found, begin = comparison.corpus.places or [], {}, 0
    for group in comparison.groups if places else ():
        for at in range(begin, begin + group.n_texts):
            found.setdefault((group.name, str(comparison.corpus.texts[at])), places[at])
        begin += group.n_texts
    return found


def _picture(comparison: ComparisonLike, text: str) -> str | None:
    picture = comparison.pictures.get(text, "")
    return picture if picture.startswith("data:image/jpeg;base64,") else None
