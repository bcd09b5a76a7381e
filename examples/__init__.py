"""Recipes for the foundational challenges: see `docs/how-to/challenges.md`. `python -m examples.contradictions`."""
