"""Audits of evaluators: how often a verdict is wrong, how that changed, and which outputs fool (arXiv 2409.12822)."""

from nlparam.evals.audit.audit import Audit as Audit
from nlparam.evals.audit.audit import audit as audit
from nlparam.evals.audit.covariates import CovariateEffect as CovariateEffect
from nlparam.evals.audit.mistakes import Change as Change
from nlparam.evals.audit.mistakes import SystemRates as SystemRates
from nlparam.evals.audit.records import Evaluations as Evaluations
from nlparam.evals.audit.records import read_evaluations as read_evaluations
