"""Array types and the glossary of dimension names that all numerics share.

`n_texts` texts, `n_predicates` predicates of the model, `n_candidates` predicates of a pool, `embed_dim` dimensions of
an embedding, `n_features` of the head's features, `n_fixed` predicates held fixed, `n_slots` predicates being relaxed.
"""

from typing import Any, TypeAlias

from jaxtyping import Array, Float, PRNGKeyArray

Embeddings: TypeAlias = Float[Array, "n_texts embed_dim"]
Denotations: TypeAlias = Float[Array, "n_texts n_predicates"]
Scores: TypeAlias = Float[Array, "n_texts n_slots"]
Pool: TypeAlias = Float[Array, "n_texts n_candidates"]
Features: TypeAlias = Float[Array, "n_texts n_features"]
Scalar: TypeAlias = Float[Array, ""]
Key: TypeAlias = PRNGKeyArray
Weights: TypeAlias = Any  # a PyTree of arrays; its structure is the model's choice
Data: TypeAlias = Any  # whatever the model's loss needs beside the denotations (labels, times), a PyTree of arrays
