"""A draw's masks as integer work on weights' bits, on the CPU."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from network_prune.core.layers import Granularity, Layer
from network_prune.core.streams import Octets

# A block of weights and its masks stay in a core's cache.
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Masking:
    """A weight to mask, and where the copy goes.

    Attributes:
        layer: its layer.
        weight: as integers.
        target: like it.
        octets: the layer's pruned elements, eight an octet.
    """

    layer: Layer
    weight: Tensor
    target: Tensor
    octets: Octets


def mask(maskings: Iterable[Masking], granularity: Granularity) -> None:
    """Fill the targets: 0 where an element is pruned."""
    of_blocks: list[Masking] = []
    for masking in maskings:
        layer = masking.layer
        is_single = layer.element_count(granularity) == layer.weights
        if is_single and layer.shape and not layer.transposed:
            of_blocks.append(masking)
        else:
            _mask_whole(masking, granularity)
    _in_threads(of_blocks)


def _in_threads(maskings: list[Masking]) -> None:
    blocks = sum(masking.layer.weights for masking in maskings) // _BLOCK
    threads = min(torch.get_num_threads(), blocks)
    if threads < 2 or not _are_shared(maskings, threads):
        for masking in maskings:
            _mask_by_blocks(masking)


def _are_shared(maskings: list[Masking], threads: int) -> bool:
    """Mask in several threads; return whether they start: none does once the main one is over."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            begun = [pool.submit(_mask_by_blocks, masking) for masking in maskings]
        except RuntimeError:
            return False
        for each in begun:
            each.result()
    return True


def _mask_whole(masking: Masking, granularity: Granularity) -> None:
    """Mask a layer at once, in PyTorch's threads: best where elements are of several weights."""
    layer = masking.layer
    stays = _stays(masking.octets, masking.weight.numpy().dtype)
    elements = torch.from_numpy(stays[: layer.element_count(granularity)])
    elements = elements.reshape(layer.element_shape(granularity))
    torch.bitwise_and(masking.weight, layer.expand(elements, granularity), out=masking.target)


def _mask_by_blocks(masking: Masking) -> None:
    """Mask single weights in one thread, by blocks of rows whose bits fill octets."""
    weight, target = masking.weight.numpy(), masking.target.numpy()
    size = weight[0].size
    step = 8 // gcd(8, size)
    rows = max(1, _BLOCK // (size * step)) * step
    for first in range(0, len(weight), rows):
        block = weight[first : first + rows]
        octets = masking.octets[first * size // 8 : -(-(first * size + block.size) // 8)]
        stays = _stays(octets, weight.dtype)[: block.size].reshape(block.shape)
        np.bitwise_and(block, stays, out=target[first : first + rows])


def _stays(octets: Octets, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an integer for each bit: 0 where it is set, all ones where it isn't."""
    return _octets_as_integers(dtype).take(octets, mode="clip").view(dtype)


@lru_cache
def _octets_as_integers(dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return for each octet its eight integers, as one item that NumPy copies at once."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    return (bits.astype(dtype) - 1).view(f"V{8 * dtype.itemsize}")[:, 0]
