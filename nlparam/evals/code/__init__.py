"""Evaluation by execution: solutions of programming problems run against their tests (DS-1000, arXiv 2211.11501)."""

from nlparam.evals.code.evaluation import Evaluation as Evaluation
from nlparam.evals.code.evaluation import evaluate_code as evaluate_code
from nlparam.evals.code.evaluation import write_solutions as write_solutions
from nlparam.evals.code.memorisation import Explanation as Explanation
from nlparam.evals.code.memorisation import Probe as Probe
from nlparam.evals.code.memorisation import explain_drop as explain_drop
from nlparam.evals.code.memorisation import probe as probe
from nlparam.evals.code.problems import CodeProblem as CodeProblem
from nlparam.evals.code.problems import read_problems as read_problems
from nlparam.evals.code.problems import read_solutions as read_solutions
