"""Where arrays live: on the device there is, or spread over the devices there are."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def to_device(values: Any, dtype: Any = None) -> jax.Array:
    """A copy of an array on the device. (`jnp.asarray` makes the same, but compiles a program for every shape.)

    What is an array of JAX stays where it is. By default the type is that of `values`, in the precision of JAX.
    """
    if isinstance(values, jax.Array):
        return jnp.asarray(values, dtype)
    values = np.asarray(values)
    # A copy, as the memory of an array of NumPy may be used as it is.
    return jax.device_put(np.array(values, jax.dtypes.canonicalize_dtype(values.dtype if dtype is None else dtype)))


def place_texts(rows: np.ndarray) -> jax.Array:
    """Puts an array of one row per text onto the devices, its text axis sharded over them where there are several.

    Computations on a sharded array run on all devices without further ado; XLA adds up the parts. Rows beyond
    `n_placed` are left out. On a CPU an array whose memory begins at a multiple of 64 bytes is used as it is, without a
    copy: do not change it afterwards.
    """
    devices = jax.devices()
    if len(devices) == 1 or len(rows) < len(devices):
        return jax.device_put(rows, devices[0])
    # "Auto": XLA chooses how every other array is split, instead of asking at every operation.
    mesh = jax.make_mesh((len(devices),), ("texts",), devices=devices, axis_types=(jax.sharding.AxisType.Auto,))
    return jax.device_put(rows[: n_placed(len(rows))], jax.NamedSharding(mesh, jax.P("texts")))


def n_placed(n_texts: int) -> int:
    """How many of the texts `place_texts` places: as many as divide evenly among the devices, all on a single one."""
    n_devices = len(jax.devices())
    return n_texts - n_texts % n_devices if n_texts >= n_devices else n_texts
