"""The judging engine, measured; see `__main__`."""
