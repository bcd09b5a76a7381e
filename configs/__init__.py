"""Configurations of experiments, one YAML file each, that `benchmarks` reads; and the prices of `nlparam.budget`."""
