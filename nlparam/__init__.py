"""Statistical models whose parameters are natural-language predicates (arXiv 2409.08466)."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlparam import models as models
    from nlparam.budget import Budget as Budget
    from nlparam.budget import Price as Price
    from nlparam.calibration import Labelled as Labelled
    from nlparam.cascade import Cascade as Cascade
    from nlparam.comparing.driver import compare as compare
    from nlparam.comparing.images import compare_images as compare_images
    from nlparam.comparing.options import CompareOptions as CompareOptions
    from nlparam.comparison import Comparison as Comparison
    from nlparam.corpus import Corpus as Corpus
    from nlparam.decomposition import decompose as decompose
    from nlparam.estimation import Estimate as Estimate
    from nlparam.estimation import estimate as estimate
    from nlparam.estimators import PredicateClassifier as PredicateClassifier
    from nlparam.estimators import PredicateRegressor as PredicateRegressor
    from nlparam.estimators import PredicateVectorizer as PredicateVectorizer
    from nlparam.fitting import fit as fit
    from nlparam.folder import load as load
    from nlparam.hierarchy import Taxonomy as Taxonomy
    from nlparam.numerics.model import AbstractPredicateModel as AbstractPredicateModel
    from nlparam.numerics.numpyro_program import from_numpyro as from_numpyro
    from nlparam.progress import Progress as Progress
    from nlparam.representation import GoalRepresentation as GoalRepresentation
    from nlparam.search import SearchOptions as SearchOptions
    from nlparam.simulatability import Explanation as Explanation
    from nlparam.simulatability import simulate as simulate
    from nlparam.solution import RESULTS as RESULTS
    from nlparam.solution import Fit as Fit
    from nlparam.stability import consensus as consensus
    from nlparam.taxonomies.growing import estimate_taxonomy as estimate_taxonomy
    from nlparam.taxonomies.growing import taxonomy as taxonomy
    from nlparam.taxonomies.options import TaxonomyOptions as TaxonomyOptions
    from nlparam.taxonomies.refit import refit as refit
    from nlparam.taxonomies.update import update as update

# JAX, torch and the like take seconds to import: each public name loads its module when it is first used.
_MODULES = {
    "AbstractPredicateModel": "nlparam.numerics.model",
    "Budget": "nlparam.budget",
    "Cascade": "nlparam.cascade",
    "CompareOptions": "nlparam.comparing.options",
    "Comparison": "nlparam.comparison",
    "Corpus": "nlparam.corpus",
    "Estimate": "nlparam.estimation",
    "Explanation": "nlparam.simulatability",
    "Fit": "nlparam.solution",
    "GoalRepresentation": "nlparam.representation",
    "Labelled": "nlparam.calibration",
    "PredicateClassifier": "nlparam.estimators",
    "PredicateRegressor": "nlparam.estimators",
    "PredicateVectorizer": "nlparam.estimators",
    "Price": "nlparam.budget",
    "Progress": "nlparam.progress",
    "RESULTS": "nlparam.solution",
    "SearchOptions": "nlparam.search",
    "Taxonomy": "nlparam.hierarchy",
    "TaxonomyOptions": "nlparam.taxonomies.options",
    "compare": "nlparam.comparing.driver",
    "compare_images": "nlparam.comparing.images",
    "consensus": "nlparam.stability",
    "decompose": "nlparam.decomposition",
    "estimate": "nlparam.estimation",
    "estimate_taxonomy": "nlparam.taxonomies.growing",
    "fit": "nlparam.fitting",
    "from_numpyro": "nlparam.numerics.numpyro_program",
    "load": "nlparam.folder",
    "simulate": "nlparam.simulatability",
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
    "update",
]


def __getattr__(name: str) -> Any:
    if name == "models":
        return importlib.import_module("nlparam.models")
    if name not in _MODULES:
        raise AttributeError(f"module 'nlparam' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
