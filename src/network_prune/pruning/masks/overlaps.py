"""Refuse weights that share memory without being one: zeros of one would show in the other."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from network_prune.errors import UnsupportedNetworkError
from network_prune.pruning.ranking.rankable import owners

# What storage_key returns: device, address in bytes, dtype, shape and stride in elements.
_Key = tuple[Any, ...]


def refuse_overlaps(model: nn.Module, layers: Mapping[_Key, str]) -> None:
    """Refuse a ranked weight of which a part is another Parameter's, or its own elsewhere.

    Args:
        model: the network.
        layers: the ranked layers' names by their weights' storage keys.

    Raises:
        UnsupportedNetworkError: there is one.
    """
    held = owners(model)
    for one, other in chain(((key, key) for key in layers if _folds(key)), _overlapping(held)):
        ranked, with_it = (one, other) if one in layers else (other, one)
        if ranked in layers:
            module, name = held[with_it][0]
            path = next(path for path, each in model.named_modules() if each is module)
            raise UnsupportedNetworkError(
                f"the weight of layer {layers[ranked]!r} shares some of its memory with "
                f"{f'{path}.{name}'.lstrip('.')!r}, so pruned weights would not be zero there, or "
                "others would be; give each its own by layer.weight.data = "
                "layer.weight.data.clone()"
            )


def _overlapping(keys: Mapping[_Key, Any]) -> Iterator[tuple[_Key, _Key]]:
    """Yield the pairs that have a byte in common."""
    reaching: list[_Key] = []
    for key in sorted(keys, key=lambda key: (str(key[0]), key[1])):
        reaching = [k for k in reaching if k[0] == key[0] and k[1] + _extent(k) > key[1]]
        yield from ((other, key) for other in reaching if _share(other, key))
        reaching.append(key)


def _extent(key: _Key) -> int:
    """Return how many bytes there are from the first one to the end of the last element."""
    _, _, dtype, shape, strides = key
    last = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    return (last + 1) * dtype.itemsize


def _share(one: _Key, other: _Key) -> bool:
    start = min(one[1], other[1])
    # Nothing of it is ever touched.
    memory = np.empty(max(key[1] + _extent(key) for key in (one, other)) - start, np.uint8)
    return np.shares_memory(_laid_out(one, start, memory), _laid_out(other, start, memory))


def _laid_out(key: _Key, start: int, memory: NDArray[np.uint8]) -> NDArray[Any]:
    _, address, dtype, shape, strides = key
    size = dtype.itemsize
    return np.ndarray(
        tuple(shape),
        f"V{size}",
        memory,
        address - start,
        tuple(stride * size for stride in strides),
    )


def _folds(key: _Key) -> bool:
    """Whether several elements lie in one place, as ``Tensor.expand`` lays them, or may."""
    *_, shape, strides = key
    reach = 0
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size > 1 and stride <= reach:
            return True
        reach += (size - 1) * stride
    return False
