"""What the scripted language models of the measurements share: errors and orders that a prompt alone decides."""

import hashlib
from collections.abc import Sequence

import numpy as np


def share(*parts: str) -> float:
    """A number in [0, 1) that looks random and depends on nothing but the parts."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:4], "big") / 2**32


def shuffled(items: Sequence[str], seed: str) -> list[str]:
    """The items in an order that depends on nothing but the seed."""
    return np.random.default_rng(int(share(seed) * 2**32)).permutation(list(items)).tolist()


def yes_or_no(says: bool, chance: float) -> dict[str, float]:
    """Label probabilities of an answer that is given with this chance."""
    return {"yes": chance, "no": 1 - chance} if says else {"yes": 1 - chance, "no": chance}
