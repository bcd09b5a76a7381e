"""Runnable experiments and timings: `python -m benchmarks.NAME`. The last line each prints is one JSON object."""
