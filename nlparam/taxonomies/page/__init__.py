"""The report of a taxonomy."""
