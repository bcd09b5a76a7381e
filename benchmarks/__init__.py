"""Runnable experiments and timings: `python -m benchmarks.NAME`.

The last line that a measurement prints is one JSON object. `run` writes its figures into a folder, and `table` prints
them as JSON with `--json`.
"""
