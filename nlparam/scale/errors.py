"""The error of jobs."""

from nlparam.errors import NlparamError


class JobError(NlparamError):
    """A folder holds another job or no job, or the results of one cannot be written or read."""
