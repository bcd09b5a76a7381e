"""What a user of a guard can meet."""

from nlparam.errors import NlparamError


class GuardError(NlparamError, ValueError):
    """A guard cannot be trained, evaluated, loaded or served; the message says why and what to do."""


class ConstitutionError(GuardError):
    """A constitution cannot be read, is empty, repeats a rule or contradicts itself."""
