"""Configurations of experiments, one YAML file each, read by `benchmarks` only; and the prices that `nlparam.budget` reads."""
