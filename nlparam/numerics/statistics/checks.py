"""Checks that several statistics share."""


def check_confidence(confidence: float) -> None:
    """Raises `ValueError` unless the level of an interval is between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"got confidence={confidence}, expected a number between 0 and 1")
