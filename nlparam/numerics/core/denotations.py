"""From which denotation on a predicate holds."""

HOLDS = 0.5
