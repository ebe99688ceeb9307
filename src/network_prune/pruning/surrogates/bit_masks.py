"""A draw's masks as integer work on weights' bits, on the CPU."""

from _thread import start_new_thread
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from threading import Lock
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
    """Mask in this thread and in others, as far as they start.

    An executor's threads wouldn't once the main thread is over, and Ctrl-C while they start may
    leave a lock of theirs taken for good.
    """
    blocks = sum(masking.layer.weights for masking in maskings) // _BLOCK
    left, errors = deque(maskings), list[BaseException]()
    helpers: list[Lock] = []
    try:
        with suppress(RuntimeError):  # no thread starts any more
            for _ in range(min(torch.get_num_threads(), blocks) - 1):
                under_way = Lock()
                under_way.acquire()
                start_new_thread(_help, (left, errors, under_way))
                helpers.append(under_way)
        _mask_all(left)
        for under_way in helpers:
            under_way.acquire()
    finally:
        left.clear()
    for error in errors:
        raise error


def _help(left: deque[Masking], errors: list[BaseException], under_way: Lock) -> None:
    try:
        _mask_all(left)
    except BaseException as error:
        errors.append(error)
    finally:
        under_way.release()


def _mask_all(left: deque[Masking]) -> None:
    """Mask what is left, until nothing is; several threads share it."""
    while True:
        try:
            masking = left.popleft()
        except IndexError:
            return
        _mask_by_blocks(masking)


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
