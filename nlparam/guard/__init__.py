"""Guards: from rules in plain language to a screen for inputs and outputs (Constitutional Classifiers, 2501.18837)."""

from nlparam.guard.benign import Benign as Benign
from nlparam.guard.benign import read_benign as read_benign
from nlparam.guard.constitution import Constitution as Constitution
from nlparam.guard.constitution import Rule as Rule
from nlparam.guard.constitution import read_constitution as read_constitution
from nlparam.guard.errors import ConstitutionError as ConstitutionError
from nlparam.guard.errors import GuardError as GuardError
from nlparam.guard.evaluation import Attack as Attack
from nlparam.guard.evaluation import Evaluation as Evaluation
from nlparam.guard.evaluation import evaluate as evaluate
from nlparam.guard.evaluation import read_attacks as read_attacks
from nlparam.guard.folder import Guard as Guard
from nlparam.guard.plan import Plan as Plan
from nlparam.guard.training import train as train

load = Guard.load
