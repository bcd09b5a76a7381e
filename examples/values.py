"""Sociotechnical challenges: which values do texts appeal to, and has that changed?

Before values are taken from texts (guidelines, feedback, speeches) one should know which are in them. Paragraphs of the
State of the Union addresses of the Cold War are compared with later ones, as many of each year, given their length.
"""

import numpy as np

import nlparam
from examples.common import run, show
from nlparam.corpus.datasets import load_dataset
from nlparam.lm.base import AbstractLanguageModel

VALUES = (
    "appeals to freedom",
    "appeals to peace between nations",
    "appeals to equality or fairness",
    "appeals to faith in God",
    "appeals to family or community",
)
PERIODS = {"1947 to 1989": range(1947, 1990), "1990 to 2024": range(1990, 2025)}


def main(
    lm: str | AbstractLanguageModel = "embedded", out: str | None = None, *, n_validated: int = 64, per_year: int = 4
) -> nlparam.Comparison:
    """Compares how often paragraphs of two periods appeal to each value."""
    speeches, rng = load_dataset("sotu"), np.random.default_rng(0)
    years = np.asarray(speeches.columns["year"])
    groups: dict[str, list[str]] = {}
    for period, of_period in PERIODS.items():
        drawn = [rng.permutation(np.flatnonzero(years == year))[:per_year].tolist() for year in of_period]
        groups[period] = [speeches.texts[number] for of_year in drawn for number in of_year]
    found = nlparam.compare(
        groups,
        predicates=VALUES,
        lm=lm,
        adjust={"words": {period: [len(text.split()) for text in texts] for period, texts in groups.items()}},
        options={"research": 0.1, "n_first": 6, "n_screened": 6, "n_validated": n_validated},
        ratings=False,
        timeout=900,
        out=out,
        overwrite=True,
    )
    show(found)
    return found


if __name__ == "__main__":
    run(main, __doc__)
