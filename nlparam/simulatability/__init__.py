"""Counterfactual simulatability: can a reader tell from an explanation what a model will answer (arXiv 2307.08678)?"""

from nlparam.simulatability.explain import explain as explain
from nlparam.simulatability.explanations import Explanation as Explanation
from nlparam.simulatability.explanations import read_explanations as read_explanations
from nlparam.simulatability.measure import simulate as simulate
from nlparam.simulatability.measure import simulate_fit as simulate_fit
from nlparam.simulatability.result import Counterfactual as Counterfactual
from nlparam.simulatability.result import Simulatability as Simulatability
from nlparam.simulatability.result import Simulated as Simulated
