"""Repairable decompositions: a complex predicate as simple parts joined by and, or, not (AssistV, arXiv 2406.04604)."""

from nlparam.decomposition.execution import Execution as Execution
from nlparam.decomposition.expression import And as And
from nlparam.decomposition.expression import Expression as Expression
from nlparam.decomposition.expression import Not as Not
from nlparam.decomposition.expression import Or as Or
from nlparam.decomposition.expression import Part as Part
from nlparam.decomposition.expression import parse as parse
from nlparam.decomposition.log import RepairRecord as RepairRecord
from nlparam.decomposition.log import append_repair as append_repair
from nlparam.decomposition.log import read_repairs as read_repairs
from nlparam.decomposition.propose import decompose as decompose
from nlparam.decomposition.repair import Assistance as Assistance
from nlparam.decomposition.repair import Repair as Repair
from nlparam.decomposition.repair import assistance as assistance
from nlparam.decomposition.repair import repair as repair
from nlparam.decomposition.result import Decomposed as Decomposed
from nlparam.decomposition.result import Decomposition as Decomposition
