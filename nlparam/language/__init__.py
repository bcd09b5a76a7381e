"""What a language model is asked: prompts, and the steps that fill and read them. Strings and NumPy arrays only.

Who answers belongs to `lm`; what is computed from the answers belongs to `denotation` and above.
"""
