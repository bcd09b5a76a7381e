"""Solving and sampling: Newton's method, chains of time steps, draws from posteriors."""
