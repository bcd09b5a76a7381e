"""PyTrees as JSON and named arrays, so that weights of any shape can be saved without pickle."""

import importlib
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def pack(tree: Any, name: str = "weights") -> tuple[Any, Arrays]:
    """Takes a PyTree of arrays, numbers, dicts, lists, tuples and named tuples apart.

    **Returns:** its structure, made of JSON values, and its leaves as arrays under dotted names. Raises `TypeError` for
    anything else.
    """
    if tree is None:
        return None, {}
    if isinstance(tree, dict):
        if not all(isinstance(key, str) for key in tree):
            raise TypeError(f"cannot save a dict with the keys {list(tree)}: expected strings")
        packed = {key: pack(value, f"{name}.{key}") for key, value in tree.items()}
        return {"dict": {key: structure for key, (structure, _) in packed.items()}}, _merged(packed.values())
    fields = getattr(tree, "_fields", None)
    if isinstance(tree, tuple) and fields is not None:
        packed = [pack(value, f"{name}.{field}") for field, value in zip(fields, tree, strict=True)]
        kind = f"{type(tree).__module__}:{type(tree).__qualname__}"
        return {"named": kind, "items": [structure for structure, _ in packed]}, _merged(packed)
    if isinstance(tree, list | tuple):
        packed = [pack(value, f"{name}.{number}") for number, value in enumerate(tree)]
        return {type(tree).__name__: [structure for structure, _ in packed]}, _merged(packed)
    leaf = np.asarray(tree)
    if leaf.dtype == object:
        raise TypeError(f"cannot save {name} of type {type(tree).__name__}: expected arrays, dicts, lists or tuples")
    # safetensors writes the memory as it lies, so it has to lie in order; a scalar keeps its shape.
    return {"array": name}, {name: np.ascontiguousarray(leaf).reshape(leaf.shape)}


def unpack(structure: Any, arrays: Arrays) -> Any:
    """Puts together what `pack` took apart.

    A named tuple whose class cannot be imported, or is no named tuple, becomes a plain tuple. Raises `KeyError` if an
    array is missing.
    """
    if structure is None:
        return None
    if "array" in structure:
        return arrays[structure["array"]]
    if "dict" in structure:
        return {key: unpack(value, arrays) for key, value in structure["dict"].items()}
    if "named" in structure:
        items = [unpack(item, arrays) for item in structure["items"]]
        kind = _named_tuple(structure["named"])
        return tuple(items) if kind is None else kind(*items)
    name, items = next(iter(structure.items()))
    return {"list": list, "tuple": tuple}[name](unpack(item, arrays) for item in items)


def _named_tuple(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return None
    # The name comes from a file: only a class of tuples may be called.
    return kind if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields") else None


def _merged(packed) -> Arrays:
    merged: Arrays = {}
    for _, arrays in packed:
        merged |= arrays
    return merged
