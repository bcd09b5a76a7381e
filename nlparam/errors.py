"""The exceptions a user can meet, and checks of arguments. A message says what was got and expected, and what to do."""

from collections.abc import Iterable
from typing import Any


class NlparamError(Exception):
    """Base of every error that nlparam raises on purpose; the command line prints its message without a traceback."""


class CorpusError(NlparamError, ValueError):
    """The texts cannot be read or cannot be fitted (missing file, unknown field, too few distinct texts)."""


class ModelError(NlparamError, ValueError):
    """A model of the user's own cannot be fitted: its loss is no finite number, or does not use the denotations."""


class ExpressionError(NlparamError, ValueError):
    """Predicates joined by and, or, not cannot be read, or have a part that was not judged."""


class FitWarning(UserWarning):
    """Something about a fit that a user should know, for instance that its weights are not determined by the data."""


class LanguageModelError(NlparamError):
    """A language model cannot be reached, is not the one asked for, or keeps failing."""


class EmbedderError(NlparamError):
    """The model that embeds texts cannot be found, fetched or loaded."""


class GoalError(NlparamError, ValueError):
    """A goal says nothing that predicates could be about."""


class WeightsError(NlparamError):
    """Weights of a language model are missing, incomplete or not the expected file (SHA-256)."""


class BudgetError(NlparamError, ValueError):
    """A budget cannot be kept: a limit that is no positive number, a price that is missing, a table that is none."""


class StoreError(NlparamError):
    """The store of judgments cannot be opened, read or written."""


class ResultFolderError(NlparamError):
    """A folder holds no result, holds another one, or cannot be written."""


# The name of earlier versions.
FitFolderError = ResultFolderError


class EditError(NlparamError, ValueError):
    """An edited taxonomy is impossible; the message names the lines. Nothing was changed."""


class JobError(NlparamError):
    """A folder holds another job of `nlparam.scale` or none, or the results of one cannot be written or read."""


class SandboxError(NlparamError):
    """Code that nobody vouches for cannot be run: the sandbox does not start, or cannot confine it enough here."""


class MissingExtraError(NlparamError, ImportError):
    """An optional dependency is needed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'nlparam[{extra}]'")


def check_fractions(**values: float) -> None:
    """Raises `ValueError` for a value that is not between 0 and 1, both excluded."""
    for name, value in values.items():
        if not 0 < value < 1:
            raise ValueError(f"got {name}={value}, expected a number between 0 and 1")


def check_one_of(choices: Iterable[str], **values: Any) -> None:
    """Raises `ValueError` for a value that is none of the choices."""
    choices = tuple(choices)
    for name, value in values.items():
        if value not in choices:
            raise ValueError(f"got {name}={value!r}, expected one of {', '.join(choices)}")


def check_positive(why: str = "", **values: float) -> None:
    """Raises `ValueError` for a value that is not above 0; `why` it has to be is said behind it."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"got {name}={value}, expected a positive number{why}")


def check_at_least(least: float, **values: float | None) -> None:
    """Raises `ValueError` for a value below the least; `None` is left alone."""
    for name, value in values.items():
        if value is not None and value < least:
            raise ValueError(f"got {name}={value}, expected at least {least}")
