"""What goes wrong with the suite of goals."""


class SuiteError(Exception):
    """Data that were not fetched, a name that is not known: the message says what to do."""
