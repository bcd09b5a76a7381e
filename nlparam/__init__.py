"""Statistical models whose parameters are natural-language predicates (arXiv 2409.08466)."""

import importlib
from typing import TYPE_CHECKING, Any

from nlparam.runtime.renamed import install

if TYPE_CHECKING:
    from nlparam import models as models
    from nlparam import testing as testing
    from nlparam.comparing.driver import compare as compare
    from nlparam.comparing.images.driver import compare_images as compare_images
    from nlparam.comparing.options import CompareOptions as CompareOptions
    from nlparam.comparing.result import Comparison as Comparison
    from nlparam.corpus.corpus import Corpus as Corpus
    from nlparam.denotation.cascade import Cascade as Cascade
    from nlparam.denotation.goal import GoalRepresentation as GoalRepresentation
    from nlparam.denotation.labels import Labelled as Labelled
    from nlparam.evals.decomposition import decompose as decompose
    from nlparam.evals.simulatability import Explanation as Explanation
    from nlparam.evals.simulatability import simulate as simulate
    from nlparam.fitting.consensus import consensus as consensus
    from nlparam.fitting.driver import fit as fit
    from nlparam.fitting.estimate import Estimate as Estimate
    from nlparam.fitting.estimate import estimate as estimate
    from nlparam.fitting.records import RESULTS as RESULTS
    from nlparam.fitting.result import Fit as Fit
    from nlparam.fitting.search import SearchOptions as SearchOptions
    from nlparam.fitting.sklearn import PredicateClassifier as PredicateClassifier
    from nlparam.fitting.sklearn import PredicateRegressor as PredicateRegressor
    from nlparam.fitting.sklearn import PredicateVectorizer as PredicateVectorizer
    from nlparam.numerics.core.model import AbstractPredicateModel as AbstractPredicateModel
    from nlparam.numerics.core.numpyro_program import from_numpyro as from_numpyro
    from nlparam.results.load import load as load
    from nlparam.runtime.budget import Budget as Budget
    from nlparam.runtime.budget import Price as Price
    from nlparam.runtime.progress import Progress as Progress
    from nlparam.taxonomies.growing import estimate_taxonomy as estimate_taxonomy
    from nlparam.taxonomies.growing import taxonomy as taxonomy
    from nlparam.taxonomies.options import TaxonomyOptions as TaxonomyOptions
    from nlparam.taxonomies.refit import refit as refit
    from nlparam.taxonomies.result import Taxonomy as Taxonomy
    from nlparam.taxonomies.update import update as update

install()

# JAX, torch and the like take seconds to import: each public name loads its module when it is first used.
_MODULES = {
    "AbstractPredicateModel": "nlparam.numerics.core.model",
    "Budget": "nlparam.runtime.budget",
    "Cascade": "nlparam.denotation.cascade",
    "CompareOptions": "nlparam.comparing.options",
    "Comparison": "nlparam.comparing.result",
    "Corpus": "nlparam.corpus.corpus",
    "Estimate": "nlparam.fitting.estimate",
    "Explanation": "nlparam.evals.simulatability",
    "Fit": "nlparam.fitting.result",
    "GoalRepresentation": "nlparam.denotation.goal",
    "Labelled": "nlparam.denotation.labels",
    "PredicateClassifier": "nlparam.fitting.sklearn",
    "PredicateRegressor": "nlparam.fitting.sklearn",
    "PredicateVectorizer": "nlparam.fitting.sklearn",
    "Price": "nlparam.runtime.budget",
    "Progress": "nlparam.runtime.progress",
    "RESULTS": "nlparam.fitting.result",
    "SearchOptions": "nlparam.fitting.search",
    "Taxonomy": "nlparam.taxonomies.result",
    "TaxonomyOptions": "nlparam.taxonomies.options",
    "compare": "nlparam.comparing.driver",
    "compare_images": "nlparam.comparing.images.driver",
    "consensus": "nlparam.fitting.consensus",
    "decompose": "nlparam.evals.decomposition",
    "estimate": "nlparam.fitting.estimate",
    "estimate_taxonomy": "nlparam.taxonomies.growing",
    "fit": "nlparam.fitting.driver",
    "from_numpyro": "nlparam.numerics.core.numpyro_program",
    "load": "nlparam.results.load",
    "simulate": "nlparam.evals.simulatability",
    "refit": "nlparam.taxonomies.refit",
    "taxonomy": "nlparam.taxonomies.growing",
    "update": "nlparam.taxonomies.update",
}

__all__ = [
    "RESULTS",
    "AbstractPredicateModel",
    "Budget",
    "Cascade",
    "CompareOptions",
    "Comparison",
    "Corpus",
    "Estimate",
    "Explanation",
    "Fit",
    "GoalRepresentation",
    "Labelled",
    "PredicateClassifier",
    "PredicateRegressor",
    "PredicateVectorizer",
    "Price",
    "Progress",
    "SearchOptions",
    "Taxonomy",
    "TaxonomyOptions",
    "compare",
    "compare_images",
    "consensus",
    "decompose",
    "estimate",
    "estimate_taxonomy",
    "fit",
    "from_numpyro",
    "load",
    "models",
    "refit",
    "simulate",
    "taxonomy",
    "testing",
    "update",
]


def __getattr__(name: str) -> Any:
    if name in ("models", "testing"):
        return importlib.import_module(f"nlparam.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'nlparam' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
