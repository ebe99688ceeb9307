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

# Bit planes that are made and compared together: starting an operation on a device costs more
# than what it does, and asking whether anything is left undecided waits for the device.
_TOGETHER = 8


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
    digits = binary_digits(p)
    for first in range(0, len(digits), _TOGETHER):
        if first and not undecided.any():
            break
        some = digits[first : first + _TOGETHER]
        keys = torch.tensor([_signed(extend_key(key, first + i)) for i in range(len(some))])
        keys = keys.to(among.device, non_blocking=True)
        below, not_above = _compare(_mix(steps + keys[:, None]), some)
        less |= undecided & below
        undecided = undecided & (below ^ not_above)
    return less


def _compare(planes: Tensor, digits: list[int]) -> Tensor:
    """Return in which positions a number with these bit planes is below another, or not above.

    Args:
        planes: int64 ``[digits, words]``, the highest binary digit first.
        digits: the other number's binary digits.

    Returns:
        int64 ``[2, words]``: bits of the positions that are below, of those that aren't above.
    """
    zeros = ~planes
    # Without a digit none is below, and all are equal. A higher digit decides before lower ones.
    found = torch.arange(0, -2, -1, device=planes.device)[:, None]
    for plane, digit in zip(reversed(range(len(digits))), reversed(digits), strict=True):
        found = (zeros[plane] | found) if digit else (zeros[plane] & found)
    return found


def _mix(words: Tensor) -> Tensor:
    """Mix fresh words in place, and return them."""
    words ^= _shift(words, 30)
    words *= _signed(FIRST)
    words ^= _shift(words, 27)
    words *= _signed(SECOND)
    words ^= _shift(words, 31)
    return words


def _shift(words: Tensor, places: int) -> Tensor:
    return (words >> places).bitwise_and_((1 << (64 - places)) - 1)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def flags_on_device(words: Tensor, count: int) -> Tensor:
    """Unpack the first ``count`` bits of int64 words into a bool tensor [count]."""
    shifts = torch.arange(8, dtype=torch.uint8, device=words.device)
    octets = words.view(torch.uint8).unsqueeze(1)
    flags = (octets >> shifts).bitwise_and_(1).view(torch.bool)
    return flags.flatten()[:count]
