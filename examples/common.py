"""What the recipes share: their options, one question asked of many texts, and a table of what was found."""

import argparse
import os
from collections.abc import Callable, Sequence

import numpy as np

from nlparam import Comparison
from nlparam.denotation.session import Session
from nlparam.lm.base import AbstractLanguageModel

# What a comparison may ask, for a model that answers two or three questions a second.
FEW = {"n_directions": 2, "n_kept": 4, "n_first": 6, "n_screened": 12, "n_validated": 40}


def run(main: Callable[[str, str | None], object], description: str | None) -> None:
    """Runs a recipe with the options of the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lm", default=os.environ.get("NLPARAM_LM") or "embedded", help="as for nlparam fit")
    parser.add_argument("--out", metavar="FOLDER", help="a folder for the report")
    arguments = parser.parse_args()
    main(arguments.lm, arguments.out)


def ask(lm: str | AbstractLanguageModel, texts: Sequence[str], predicates: Sequence[str]) -> np.ndarray:
    """Whether the language model says that each predicate holds for the text beside it: `(n_texts,)` booleans.

    Answers come from the user's store where it has them. Raises `ValueError` if a question stays unanswered.
    """
    pairs = np.repeat(np.arange(len(texts))[:, None], 2, axis=1)
    with Session(lm=lm, timeout=900) as session:
        probabilities = session.judge().judge(texts, predicates, pairs)
    if np.isnan(probabilities).any():
        raise ValueError(f"{np.isnan(probabilities).sum()} of {len(texts)} questions were not answered")
    return probabilities > 0.5


def show(comparison: Comparison) -> None:
    """Prints the predicates that were tested: where they hold more often, how often, and whether that is claimed."""
    first, second = (group.name for group in comparison.groups)
    print(f"\n  how often a predicate holds:       {first} | {second}")
    for finding in comparison.tested:
        estimate, mark = finding.estimate, "*" if finding.claimed else " "
        assert estimate is not None  # as for all that were tested
        shares = " | ".join(f"{share.mean:4.0%}" for share in finding.shares)
        print(
            f"{mark} {finding.predicate:36} {shares}   difference {estimate.effect:+.2f} "
            f"({estimate.low:+.2f} to {estimate.high:+.2f}), p = {finding.p_adjusted:.2g}"
        )
    print(f"{len(comparison.claims)} of {len(comparison.tested)} claimed (*)")
