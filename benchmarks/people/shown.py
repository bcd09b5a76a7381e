"""What a prompt or notebook prints when a result is its last line."""

import json

from benchmarks.report import synthetic_comparison, synthetic_fit, synthetic_taxonomy, synthetic_texts

_N_TEXTS = 2_225


def repr_characters() -> int:
    """The longest `repr` of a fit, a tree and a comparison of 2,225 texts of 100 words."""
    texts = synthetic_texts(_N_TEXTS)
    made = {"fit": synthetic_fit, "taxonomy": synthetic_taxonomy, "comparison": synthetic_comparison}
    characters = {name: len(repr(make(texts))) for name, make in made.items()}
    print(json.dumps(characters))
    return max(characters.values())
