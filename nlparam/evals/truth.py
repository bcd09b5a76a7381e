"""Yes and no as files and people write them."""

from typing import Any

_YES = {"true", "t", "yes", "y", "1", "1.0", "pass", "passed", "accept", "accepted", "correct", "right", "good"}
_NO = {"false", "f", "no", "n", "0", "0.0", "fail", "failed", "reject", "rejected", "incorrect", "wrong", "bad"}


def truth(value: Any) -> bool | None:
    """A boolean, 0 or 1, or a word such as yes and no, pass and fail; `None` for anything else."""
    said = str(value).strip().casefold()
    return said in _YES if said in _YES | _NO else None
