"""A tensor as one bit for each of its elements, or blocks of them, and those that aren't zero."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

# What two tensors more cost in a file's head, roughly.
OVERHEAD: Final = 160
_INTEGERS: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, slots=True)
class Packing:
    """How a tensor is packed.

    Attributes:
        shape: the tensor's.
        block: how many elements, one behind the other, have a bit together: 1, or those of a
            kernel or of a neuron where these are kept or zero as a whole.
    """

    shape: tuple[int, ...]
    block: int = 1

    @property
    def count(self) -> int:
        """How many blocks there are; 0 if the shape has no elements or they don't make blocks."""
        n = math.prod(self.shape) if all(size > 0 for size in self.shape) else 0
        return n // self.block if self.block > 0 and n % self.block == 0 else 0


def pack(value: Tensor) -> tuple[Packing, Tensor, Tensor] | None:
    """Return a tensor's bits and its elements that are kept; None if that saves nothing.

    What isn't kept are elements of which no bit is set, such as +0.0; -0.0 is kept. One bit
    stands for a block where that makes less.

    Args:
        value: contiguous, on the CPU.

    Returns:
        How; uint8 ``[ceil(blocks / 8)]``, of which bit i % 8 of byte i // 8, the lowest first, is
        set where block i is kept; and ``[kept]``, the elements of these in the tensor's own dtype.
    """
    flat = value.reshape(-1)
    whole, size = _as_integers(flat), flat.element_size()
    has_bits = (whole != 0).reshape(len(flat), -1).any(1)
    best, bits_kept, least = None, has_bits, flat.nbytes - OVERHEAD
    for block in _blocks(value.shape) if len(flat) else ():
        is_kept = has_bits.reshape(-1, block).any(1)
        cost = byte_count(len(is_kept)) + int(is_kept.sum()) * block * size
        if cost <= least:
            best, bits_kept, least = Packing(tuple(value.shape), block), is_kept, cost
    if best is None:
        return None
    bits = np.packbits(bits_kept.numpy(), bitorder="little")
    kept = whole.reshape(len(bits_kept), -1)[bits_kept].reshape(-1).view(value.dtype)
    return best, torch.from_numpy(bits), kept


def unpack(packing: Packing, bits: Tensor, kept: Tensor) -> Tensor | None:
    """Return the tensor that `pack` took apart; None if the bits aren't those of it.

    Args:
        packing: how.
        bits: uint8 ``[bytes]``.
        kept: ``[kept]``.
    """
    count, block = packing.count, packing.block
    if not count or len(bits) != byte_count(count):
        return None
    all_bits = np.unpackbits(bits.numpy(), bitorder="little")
    is_kept = torch.from_numpy(all_bits[:count]).bool()
    if all_bits[count:].any() or int(is_kept.sum()) * block != len(kept):
        return None
    # As whole numbers of their size, since not every dtype can be picked and put.
    rows = _as_integers(torch.zeros(count * block, dtype=kept.dtype)).reshape(count, -1)
    rows[is_kept] = _as_integers(kept).reshape(-1, rows.shape[1])
    return rows.reshape(-1).view(kept.dtype).reshape(packing.shape)


def _blocks(shape: Sequence[int]) -> list[int]:
    return sorted({1, math.prod(shape[2:]), math.prod(shape[1:])})


def byte_count(n: int) -> int:
    """Return how many bytes the bits of so many elements take."""
    return (n + 7) // 8


def _as_integers(flat: Tensor) -> Tensor:
    """Return the same memory as whole numbers, for each element one or several."""
    return flat.view(_INTEGERS.get(flat.element_size(), torch.uint8))
