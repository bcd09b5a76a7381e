"""Whether intervals hold and claims are true, simulated with planted truth: `python -m benchmarks.inference`."""
