"""Weights of any structure survive saving."""

from typing import NamedTuple

import numpy as np
import pytest

from nlparam.results.pytree import pack, unpack


class Pair(NamedTuple):
    first: np.ndarray
    second: dict


TREES = [
    np.arange(6.0).reshape(2, 3),
    Pair(np.ones(2), {"a": np.zeros((1, 2)), "b": [np.int64(3), (np.ones(1), None)]}),
    {"empty": np.zeros((0, 4)), "scalar": np.float32(2.5), "transposed": np.arange(6).reshape(2, 3).T},
]


@pytest.mark.parametrize("tree", TREES, ids=["array", "named", "dict"])
def test_round_trip(tree, tmp_path):
    import json

    from safetensors.numpy import load_file, save_file

    structure, arrays = pack(tree)
    save_file(arrays, tmp_path / "w.safetensors")
    found = unpack(json.loads(json.dumps(structure)), load_file(tmp_path / "w.safetensors"))
    assert type(found) is type(tree) or np.isscalar(tree)
    again, leaves = pack(found)
    assert again == structure
    for name, leaf in arrays.items():
        np.testing.assert_array_equal(leaves[name], leaf)
        assert leaves[name].dtype == leaf.dtype
        assert leaves[name].shape == leaf.shape


def test_a_class_that_is_no_named_tuple_is_not_called():
    structure = {"named": "subprocess:Popen", "items": [{"array": "weights.0"}]}
    assert unpack(structure, {"weights.0": np.ones(1)}) == (np.ones(1),)


def test_what_cannot_be_saved_is_refused():
    with pytest.raises(TypeError, match=r"weights\.model"):
        pack({"model": object()})
    with pytest.raises(TypeError, match="strings"):
        pack({1: np.ones(1)})
