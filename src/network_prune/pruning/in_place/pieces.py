"""Write a draw into a weight's own memory, over its prunable elements only.

All of it is integer work on the weight's bits: what stands there comes back bit for bit,
and a pruned weight is +0.0 whatever stood there.

With the channels last a filter ``[in, *kernel]`` lies in memory as ``[*kernel, in]``; the bits
of a draw are in the order of the shape, whatever the layout.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from network_prune.core.elements import ElementSet
from network_prune.core.layers import Granularity, Layer
from network_prune.core.streams import Octets, flags_of, octets_of
from network_prune.pruning.drawing import Drawn
from network_prune.pruning.integers import as_integers

Bits = NDArray[Any]
Order = NDArray[np.uint16]
Place = Callable[[NDArray[Any]], NDArray[Any]]

# Places inside a block fit 16 bits, and a block's weights fit a core's cache.
_BLOCK = 1 << 16
# Fewer rows than this aren't worth a block of their own.
_ROWS = 1 << 12


class Piece(Protocol):
    """The prunable elements of a part of one layer.

    Attributes:
        held_bytes: memory for them and their places.
        order: what `channels_last_order` returned, which pieces share, if it is needed.
    """

    held_bytes: int
    order: Order | None

    def write(self, drawn: Drawn) -> None:
        """Prune the elements that were drawn, and put back the others."""
        ...

    def restore(self) -> None:
        """Put back all elements."""
        ...


class SingleWeights:
    """Prunable single weights among ``_BLOCK`` in a row: 16-bit places and saved values.

    Args:
        bits: the weights' memory.
        prunable: their octets of the prunable set.
        octets: where these are among all octets.
        order: where each place's bit is, None for the same place.
    """

    def __init__(
        self, bits: Bits, prunable: Octets, octets: slice, order: Order | None = None
    ) -> None:
        flags = flags_of(prunable, len(bits))
        places = np.flatnonzero(flags if order is None else flags[order[: len(bits)]])
        self.order: Order | None = order
        self._octets = octets
        self._bits = bits
        self._places = places.astype(np.uint16)
        self._saved = bits[places]
        self.held_bytes = self._places.nbytes + self._saved.nbytes

    def write(self, drawn: Drawn) -> None:
        """Prune the elements that were drawn, and put back the others."""
        places = self._places.astype(np.intp)
        # 0 for a pruned weight and 255, in a signed octet -1, for one that stays.
        pruned = flags_of(drawn.octets[self._octets], len(self._bits))
        numbers = places if self.order is None else self.order.take(places).astype(np.intp)
        keep = pruned.view(np.uint8).take(numbers, mode="clip")
        keep -= 1
        values = keep.view(np.int8).astype(self._saved.dtype)
        values &= self._saved
        self._bits[places] = values

    def restore(self) -> None:
        """Put back all elements."""
        self._bits[self._places.astype(np.intp)] = self._saved


class Several:
    """Prunable elements of several weights each: their numbers and saved values.

    Args:
        planes: flat views of the memory: what a plane has at an element's place is the
            element's, all of it where it lies in a row, one weight of it otherwise.
        count: number of elements.
        place: returns elements' places, which are the same in every plane, by number.
        prunable: their octets of the prunable set.
        octets: where these are among all octets.
    """

    order: Order | None = None

    def __init__(
        self, planes: list[Bits], count: int, place: Place, prunable: Octets, octets: slice
    ) -> None:
        numbers = np.flatnonzero(flags_of(prunable, count))
        self._octets = octets
        self._count = count
        self._place = place
        # NumPy looks at no index twice if it clips.
        self._saved = [plane.take(place(numbers), mode="clip") for plane in planes]
        self._planes = planes
        self._zero = np.zeros((), planes[0].dtype)
        self._numbers = numbers.astype(np.int32)
        self._is_pruned = np.zeros(len(numbers), np.bool_)
        saved = sum(values.nbytes for values in self._saved)
        self.held_bytes = self._numbers.nbytes + saved + self._is_pruned.nbytes

    def write(self, drawn: Drawn) -> None:
        """Prune the elements that were drawn, and put back the others; unchanged ones rest."""
        flags = flags_of(drawn.octets[self._octets], self._count)
        is_pruned = flags.take(self._numbers, mode="clip")
        returning = np.flatnonzero(is_pruned < self._is_pruned)
        gone = self._places(np.flatnonzero(is_pruned > self._is_pruned))
        back = self._places(returning)
        for plane, saved in zip(self._planes, self._saved, strict=True):
            plane.put(gone, self._zero, mode="clip")
            plane.put(back, saved.take(returning, mode="clip"), mode="clip")
        self._is_pruned = is_pruned

    def restore(self) -> None:
        """Put back all elements, also after a `write` that was cut short."""
        places = self._place(self._numbers)
        for plane, saved in zip(self._planes, self._saved, strict=True):
            plane.put(places, saved, mode="clip")
        self._is_pruned[:] = False

    def _places(self, which: Any) -> Any:
        return self._place(self._numbers.take(which, mode="clip"))


class WholeWeight:
    """A weight of any device and memory format, with a copy of all its values.

    Its bits are drawn where it lies.

    Args:
        weight: the layer's weight.
        place: number of the layer among the ranked ones.
    """

    order: Order | None = None

    def __init__(self, weight: Tensor, place: int) -> None:
        self._weight = weight
        self._saved = weight.clone()
        self._zero = weight.new_zeros(())
        self._place = place
        self.held_bytes = self._saved.nbytes

    def write(self, drawn: Drawn) -> None:
        """Prune the elements that were drawn, and put back the others."""
        zero = drawn.zeroed(self._place, self._weight.device)
        with self._writable():
            torch.where(zero, self._zero, self._saved, out=self._weight)

    def restore(self) -> None:
        """Put back all elements."""
        with self._writable():
            self._weight.copy_(self._saved)

    def _writable(self) -> torch.inference_mode:
        # What was made in inference mode can be written in no other.
        return torch.inference_mode(self._weight.is_inference())


def pieces_of(weight: Tensor, elements: ElementSet, place: int) -> Iterator[Piece]:
    """Yield the pieces of one layer that have prunable elements.

    Args:
        weight: the layer's weight, detached, of the stored shape.
        elements: the prunable ones of the network.
        place: number of the layer among the ranked ones.
    """
    layer, span = elements.layers[place], elements.spans[place]
    prunable = elements.words[span]
    if not prunable.any():
        return
    parts = _parts(weight, layer, elements.granularity)
    if parts is None:
        yield WholeWeight(weight, place)
        return
    octets = octets_of(prunable)
    for start in range(0, layer.element_count(elements.granularity), parts.length):
        own = octets[start // 8 : (start + parts.length) // 8]
        if own.any():
            first = 8 * span.start + start // 8
            yield parts.make(start, own, slice(first, first + len(own)))


@dataclass(frozen=True, slots=True)
class _Parts:
    """How a layer divides into pieces.

    Attributes:
        length: number of elements a piece, a multiple of 8.
        make: gives the piece from an element on, with its octets and where they are.
    """

    length: int
    make: Callable[[int, Octets, slice], Piece]


def _parts(weight: Tensor, layer: Layer, granularity: Granularity) -> _Parts | None:
    """Return how the layer divides, None where it can only be taken as a whole."""
    if layer.transposed or not weight.is_cpu:
        return None
    if weight.is_contiguous():
        return _rows(_bits(weight).reshape(layer.element_count(granularity), -1))
    if weight.dim() < 3 or not weight.movedim(1, -1).is_contiguous():
        return None
    planes = _bits(weight.movedim(1, -1)).reshape(len(weight), -1, weight.shape[1])
    if granularity is Granularity.NEURON:
        return _rows(planes.reshape(len(planes), -1))
    if granularity is Granularity.CONNECTION:
        return _columns(planes)
    return _single_weights(planes)


def _rows(bits: Bits) -> _Parts:
    """Divide elements that are rows in memory, ``[elements, weights]``."""
    size = bits.shape[1]
    if size == 1:
        flat = bits[:, 0]
        return _Parts(
            _BLOCK, lambda start, *octets: SingleWeights(flat[start : start + _BLOCK], *octets)
        )
    # NumPy copies a row at once if it is one item.
    items, length = bits.view(f"V{size * bits.itemsize}")[:, 0], _row_count(size)

    def make(start: int, prunable: Octets, octets: slice) -> Several:
        own = items[start : start + length]
        return Several([own], len(own), lambda numbers: numbers, prunable, octets)

    return _Parts(length, make)


def _columns(planes: Bits) -> _Parts:
    """Divide kernels with the channels last, ``[out, places in a kernel, in]``."""
    out, size, fan_in = planes.shape
    length = _row_count(size)
    # The same place stands for a kernel's k-th weight in the memory from its k-th plane on.
    flat = [planes.reshape(-1)[k * fan_in :] for k in range(size)]

    def make(start: int, prunable: Octets, octets: slice) -> Several:
        def place(numbers: NDArray[Any]) -> NDArray[np.intp]:
            kernels = numbers.astype(np.intp) + start
            return kernels + kernels // fan_in * ((size - 1) * fan_in)

        return Several(flat, min(length, out * fan_in - start), place, prunable, octets)

    return _Parts(length, make)


def _row_count(size: int) -> int:
    return max(_ROWS, _BLOCK // size // 8 * 8)


def _single_weights(planes: Bits) -> _Parts | None:
    """Divide single weights with the channels last by whole filters, which fill octets."""
    _, size, fan_in = planes.shape
    least = 8 // gcd(8, size * fan_in) * size * fan_in
    length = _BLOCK // least * least
    if not length:
        return None
    flat, order = planes.reshape(-1), channels_last_order(size, fan_in, length)
    return _Parts(
        length,
        lambda start, *octets: SingleWeights(flat[start : start + length], *octets, order=order),
    )


@lru_cache(maxsize=4)
def channels_last_order(size: int, fan_in: int, length: int) -> Order:
    """Return, by place in memory, the number of each weight in ``length``, of whole filters.

    Args:
        size: number of places in a kernel.
        fan_in: kernels a filter.
        length: number of weights.
    """
    numbers = np.arange(length, dtype=np.uint16).reshape(-1, fan_in, size)
    return numbers.transpose(0, 2, 1).reshape(-1)


def _bits(weight: Tensor) -> Bits:
    """Return a contiguous weight's memory as integers."""
    return as_integers(weight).numpy()
