"""What people meet: waiting for the same command again, pages, `repr`, the documentation, their own files."""


class NotMeasuredError(Exception):
    """A figure cannot be had here; the message says why."""
