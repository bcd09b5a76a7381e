"""Executable predicates: columns that are computed, not judged, and compete with the others at no cost of judging."""

from nlparam.executable.computed import Computed as Computed
from nlparam.executable.computed import ComputedJudge as ComputedJudge
from nlparam.executable.computed import ComputedPredicate as ComputedPredicate
from nlparam.executable.proposer import Executable as Executable
from nlparam.executable.proposer import ExecutableProposer as ExecutableProposer
from nlparam.executable.whitelist import RejectedSource as RejectedSource
from nlparam.executable.whitelist import checked_source as checked_source
