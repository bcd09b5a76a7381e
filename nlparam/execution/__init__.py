"""Evaluation by execution: solutions of programming problems run against their tests (DS-1000, arXiv 2211.11501)."""

from nlparam.execution.evaluation import Evaluation as Evaluation
from nlparam.execution.evaluation import evaluate_code as evaluate_code
from nlparam.execution.evaluation import execution_report as execution_report
from nlparam.execution.evaluation import write_solutions as write_solutions
from nlparam.execution.memorisation import Explanation as Explanation
from nlparam.execution.memorisation import Probe as Probe
from nlparam.execution.memorisation import explain_drop as explain_drop
from nlparam.execution.memorisation import probe as probe
from nlparam.execution.problems import CodeProblem as CodeProblem
from nlparam.execution.problems import read_problems as read_problems
from nlparam.execution.problems import read_solutions as read_solutions
