"""How a run is bounded, counted and shown: budgets, costs, progress, telemetry, caches, and the sandbox.

Nothing here knows what is run: no texts, predicates or models.
"""
