"""What a language model is asked, by how much it can follow: one place for what depends on its strength."""

import dataclasses

from nlparam.lm.base import AbstractLanguageModel


@dataclasses.dataclass(frozen=True)
class Policy:
    """What suits a language model.

    **Attributes:**

    - `strong`: whether it follows a long contrastive prompt, and its judgments are believed.
    - `n_words`: how many words of a text it is shown for a judgment; `n_words_stated`, for a statement: what a text is
      can be told sooner than whether a property holds.
    - `proposer`: the name of the proposer that suits it.
    """

    strong: bool
    n_words: int
    n_words_stated: int
    proposer: str


SMALL = Policy(strong=False, n_words=60, n_words_stated=45, proposer="state")
STRONG = Policy(strong=True, n_words=400, n_words_stated=400, proposer="contrast")


def policy_of(lm: AbstractLanguageModel) -> Policy:
    """The policy for a backend, as it says of itself."""
    return STRONG if lm.strong else SMALL
