"""The random bits of `streams` where a tensor lies, in torch's signed 64-bit integers.

Multiplication and addition wrap around as they do for unsigned ones; only the right
shift has to be told to bring in zeros.
"""

import torch
from torch import Tensor

from network_prune.core.streams import (
    DRAW,
    FIRST,
    GAMMA,
    SECOND,
    binary_digits,
    extend_key,
    stream_key,
)

# Asking whether anything is left undecided waits for the device.
_PLANES_BETWEEN_QUESTIONS = 8


def bernoulli_bits_on_device(p: float, among: Tensor, *, seed: int, index: int) -> Tensor:
    """Draw the bits that `streams.bernoulli_bits` draws, for a network's words.

    Args:
        p: probability in [0, 1].
        among: int64 [words]: the bits of the positions to draw for.
        seed: first part of the draw's name.
        index: second part of the draw's name.

    Returns:
        int64 tensor [words] on the device of ``among``: its bits that were drawn.
    """
    if p >= 1.0:
        return among.clone()
    key = stream_key(DRAW, seed, index)
    numbers = torch.arange(1, 1 + len(among), device=among.device)
    steps = numbers * _signed(GAMMA)
    less, undecided = torch.zeros_like(among), among
    for plane, digit in enumerate(binary_digits(p)):
        words = _mix(steps + _signed(extend_key(key, plane)))
        if digit:
            less |= undecided & ~words
            undecided = undecided & words
        else:
            undecided = undecided & ~words
        if plane % _PLANES_BETWEEN_QUESTIONS == 7 and not undecided.any():
            break
    return less


def _mix(words: Tensor) -> Tensor:
    words = (words ^ _shift(words, 30)) * _signed(FIRST)
    words = (words ^ _shift(words, 27)) * _signed(SECOND)
    return words ^ _shift(words, 31)


def _shift(words: Tensor, places: int) -> Tensor:
    return (words >> places) & ((1 << (64 - places)) - 1)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def flags_on_device(words: Tensor, count: int) -> Tensor:
    """Unpack the first ``count`` bits of int64 words into a bool tensor [count]."""
    shifts = torch.arange(8, dtype=torch.uint8, device=words.device)
    octets = words.view(torch.uint8).unsqueeze(1)
    return ((octets >> shifts) & 1).flatten()[:count].bool()
