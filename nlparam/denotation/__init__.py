"""Where language and numerics meet: a session with a language model, its judgments, and denotations learned from them.

What is done with denotations (a fit, a tree, a comparison) belongs to the rooms above; prompts belong to `language`,
arrays to `numerics`.
"""
