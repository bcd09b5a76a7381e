"""Arrays that were computed before are read again: what depends on nothing but its inputs is computed once."""

import contextlib
import hashlib
import importlib.metadata
import os
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nlparam.runtime.cache_dir import cache_dir
from nlparam.runtime.compiled import keep_within
from nlparam.runtime.files import replacing

# Bytes of arrays that are kept, and from how many seconds on what was computed is worth a file.
_MOST, _SLOW = 1 << 30, 0.5

Arrays = dict[str, np.ndarray]


def memoised(
    name: str, inputs: Mapping[str, np.ndarray | Sequence[str]], compute: Callable[[], Arrays], *, kept: bool = True
) -> Arrays:
    """What `compute` returns, from the cache directory if it was computed from the same `inputs` before.

    `name` tells computations apart, and the versions of one. What took long is kept in `computed/`, 1 GiB at most,
    those files being removed first that were not read for longest. A folder that cannot be written to, or a broken
    file, is no error: the arrays are then computed. Without `kept` they always are.
    """
    if not kept:
        return compute()
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file

    folder = cache_dir() / "computed"
    file = folder / f"{_digest(name, inputs)}.safetensors"
    with contextlib.suppress(OSError, SafetensorError):
        found = load_file(file)
        os.utime(file)
        return found
    start = time.perf_counter()
    arrays = compute()
    if time.perf_counter() - start < _SLOW:
        return arrays
    with contextlib.suppress(OSError, SafetensorError):
        with replacing(file) as partial:
            save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, partial)
        keep_within(folder, _MOST)
    return arrays


def _digest(name: str, inputs: Mapping[str, np.ndarray | Sequence[str]]) -> str:
    digest = hashlib.sha256(f"{importlib.metadata.version('nlparam')}\0{name}".encode())
    for key, value in sorted(inputs.items()):
        if isinstance(value, np.ndarray):
            parts = [(f"{value.dtype} {value.shape}", np.ascontiguousarray(value).data)]
        else:
            encoded = (text.encode() for text in value)
            parts = ((f"text of {len(part)}", part) for part in encoded)
        for kind, part in parts:
            digest.update(f"\0{key} {kind}\0".encode())
            digest.update(part)
    return digest.hexdigest()
