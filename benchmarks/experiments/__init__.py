"""Experiments: data sets, arms and scores, put together by `benchmarks.run` and read by `benchmarks.table`."""
