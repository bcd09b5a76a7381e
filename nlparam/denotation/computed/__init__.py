"""Executable predicates: columns that are computed, not judged, and compete with the others at no cost of judging."""

from nlparam.denotation.computed.computed import Computed as Computed
from nlparam.denotation.computed.computed import ComputedJudge as ComputedJudge
from nlparam.denotation.computed.computed import ComputedPredicate as ComputedPredicate
from nlparam.denotation.computed.proposer import Executable as Executable
from nlparam.denotation.computed.proposer import ExecutableProposer as ExecutableProposer
from nlparam.denotation.computed.whitelist import RejectedSource as RejectedSource
from nlparam.denotation.computed.whitelist import checked_source as checked_source
