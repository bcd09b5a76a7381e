"""Estimates, intervals and tests on arrays, and measures of agreement. No fitting of models."""
