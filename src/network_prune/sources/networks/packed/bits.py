"""A tensor as one bit for each of its elements and those elements that aren't zero."""

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor

# What two tensors more cost in a file's head, roughly.
OVERHEAD: Final = 160
_INTEGERS: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def pack(value: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return a tensor's bits and its elements that are kept; None if that saves nothing.

    What isn't kept are elements of which no bit is set, such as +0.0; -0.0 is kept.

    Args:
        value: contiguous, on the CPU.

    Returns:
        uint8 ``[ceil(n / 8)]``, of which bit i % 8 of byte i // 8, the lowest first, is set where
        element i is kept, and ``[kept]`` in the tensor's own dtype.
    """
    flat = value.reshape(-1)
    is_kept = _has_bits(flat)
    n, kept, size = len(flat), int(is_kept.sum()), flat.element_size()
    if byte_count(n) + kept * size + OVERHEAD > n * size:
        return None
    bits = np.packbits(is_kept.numpy(), bitorder="little")
    return torch.from_numpy(bits), flat[is_kept]


def unpack(bits: Tensor, kept: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Return the tensor that `pack` took apart; None if the bits aren't those of it.

    Args:
        bits: uint8 ``[bytes]``.
        kept: ``[kept]``.
        shape: the tensor's.
    """
    n = math.prod(shape)
    if len(bits) != byte_count(n):
        return None
    all_bits = np.unpackbits(bits.numpy(), bitorder="little")
    is_kept = torch.from_numpy(all_bits[:n]).bool()
    if all_bits[n:].any() or int(is_kept.sum()) != len(kept):
        return None
    flat = torch.zeros(n, dtype=kept.dtype)
    flat[is_kept] = kept
    return flat.reshape(shape)


def byte_count(n: int) -> int:
    """Return how many bytes the bits of so many elements take."""
    return (n + 7) // 8


def _has_bits(flat: Tensor) -> Tensor:
    size = flat.element_size()
    if size in _INTEGERS:
        return flat.view(_INTEGERS[size]) != 0
    return flat.view(torch.uint8).reshape(-1, size).any(1)
