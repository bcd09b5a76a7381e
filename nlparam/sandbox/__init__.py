"""Runs code that nobody vouches for: a process of its own with limits, spoken to in lines of JSON."""

from nlparam.sandbox.limits import LIBRARIES as LIBRARIES
from nlparam.sandbox.limits import PREDICATES as PREDICATES
from nlparam.sandbox.limits import Limits as Limits
from nlparam.sandbox.process import Died as Died
from nlparam.sandbox.process import Worker as Worker
from nlparam.sandbox.process import enforced as enforced
from nlparam.sandbox.runs import Problem as Problem
from nlparam.sandbox.runs import Ran as Ran
from nlparam.sandbox.runs import Verdict as Verdict
from nlparam.sandbox.runs import run_predicates as run_predicates
from nlparam.sandbox.runs import run_problems as run_problems
