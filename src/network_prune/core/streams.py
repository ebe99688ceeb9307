"""Random bits that are a pure function of (seed, index, position).

Every bit is found by position alone, so a draw needs no earlier draw, and every
machine, device and thread count gives the same one. The arithmetic is 64-bit
multiply, add, shift and xor with wrap-around, which NumPy and torch share.

The definition below is fixed: published masks depend on it.

* ``mix(z)``: the SplitMix64 finaliser.
* ``key(a, b, …)``: start at 0, and for each part ``key = mix((key ^ part) + GAMMA)``.
* ``word(key, i) = mix(key + (i + 1) · GAMMA)``.

Source of the mixer and of GAMMA: Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from network_prune.errors import ArgumentError, brief
from network_prune.plain_numbers import plain_number

Words = NDArray[np.uint64]
Octets = NDArray[np.uint8]

GAMMA: Final = 0x9E3779B97F4A7C15
DRAW: Final = 1
SCORE: Final = 2
TARGET: Final = 3

FIRST: Final = 0xBF58476D1CE4E5B9
SECOND: Final = 0x94D049BB133111EB
_MASK: Final = (1 << 64) - 1

_RUN: Final = 1 << 15
# Before this many planes few words are decided in all their bits.
_FULL_PLANES: Final = 6


def check_stream_number(name: str, value: object) -> int:
    """Return ``value`` if it can name a stream.

    Raises:
        ArgumentError: ``value`` is not an integer in [0, 2**64).
    """
    number = plain_number(value)
    if not isinstance(number, int):
        raise ArgumentError(
            f"{name}={brief(value)} is not an integer; pass one from 0 to 2**64 - 1"
        )
    if not 0 <= number <= _MASK:
        raise ArgumentError(
            f"{name}={brief(number)} is outside [0, 2**64 - 1]; pass one from there"
        )
    return number


def stream_key(*parts: int) -> int:
    """Mix whole numbers in [0, 2**64) into one 64-bit key; their order matters."""
    key = 0
    for part in parts:
        key = extend_key(key, part)
    return key


def random_words(key: int, positions: Words) -> Words:
    """Return one random 64-bit word for each position, as an array of the same shape."""
    with np.errstate(over="ignore"):
        return _words_at(key, (positions + np.uint64(1)) * np.uint64(GAMMA))


def _words_at(key: int, steps: Words) -> Words:
    """Return the words whose positions, plus one, times GAMMA are ``steps``."""
    words = steps + np.uint64(key)
    shifted = words >> np.uint64(30)
    words ^= shifted
    words *= np.uint64(FIRST)
    words ^= np.right_shift(words, np.uint64(27), out=shifted)
    words *= np.uint64(SECOND)
    words ^= np.right_shift(words, np.uint64(31), out=shifted)
    return words


def bernoulli_bits(p: float, among: Words, *, seed: int, index: int) -> Words:
    """Draw independent Bernoulli(p) bits for the positions whose bit is set in ``among``.

    Bit i % 64 of word i // 64 belongs to position i and says whether U < p, where
    U is that position's uniform number in [0, 1). The j-th binary digit of all U is
    bit plane j, with ``word(key(DRAW, seed, index, j), i // 64)``. Digits are
    compared with those of ``p`` until all comparisons are decided, so the
    probability is exactly ``p``, with one bit a position at p = 0.5 and about eight
    otherwise; and the same (seed, index) with a larger ``p`` sets a superset.

    Args:
        p: probability in [0, 1].
        among: uint64 array [words].
        seed: first part of the draw's name.
        index: second part of the draw's name.

    Returns:
        uint64 array like ``among``: its bits that were drawn, a subset.
    """
    if p >= 1.0:
        return among.copy()
    digits = binary_digits(p)
    key = stream_key(DRAW, seed, index)
    drawn = np.empty_like(among)
    for start in range(0, len(among), _RUN):
        run = slice(start, start + _RUN)
        drawn[run] = _draw_run(digits, key, among[run], start)
    return drawn


def _draw_run(digits: list[int], key: int, among: Words, first: int) -> Words:
    """Draw for some words in a row, few enough to stay in a core's cache."""
    with np.errstate(over="ignore"):
        steps = np.arange(first + 1, first + 1 + len(among), dtype=np.uint64) * np.uint64(GAMMA)
        less = np.zeros(len(among), np.uint64)
        places: Any = slice(None)
        undecided = among
        for plane, digit in enumerate(digits):
            words = _words_at(extend_key(key, plane), steps)
            ones = np.bitwise_and(words, undecided, out=words)
            zeros = undecided ^ ones
            if digit:
                less[places] |= zeros
            undecided = ones if digit else zeros
            if plane >= _FULL_PLANES:
                is_open = np.flatnonzero(undecided)
                if not len(is_open):
                    break
                places = is_open if isinstance(places, slice) else places[is_open]
                steps, undecided = steps[is_open], undecided[is_open]
    return less


def random_scores(first: int, count: int, *, seed: int) -> NDArray[np.float32]:
    """Return uniform scores in [0, 1) on a grid of 2**-24 for ``count`` positions from ``first``.

    Returns:
        float32 array [count]: the top 24 bits of ``word(key(SCORE, seed), position)``.
    """
    positions = np.arange(first, first + count, dtype=np.uint64)
    words = random_words(stream_key(SCORE, seed), positions)
    return (words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def extend_key(key: int, part: int) -> int:
    """Mix one more number in [0, 2**64) into a key."""
    return _mix_int(((key ^ part) + GAMMA) & _MASK)


def _mix_int(z: int) -> int:
    z = ((z ^ (z >> 30)) * FIRST) & _MASK
    z = ((z ^ (z >> 27)) * SECOND) & _MASK
    return z ^ (z >> 31)


def binary_digits(p: float) -> list[int]:
    """Return the binary digits of ``p`` in [0, 1) behind the point, all of them."""
    numerator, denominator = p.as_integer_ratio()
    places = denominator.bit_length() - 1
    return [(numerator >> (places - 1 - j)) & 1 for j in range(places)]


def octets_of(words: Words) -> Octets:
    """Return the words' octets, that of the lowest positions first, without copying."""
    return words.astype("<u8", copy=False).view(np.uint8)


def flags_of(octets: Octets, count: int) -> NDArray[np.bool_]:
    """Unpack the first ``count`` bits."""
    return np.unpackbits(octets, count=count, bitorder="little").view(np.bool_)
