"""Whether a fit follows its goal: `python -m benchmarks.goals`."""
