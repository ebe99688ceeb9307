"""Write a draw into a weight's own memory, over its prunable elements only.

All of it is integer work on the weight's bits: what stands there comes back bit for bit,
and a pruned weight is +0.0 whatever stood there.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from network_prune.core.layers import Granularity, Layer

Octets = NDArray[np.uint8]
Bits = NDArray[Any]

# Places inside a block fit 16 bits, and a block's weights fit a core's cache.
_BLOCK = 1 << 16
# Fewer rows than this aren't worth a block of their own.
_ROWS = 1 << 12
_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


class Piece(Protocol):
    """The prunable elements of a part of one layer.

    Attributes:
        octets: where the part's bits stand among those of the layer.
        weights: number of single weights that are kept aside.
        held_bytes: memory for them and their places.
    """

    octets: slice
    weights: int
    held_bytes: int

    def write(self, pruned: Octets) -> None:
        """Prune the elements whose bit is set, and put back the others."""
        ...

    def restore(self) -> None:
        """Put back all elements."""
        ...


class SingleWeights:
    """Prunable single weights among ``_BLOCK`` in a row: 16-bit places and saved values."""

    def __init__(self, bits: Bits, prunable: Octets, octets: slice) -> None:
        places = np.flatnonzero(_flags(prunable, len(bits)))
        self.octets = octets
        self._bits = bits
        self._places = places.astype(np.uint16)
        self._saved = bits[places]
        self.weights = len(places)
        self.held_bytes = self._places.nbytes + self._saved.nbytes

    def write(self, pruned: Octets) -> None:
        """Prune the elements whose bit is set, and put back the others."""
        places = self._places.astype(np.intp)
        # 0 for a pruned weight and 255, in a signed octet -1, for one that stays.
        keep = _flags(pruned, len(self._bits)).view(np.uint8).take(places, mode="clip")
        keep -= 1
        values = keep.view(np.int8).astype(self._saved.dtype)
        values &= self._saved
        self._bits[places] = values

    def restore(self) -> None:
        """Put back all elements."""
        self._bits[self._places.astype(np.intp)] = self._saved


class Rows:
    """Prunable elements of several weights each: row numbers and saved rows."""

    def __init__(self, bits: Bits, prunable: Octets, octets: slice) -> None:
        rows = np.flatnonzero(_flags(prunable, len(bits)))
        self.octets = octets
        # NumPy copies a row at once if it is one item.
        self._items = bits.view(f"V{bits.shape[1] * bits.itemsize}")[:, 0]
        self._zero = np.zeros((), self._items.dtype)
        self._rows = rows.astype(np.int32)
        self._saved = self._items[rows]
        self._is_pruned = np.zeros(len(rows), np.bool_)
        self.weights = len(rows) * bits.shape[1]
        self.held_bytes = self._rows.nbytes + self._saved.nbytes + self._is_pruned.nbytes

    def write(self, pruned: Octets) -> None:
        """Prune the elements whose bit is set, and put back the others; unchanged ones rest."""
        is_pruned = _flags(pruned, len(self._items))[self._rows]
        gone = np.flatnonzero(is_pruned & ~self._is_pruned)
        back = np.flatnonzero(self._is_pruned & ~is_pruned)
        self._items[self._rows[gone]] = self._zero
        self._items[self._rows[back]] = self._saved[back]
        self._is_pruned = is_pruned

    def restore(self) -> None:
        """Put back all elements, also after a `write` that was cut short."""
        self._items[self._rows] = self._saved
        self._is_pruned[:] = False


class WholeWeight:
    """A weight of any device and memory format, with a copy of all its values."""

    def __init__(self, weight: Tensor, layer: Layer, granularity: Granularity) -> None:
        self.octets = slice(0, -(-layer.element_count(granularity) // 8))
        self.weights = weight.numel()
        self._weight = weight
        self._saved = weight.clone()
        self.held_bytes = self._saved.nbytes
        self._layer = layer
        self._granularity = granularity

    def write(self, pruned: Octets) -> None:
        """Prune the elements whose bit is set, and put back the others."""
        count = self._layer.element_count(self._granularity)
        elements = torch.from_numpy(_flags(pruned, count)).reshape(
            self._layer.element_shape(self._granularity)
        )
        zero = self._layer.expand(elements, self._granularity).to(self._weight.device)
        self._weight.copy_(self._saved.masked_fill(zero, 0.0))

    def restore(self) -> None:
        """Put back all elements."""
        self._weight.copy_(self._saved)


def pieces_of(
    weight: Tensor, layer: Layer, granularity: Granularity, prunable: Octets
) -> Iterator[Piece]:
    """Yield the pieces of one layer that have prunable elements.

    Args:
        weight: the layer's weight, detached, of the stored shape.
        layer: its description.
        granularity: what an element is.
        prunable: one bit for each element of the layer, those of the prunable set being set.
    """
    if not prunable.any():
        return
    if layer.transposed or not weight.is_contiguous() or not weight.is_cpu:
        yield WholeWeight(weight, layer, granularity)
        return
    elements = layer.element_count(granularity)
    bits = weight.view(_INTEGERS[weight.element_size()]).numpy().reshape(elements, -1)
    size = bits.shape[1]
    length = _BLOCK if size == 1 else max(_ROWS, _BLOCK // size // 8 * 8)
    for start in range(0, elements, length):
        octets = slice(start // 8, (start + length) // 8)
        if not prunable[octets].any():
            continue
        block = bits[start : start + length]
        if size == 1:
            yield SingleWeights(block[:, 0], prunable[octets], octets)
        else:
            yield Rows(block, prunable[octets], octets)


def _flags(octets: Octets, count: int) -> NDArray[np.bool_]:
    """Unpack the first ``count`` bits."""
    return np.unpackbits(octets, count=count, bitorder="little").view(np.bool_)
