"""Write a draw into a weight's own memory, over its prunable elements only.

All of it is integer work on the weight's bits: what stands there comes back bit for bit,
and a pruned weight is +0.0 whatever stood there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from network_prune.core.device_streams import bernoulli_bits_on_device, flags_on_device
from network_prune.core.layers import Granularity, Layer
from network_prune.core.streams import Words

Octets = NDArray[np.uint8]
Bits = NDArray[Any]

# Places inside a block fit 16 bits, and a block's weights fit a core's cache.
_BLOCK = 1 << 16
# Fewer rows than this aren't worth a block of their own.
_ROWS = 1 << 12
_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, slots=True)
class Drawn:
    """One draw over the whole network.

    Attributes:
        p_bern: probability that a prunable element is pruned.
        key: the draw's key, for bits that are made where the weight lies.
        octets: one bit for each position of the network, set where pruned; empty if no
            piece reads it.
    """

    p_bern: float
    key: int
    octets: Octets


class Piece(Protocol):
    """The prunable elements of a part of one layer.

    Attributes:
        weights: number of single weights that are kept aside.
        held_bytes: memory for them and their places.
        reads_octets: whether `Drawn.octets` is needed.
    """

    weights: int
    held_bytes: int
    reads_octets: bool

    def write(self, drawn: Drawn) -> None:
        """Prune the elements that were drawn, and put back the others."""
        ...

    def restore(self) -> None:
        """Put back all elements."""
        ...


class SingleWeights:
    """Prunable single weights among ``_BLOCK`` in a row: 16-bit places and saved values."""

    reads_octets = True

    def __init__(self, bits: Bits, prunable: Octets, octets: slice) -> None:
        places = np.flatnonzero(_flags(prunable, len(bits)))
        self._octets = octets
        self._bits = bits
        self._places = places.astype(np.uint16)
        self._saved = bits[places]
        self.weights = len(places)
        self.held_bytes = self._places.nbytes + self._saved.nbytes

    def write(self, drawn: Drawn) -> None:
        """Prune the elements that were drawn, and put back the others."""
        places = self._places.astype(np.intp)
        # 0 for a pruned weight and 255, in a signed octet -1, for one that stays.
        pruned = _flags(drawn.octets[self._octets], len(self._bits))
        keep = pruned.view(np.uint8).take(places, mode="clip")
        keep -= 1
        values = keep.view(np.int8).astype(self._saved.dtype)
        values &= self._saved
        self._bits[places] = values

    def restore(self) -> None:
        """Put back all elements."""
        self._bits[self._places.astype(np.intp)] = self._saved


class Rows:
    """Prunable elements of several weights each: row numbers and saved rows."""

    reads_octets = True

    def __init__(self, bits: Bits, prunable: Octets, octets: slice) -> None:
        rows = np.flatnonzero(_flags(prunable, len(bits)))
        self._octets = octets
        # NumPy copies a row at once if it is one item, and looks at no index twice if it clips.
        self._items = bits.view(f"V{bits.shape[1] * bits.itemsize}")[:, 0]
        self._zero = np.zeros((), self._items.dtype)
        self._rows = rows.astype(np.int32)
        self._saved = self._items.take(rows, mode="clip")
        self._is_pruned = np.zeros(len(rows), np.bool_)
        self.weights = len(rows) * bits.shape[1]
        self.held_bytes = self._rows.nbytes + self._saved.nbytes + self._is_pruned.nbytes

    def write(self, drawn: Drawn) -> None:
        """Prune the elements that were drawn, and put back the others; unchanged ones rest."""
        is_pruned = _flags(drawn.octets[self._octets], len(self._items)).take(
            self._rows, mode="clip"
        )
        gone = np.flatnonzero(is_pruned > self._is_pruned)
        back = np.flatnonzero(is_pruned < self._is_pruned)
        self._items.put(self._rows.take(gone, mode="clip"), self._zero, mode="clip")
        values = self._saved.take(back, mode="clip")
        self._items.put(self._rows.take(back, mode="clip"), values, mode="clip")
        self._is_pruned = is_pruned

    def restore(self) -> None:
        """Put back all elements, also after a `write` that was cut short."""
        self._items.put(self._rows, self._saved, mode="clip")
        self._is_pruned[:] = False


class WholeWeight:
    """A weight of any device and memory format, with a copy of all its values.

    Its bits are drawn where it lies.
    """

    reads_octets = False

    def __init__(
        self,
        weight: Tensor,
        layer: Layer,
        granularity: Granularity,
        *,
        prunable: Words,
        first_word: int,
    ) -> None:
        self._weight = weight
        self._saved = weight.clone()
        self._layer = layer
        self._granularity = granularity
        self._prunable = torch.from_numpy(prunable.view(np.int64).copy()).to(weight.device)
        self._first_word = first_word
        self.weights = weight.numel()
        self.held_bytes = self._saved.nbytes + self._prunable.nbytes

    def write(self, drawn: Drawn) -> None:
        """Prune the elements that were drawn, and put back the others."""
        words = bernoulli_bits_on_device(
            drawn.p_bern, self._prunable, key=drawn.key, first=self._first_word
        )
        flags = flags_on_device(words, self._layer.element_count(self._granularity))
        elements = flags.reshape(self._layer.element_shape(self._granularity))
        zero = self._layer.expand(elements, self._granularity)
        self._copy(self._saved.masked_fill(zero, 0.0))

    def restore(self) -> None:
        """Put back all elements."""
        self._copy(self._saved)

    def _copy(self, values: Tensor) -> None:
        # What was made in inference mode can be written in no other.
        with torch.inference_mode(self._weight.is_inference()):
            self._weight.copy_(values)


def pieces_of(
    weight: Tensor, layer: Layer, granularity: Granularity, *, prunable: Words, first_word: int
) -> Iterator[Piece]:
    """Yield the pieces of one layer that have prunable elements.

    Args:
        weight: the layer's weight, detached, of the stored shape.
        layer: its description.
        granularity: what an element is.
        prunable: the layer's words of the prunable set.
        first_word: number of the first of them among the network's.
    """
    if not prunable.any():
        return
    if layer.transposed or not weight.is_contiguous() or not weight.is_cpu:
        yield WholeWeight(weight, layer, granularity, prunable=prunable, first_word=first_word)
        return
    elements = layer.element_count(granularity)
    bits = weight.view(_INTEGERS[weight.element_size()]).numpy().reshape(elements, -1)
    octets = octets_of(prunable)
    size = bits.shape[1]
    length = _BLOCK if size == 1 else max(_ROWS, _BLOCK // size // 8 * 8)
    for start in range(0, elements, length):
        own = octets[start // 8 : (start + length) // 8]
        if not own.any():
            continue
        first = 8 * first_word + start // 8
        place = slice(first, first + len(own))
        block = bits[start : start + length]
        if size == 1:
            yield SingleWeights(block[:, 0], own, place)
        else:
            yield Rows(block, own, place)


def octets_of(words: Words) -> Octets:
    """Return the words' octets, that of the lowest positions first."""
    return words.astype("<u8", copy=False).view(np.uint8)


def _flags(octets: Octets, count: int) -> NDArray[np.bool_]:
    """Unpack the first ``count`` bits."""
    return np.unpackbits(octets, count=count, bitorder="little").view(np.bool_)
