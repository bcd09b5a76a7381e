"""Runs untrusted code in a worker process of its own, with limits; they talk in lines of JSON."""

from nlparam.runtime.sandbox.limits import LIBRARIES as LIBRARIES
from nlparam.runtime.sandbox.limits import PREDICATES as PREDICATES
from nlparam.runtime.sandbox.limits import Limits as Limits
from nlparam.runtime.sandbox.process import Worker as Worker
from nlparam.runtime.sandbox.process import WorkerDied as WorkerDied
from nlparam.runtime.sandbox.process import enforced as enforced
from nlparam.runtime.sandbox.runs import PredicateRun as PredicateRun
from nlparam.runtime.sandbox.runs import Problem as Problem
from nlparam.runtime.sandbox.runs import Verdict as Verdict
from nlparam.runtime.sandbox.runs import run_predicates as run_predicates
from nlparam.runtime.sandbox.runs import run_problems as run_problems
