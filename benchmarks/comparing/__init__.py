"""Comparisons, measured; see `benchmarks.compare`."""
