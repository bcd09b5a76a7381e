"""Comparing groups of texts: proposing, screening, testing. `nlparam.compare` is in `driver`."""
