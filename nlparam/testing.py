"""A scripted language model and embedder, for documentation and tests: no weights, no server, equal answers each time.

```python
import nlparam
from nlparam import testing

lm = testing.ScriptedModel(testing.by_rules({"mentions rain": lambda text: "rain" in text}))
fit = nlparam.fit(model, texts, lm=lm, embedder=testing.ScriptedEmbedder(), store=":memory:")
```
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nlparam.errors import check_at_least
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.phrasing import what_it_says
from nlparam.lm.base import Request
from nlparam.lm.scripted import ScriptedModel as ScriptedModel

__all__ = ["Judgment", "ScriptedEmbedder", "ScriptedModel", "by_rules", "judgment_of"]

_JUDGMENT = re.compile(r"Text: (?P<text>.*)\n\nProperty: (?P<predicate>.*)\. Yes or no\?\Z", re.DOTALL)
_SAME = re.compile(r"\nFirst: (?P<first>.*)\nSecond: (?P<second>.*)\nAnswer:\Z")
_LISTED = "JSON array"  # what proposals are asked for in


class Judgment(NamedTuple):
    """The question whether a predicate holds for a text."""

    text: str
    predicate: str


def judgment_of(request: Request) -> Judgment | None:
    """The judgment that a request asks for, one predicate at a time; `None` for anything else."""
    found = _JUDGMENT.match(request.messages[-1].content) if request.labels is not None else None
    return None if found is None else Judgment(found["text"], found["predicate"])


def by_rules(rules: Mapping[str, Callable[[str], bool | float]]) -> Callable[[Request], str | dict[str, float]]:
    """An answer for `ScriptedModel`: it proposes these predicates, and judges each by its rule.

    **Arguments:** `rules`, for each predicate a function of a text that says whether it holds, or how likely. A
    predicate without a rule never holds.

    Asked for a few words about a text, it answers with what the first predicate says that holds, or "other". Two
    descriptions mean the same if they are equal. Asked anything else with yes or no, it answers with yes.
    """
    folded = {predicate.casefold(): rule for predicate, rule in rules.items()}

    def answer(request: Request) -> str | dict[str, float]:
        content = request.messages[-1].content
        if request.labels is None:
            if _LISTED in content:
                return json.dumps(list(rules))
            return next((what_it_says(one) for one, rule in rules.items() if rule(content) > 0.5), "other")
        asked = judgment_of(request)
        if asked is None:
            two = _SAME.search(content)
            return request.labels[0 if two is None or two["first"].casefold() == two["second"].casefold() else -1]
        rule = folded.get(asked.predicate.casefold())
        yes = 0.0 if rule is None else float(rule(asked.text))
        return {"yes": yes, "no": 1.0 - yes}

    return answer


class ScriptedEmbedder(AbstractEmbedder):
    """Texts that share words are near one another: hashed counts of words, or what a function says.

    **Arguments:** `vector`, a function from a text to its vector, by default its counts of words in `n_dimensions`
    buckets; `identity`, the name under which vectors are stored. Two functions need two names.
    """

    def __init__(
        self,
        vector: Callable[[str], Sequence[float]] | None = None,
        *,
        n_dimensions: int = 256,
        identity: str | None = None,
    ):
        check_at_least(1, n_dimensions=n_dimensions)
        self._vector, self._n_dimensions = vector, n_dimensions
        self._identity = identity or ("scripted" if vector is not None else f"scripted-words-{n_dimensions}")

    @property
    def identity(self) -> str:
        return self._identity

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        if self._vector is not None:
            vectors = np.asarray([self._vector(text) for text in texts], dtype=np.float32)
        else:
            from sklearn.feature_extraction.text import HashingVectorizer

            # The types of scikit-learn know neither that no norm is possible nor that the counts are sparse.
            count: Any = HashingVectorizer(n_features=self._n_dimensions, norm=None, alternate_sign=False)  # pyright: ignore[reportArgumentType]
            vectors = count.transform(texts).toarray().astype(np.float32)
        vectors = vectors + 1e-6  # a text without words has a direction, too
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
