"""Configurations of experiments, one YAML file each, that `benchmarks` reads."""
