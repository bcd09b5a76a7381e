"""Recipes for the foundational challenges, explained in `docs/how-to/challenges.md`: `python -m examples.contradictions`."""
