"""Controls: what a model allows for beside its predicates, such as the year, the source or the length of a text."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from nlparam.errors import CorpusError
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.quantities import Coords
from nlparam.numerics.statistics.covariates import Encoding, encode

# The dimension of their columns, and the keys of a mapping that has a target and controls.
CONTROL, TARGET, CONTROLS = "control", "target", "controls"


def apart(data: Any, n_texts: int) -> tuple[Any, Float[Array, "n_texts n_controls"] | None, Coords]:
    """The target, the columns of the controls, and what these are called.

    **Arguments:** `data`, the target alone, which then has no controls (`None`), or a mapping
    `{"target": ..., "controls": {"year": [...], "source": [...]}}`. Numbers become natural splines and categories
    indicators, each column with mean 0 and standard deviation 1, by `nlparam.numerics.statistics.covariates.encode`.

    Raises `CorpusError` for a mapping with other keys, and what `encode` raises.
    """
    if not isinstance(data, Mapping):
        return data, None, {}
    controls = data.get(CONTROLS, {})
    if TARGET not in data or data.keys() - {TARGET, CONTROLS} or not isinstance(controls, Mapping):
        raise CorpusError(
            f"got data with the keys {', '.join(map(repr, data)) or 'of none'}, expected 'target' and 'controls', a "
            "mapping from names to one value for each text"
        )
    if not controls:
        return data[TARGET], None, {}
    encoded = encode({str(name): list(values) for name, values in controls.items()}, n_texts)
    names = [name for encoding in encoded.encodings for name in _names(encoding)]
    return data[TARGET], to_device(encoded.matrix), {CONTROL: names}


def _names(encoding: Encoding) -> list[str]:
    if not encoding.numeric:
        return [f"{encoding.name}: {level}" for level in encoding.levels]
    n_columns = len(encoding.scale)
    if n_columns == 1:
        return [encoding.name]
    return [f"{encoding.name}, spline {number} of {n_columns}" for number in range(1, n_columns + 1)]


def beside(denotations: Array, controls: Array | None) -> Array:
    """The columns that have coefficients: those of the predicates, and then those of the controls."""
    return denotations if controls is None else jnp.concatenate([denotations, controls], axis=1)
