"""Configurations of experiments, one YAML file each; only `benchmarks` reads them, the library never does."""
