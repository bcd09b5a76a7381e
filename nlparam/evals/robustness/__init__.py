"""Robustness: which claims of a result survive if its predicates are worded in another way?"""

from nlparam.evals.robustness.measure import robustness as robustness
from nlparam.evals.robustness.result import OUTCOMES as OUTCOMES
from nlparam.evals.robustness.result import Claim as Claim
from nlparam.evals.robustness.result import Robustness as Robustness
from nlparam.evals.robustness.result import Worded as Worded
