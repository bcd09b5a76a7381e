"""From run folders to tables, tests, figures and the few numbers that say where nlparam stands."""
