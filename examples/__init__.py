"""Recipes for the foundational challenges, explained in `docs/challenges.md`: `python -m examples.contradictions`."""
