"""Audits of evaluators: how often a verdict is wrong, how that changed, and which outputs fool (arXiv 2409.12822)."""

from nlparam.evaluators.audit import Audit as Audit
from nlparam.evaluators.audit import audit as audit
from nlparam.evaluators.covariates import CovariateEffect as CovariateEffect
from nlparam.evaluators.mistakes import Change as Change
from nlparam.evaluators.mistakes import SystemRates as SystemRates
from nlparam.evaluators.records import Evaluations as Evaluations
from nlparam.evaluators.records import read_evaluations as read_evaluations
