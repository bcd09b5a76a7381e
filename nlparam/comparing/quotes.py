"""Texts that the page of a comparison quotes for and against a predicate."""

from nlparam.comparing.records import ComparisonLike, Finding
from nlparam.results.page.blocks import Quote, Quotes, Tag
from nlparam.results.page.examples import likeness, quotable
from nlparam.results.page.text import excerpt

PER_GROUP = 6


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
