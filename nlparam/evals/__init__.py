"""Systems put to the test: explanations, decompositions, evaluators, code. Nothing below knows of them."""
