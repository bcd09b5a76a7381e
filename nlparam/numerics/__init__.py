"""Arrays only: models and their relaxation, heads, statistics, solvers. No texts, no prompts, no files."""
