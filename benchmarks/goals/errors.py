"""What goes wrong with the suite of goals."""

from nlparam.errors import NlparamError


class SuiteError(NlparamError):
    """Data that were not fetched, a name that is not known: the message says what to do."""
