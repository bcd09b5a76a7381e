"""Proposers: from the relaxed scores of a slot to candidate predicates, in words."""

from nlparam.language.propose.base import AbstractProposer as AbstractProposer
from nlparam.language.propose.both import Both as Both
from nlparam.language.propose.both import Filled as Filled
from nlparam.language.propose.contrast import Contrast as Contrast
from nlparam.language.propose.listed import Listed as Listed
from nlparam.language.propose.state import StateThenGeneralise as StateThenGeneralise
