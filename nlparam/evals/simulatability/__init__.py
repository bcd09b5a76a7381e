"""Counterfactual simulatability: can a reader tell from an explanation what a model will answer (arXiv 2307.08678)?"""

from nlparam.evals.simulatability.explain import explain as explain
from nlparam.evals.simulatability.explanations import Explanation as Explanation
from nlparam.evals.simulatability.explanations import read_explanations as read_explanations
from nlparam.evals.simulatability.measure import simulate as simulate
from nlparam.evals.simulatability.measure import simulate_fit as simulate_fit
from nlparam.evals.simulatability.result import Counterfactual as Counterfactual
from nlparam.evals.simulatability.result import Simulatability as Simulatability
from nlparam.evals.simulatability.result import Simulated as Simulated
from nlparam.evals.simulatability.result import Simulation as Simulation
