"""Which elements have the lowest scores: exactly k, ties by position.

Nothing is sorted or put together but a sample. The k-th score is bracketed by two scores
of the sorted sample; one pass over all scores marks those up to the lower end and
collects those inside the bracket, a percent or so, where partitioning decides. Scores
equal to an end of the bracket are counted, never collected, so that a network of which
two thirds are zeros costs no more memory than any other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from network_prune.core.streams import Words

Scores = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Octets = NDArray[np.uint8]

BLOCK = 1 << 16  # scores that stay in a core's cache through all steps; whole 64-bit words
SAMPLE = 1 << 16
SMALL = 1 << 18  # scores that are partitioned at once
_DEVIATIONS = 5.0


class Part(Protocol):
    """The scores of one layer, which need not lie in memory all at once."""

    def __len__(self) -> int: ...

    def blocks(self) -> Iterator[Scores]:
        """Yield all scores in turn, ``BLOCK`` at a time; each block may overwrite the last."""
        ...

    def sample(self, start: int, step: int) -> Scores:
        """Return every ``step``-th score from ``start``."""
        ...


@dataclass(frozen=True)
class ScoreArray:
    """Scores that lie in memory.

    Attributes:
        values: floating [n].
    """

    values: Scores

    def __len__(self) -> int:
        return len(self.values)

    def blocks(self) -> Iterator[Scores]:
        """Yield all scores in turn."""
        for start in range(0, len(self.values), BLOCK):
            yield self.values[start : start + BLOCK]

    def sample(self, start: int, step: int) -> Scores:
        """Return every ``step``-th score from ``start``."""
        return self.values[start::step]


@dataclass(frozen=True)
class Magnitudes:
    """The absolute values of single weights, made block by block.

    Attributes:
        weight: floating tensor of any shape, dtype, device and memory format.
    """

    weight: Tensor

    def __len__(self) -> int:
        return self.weight.numel()

    def blocks(self) -> Iterator[Scores]:
        """Yield all scores in turn, float32, in the same memory."""
        flat = self.weight.reshape(-1).cpu()
        room = np.empty(min(BLOCK, len(self)), np.float32)
        for start in range(0, len(self), BLOCK):
            block = flat[start : start + BLOCK].to(torch.float32).numpy()
            yield np.abs(block, out=room[: len(block)])

    def sample(self, start: int, step: int) -> Scores:
        """Return every ``step``-th score from ``start``, float32."""
        values = self.weight.reshape(-1)[start::step]
        return values.to("cpu", torch.float32).abs().numpy()


class NonFiniteScoreError(Exception):
    """A score is NaN or infinite.

    Attributes:
        place: which part has it.
    """

    def __init__(self, place: int) -> None:
        super().__init__(f"part {place} has NaN or infinite scores")
        self.place = place


def lowest(parts: Sequence[Part], k: int) -> list[Words]:
    """Mark the k lowest scores over all parts together.

    Among equal scores those at an earlier position come first, where positions run
    through the parts in turn.

    Args:
        parts: scores of one dtype.
        k: how many to mark, from 0 to the number of scores.

    Returns:
        For each part a uint64 array; bit i % 64 of word i // 64 is set where score i of the
        part is marked, k in all. Unused bits are 0.

    Raises:
        NonFiniteScoreError: a score is NaN or infinite.
    """
    marks = _Marks(parts)
    if marks.scores <= SMALL:
        _mark_at_once(marks, k)
    else:
        _mark_by_bracket(marks, k)
    return marks.words()


class _Marks:
    """One bit for each score of all parts, each part starting at a new 64-bit word."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.scores = sum(map(len, parts))
        counts = [-(-len(part) // 64) for part in parts]
        self.first_words = [0, *np.cumsum(counts).tolist()]
        self.octets: Octets = np.zeros(8 * self.first_words[-1], np.uint8)

    def blocks(self) -> Iterator[tuple[int, int, Scores]]:
        """Yield part, position of the first bit, and scores of every block."""
        for place, part in enumerate(self.parts):
            position = 64 * self.first_words[place]
            for block in part.blocks():
                yield place, position, block
                position += len(block)

    def write(self, position: int, flags: Flags) -> None:
        """Set and clear the bits from ``position`` on, a multiple of 8."""
        octets = np.packbits(flags, bitorder="little")
        self.octets[position // 8 : position // 8 + len(octets)] = octets

    def add(self, positions: NDArray[np.int64]) -> None:
        """Set the bits at ``positions``."""
        bits = np.left_shift(1, positions & 7).astype(np.uint8)
        np.bitwise_or.at(self.octets, positions >> 3, bits)

    def words(self) -> list[Words]:
        """Return each part's words."""
        words = self.octets.view("<u8").astype(np.uint64, copy=False)
        return np.split(words, self.first_words[1:-1])


def _mark_at_once(marks: _Marks, k: int) -> None:
    blocks = [(position, scores.copy()) for _, position, scores in _finite(marks)]
    if not blocks:
        return
    flags = _lowest_of_one(np.concatenate([scores for _, scores in blocks]), k)
    start = 0
    for position, scores in blocks:
        marks.write(position, flags[start : start + len(scores)])
        start += len(scores)


def _lowest_of_one(scores: Scores, k: int) -> Flags:
    if k == 0:
        return np.zeros(len(scores), np.bool_)
    threshold = np.partition(scores, k - 1)[k - 1]
    flags = scores < threshold
    ties = np.flatnonzero(scores == threshold)
    flags[ties[: k - np.count_nonzero(flags)]] = True
    return flags


def _mark_by_bracket(marks: _Marks, k: int) -> None:
    sample = _sorted_sample(marks)
    expected = k / marks.scores * len(sample)
    share = k / marks.scores
    reach = _DEVIATIONS * max(share * (1 - share) * len(sample), 1.0) ** 0.5 + 2
    low, high = _value_at(sample, expected - reach), _value_at(sample, expected + reach)
    while True:
        if low == high:
            low = _value_below(sample, high)
        found = _mark_up_to(marks, low, high)
        if found.up_to_low <= k <= found.up_to_low + len(found.inside):
            chosen = _lowest_of_one(found.inside, k - found.up_to_low)
            marks.add(found.positions[chosen])
            return
        if k < found.up_to_low:
            reach *= 4
            low, high = _value_at(sample, expected - reach), low
            continue
        missing = k - found.up_to_low - len(found.inside)
        ties = _positions_of(marks, high, missing)
        if len(ties) == missing:
            marks.add(found.positions)
            marks.add(ties)
            return
        reach *= 4
        low, high = high, _value_at(sample, expected + reach)


@dataclass(frozen=True)
class _Found:
    """What one pass over the scores found.

    Attributes:
        up_to_low: number of scores up to the bracket's lower end.
        inside: scores strictly inside the bracket.
        positions: their bits' positions, ascending.
    """

    up_to_low: int
    inside: Scores
    positions: NDArray[np.int64]


def _mark_up_to(marks: _Marks, low: float, high: float) -> _Found:
    """Mark the scores up to ``low`` alone and collect those between ``low`` and ``high``."""
    up_to_low = 0
    scores: list[Scores] = []
    positions: list[NDArray[np.int64]] = []
    room = np.empty((2, BLOCK), np.bool_)
    for _, position, block in _finite(marks):
        at_most, below = room[:, : len(block)]
        np.less_equal(block, low, out=at_most)
        np.less(block, high, out=below)
        up_to_low += int(np.count_nonzero(at_most))
        marks.write(position, at_most)
        np.not_equal(at_most, below, out=below)
        inside = np.flatnonzero(below)
        scores.append(block[inside])
        positions.append(inside + position)
    return _Found(up_to_low, np.concatenate(scores), np.concatenate(positions))


def _positions_of(marks: _Marks, score: float, count: int) -> NDArray[np.int64]:
    """Return the positions of at most ``count`` scores equal to ``score``, the first ones."""
    found: list[NDArray[np.int64]] = []
    for _, position, block in marks.blocks():
        equal = np.flatnonzero(block == score)[:count]
        found.append(equal + position)
        count -= len(equal)
        if not count:
            break
    return np.concatenate(found)


def _finite(marks: _Marks) -> Iterator[tuple[int, int, Scores]]:
    """Yield the blocks of ``marks``.

    Raises:
        NonFiniteScoreError: a score is NaN or infinite.
    """
    for place, position, block in marks.blocks():
        if not _is_finite(block):
            raise NonFiniteScoreError(place)
        yield place, position, block


def _is_finite(block: Scores) -> bool:
    # The sum of finite scores may overflow; that of others is never finite.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(block.sum()) or np.isfinite(block).all())


def _sorted_sample(marks: _Marks) -> Scores:
    step = max(1, marks.scores // SAMPLE)
    # Starting places differ, lest kernels of one size are all met at the same corner.
    drawn = [
        part.sample(7919 * place % min(step, len(part)), step)
        for place, part in enumerate(marks.parts)
        if len(part)
    ]
    return np.sort(np.concatenate(drawn))


def _value_at(sample: Scores, rank: float) -> Any:
    """Return the score of a rank in the sample, infinite beyond its ends."""
    if rank < 0:
        return sample.dtype.type(-np.inf)
    if rank >= len(sample):
        return sample.dtype.type(np.inf)
    return sample[int(rank)]


def _value_below(sample: Scores, value: Any) -> Any:
    """Return the greatest score of the sample below ``value``, or minus infinity."""
    return _value_at(sample, int(np.searchsorted(sample, value)) - 1)
