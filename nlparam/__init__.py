"""Statistical models whose parameters are natural-language predicates (arXiv 2409.08466)."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlparam.corpus import Corpus as Corpus
    from nlparam.estimators import PredicateClassifier as PredicateClassifier
    from nlparam.estimators import PredicateRegressor as PredicateRegressor
    from nlparam.estimators import PredicateVectorizer as PredicateVectorizer
    from nlparam.fitting import fit as fit
    from nlparam.folder import load as load
    from nlparam.numerics.model import AbstractPredicateModel as AbstractPredicateModel
    from nlparam.numerics.numpyro_program import from_numpyro as from_numpyro
    from nlparam.progress import Progress as Progress
    from nlparam.search import SearchOptions as SearchOptions
    from nlparam.solution import RESULTS as RESULTS
    from nlparam.solution import Fit as Fit

# JAX, torch and the like take seconds to import: each public name loads its module when it is first used.
_MODULES = {
    "AbstractPredicateModel": "nlparam.numerics.model",
    "Corpus": "nlparam.corpus",
    "Fit": "nlparam.solution",
    "PredicateClassifier": "nlparam.estimators",
    "PredicateRegressor": "nlparam.estimators",
    "PredicateVectorizer": "nlparam.estimators",
    "Progress": "nlparam.progress",
    "RESULTS": "nlparam.solution",
    "SearchOptions": "nlparam.search",
    "fit": "nlparam.fitting",
    "from_numpyro": "nlparam.numerics.numpyro_program",
    "load": "nlparam.folder",
}

__all__ = [
    "RESULTS",
    "AbstractPredicateModel",
    "Corpus",
    "Fit",
    "PredicateClassifier",
    "PredicateRegressor",
    "PredicateVectorizer",
    "Progress",
    "SearchOptions",
    "fit",
    "from_numpyro",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'nlparam' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
