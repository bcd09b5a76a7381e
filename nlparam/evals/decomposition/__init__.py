"""Repairable decompositions: a complex predicate as simple parts joined by and, or, not (AssistV, arXiv 2406.04604)."""

from nlparam.evals.decomposition.execution import Execution as Execution
from nlparam.evals.decomposition.expression import And as And
from nlparam.evals.decomposition.expression import Expression as Expression
from nlparam.evals.decomposition.expression import Not as Not
from nlparam.evals.decomposition.expression import Or as Or
from nlparam.evals.decomposition.expression import Part as Part
from nlparam.evals.decomposition.expression import parse as parse
from nlparam.evals.decomposition.log import RepairRecord as RepairRecord
from nlparam.evals.decomposition.log import append_repair as append_repair
from nlparam.evals.decomposition.log import read_repairs as read_repairs
from nlparam.evals.decomposition.propose import decompose as decompose
from nlparam.evals.decomposition.repair import Assistance as Assistance
from nlparam.evals.decomposition.repair import Repair as Repair
from nlparam.evals.decomposition.repair import assistance as assistance
from nlparam.evals.decomposition.repair import repair as repair
from nlparam.evals.decomposition.result import Decomposed as Decomposed
from nlparam.evals.decomposition.result import Decomposition as Decomposition
from nlparam.evals.decomposition.result import Decompositions as Decompositions
