"""Which elements have the lowest scores: exactly k, ties by position.

Nothing is sorted, and nothing put together but a sample. The k-th score is bracketed by two
scores of the sample; one pass over all scores marks those up to the lower end and
collects those inside the bracket, a percent or so, where partitioning decides. Scores
equal to an end of the bracket are counted, never collected, so that a network of which
two thirds are zeros costs no more memory than any other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from network_prune.core.elements import word_count
from network_prune.core.streams import Octets, Words

Scores = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Room = NDArray[np.float32]

BLOCK = 1 << 17  # scores that stay in a core's cache through all steps; whole 64-bit words
SAMPLE = 1 << 16
SMALL = 1 << 18  # scores that are partitioned at once
_DEVIATIONS = 3.0


class Part:
    """The scores of one layer.

    Args:
        values: floating tensor of any shape and device; it is copied only if its values
            don't lie in the CPU's memory in their order.
    """

    def __init__(self, values: Tensor) -> None:
        self._values = values.reshape(-1).cpu()

    def __len__(self) -> int:
        return len(self._values)

    def read(self, start: int, room: Room) -> Scores:
        """Return the scores from ``start`` on, as many as ``room`` has space for if there are.

        They may lie in ``room``.
        """
        return self._values[start : start + len(room)].numpy()

    def sample(self, start: int, step: int) -> Scores:
        """Return every ``step``-th score from ``start``."""
        return self._values[start::step].numpy()


class Magnitudes(Part):
    """The absolute values of single weights, float32, made where they are read.

    Args:
        values: the weights, of any dtype and memory format.
    """

    def read(self, start: int, room: Room) -> Scores:
        """Return the scores from ``start`` on, in ``room``."""
        weights = self._values[start : start + len(room)].to(torch.float32).numpy()
        return np.abs(weights, out=room[: len(weights)])

    def sample(self, start: int, step: int) -> Scores:
        """Return every ``step``-th score from ``start``."""
        return self._values[start::step].to(torch.float32).abs().numpy()


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
        self.first_words = [0, *np.cumsum([word_count(len(part)) for part in parts]).tolist()]
        self.octets: Octets = np.zeros(8 * self.first_words[-1], np.uint8)

    def blocks(self) -> Iterator[tuple[int, Scores]]:
        """Yield some scores in a row and the first one's bit's position, until all are told.

        Scores last until the next ones are yielded.

        Raises:
            NonFiniteScoreError: one is NaN or infinite.
        """
        room = np.empty(BLOCK, np.float32)
        for place, part in enumerate(self.parts):
            for start in range(0, len(part), BLOCK):
                scores = part.read(start, room)
                # NaN carries through the maximum, and no score is minus infinity.
                if not np.isfinite(scores.max()):
                    raise NonFiniteScoreError(place)
                yield 64 * self.first_words[place] + start, scores

    def write(self, position: int, flags: Flags) -> None:
        """Set and clear the bits from ``position`` on, a multiple of 8."""
        octets = np.packbits(flags, bitorder="little")
        self.octets[position // 8 : position // 8 + len(octets)] = octets

    def add(self, positions: NDArray[np.int64]) -> None:
        """Set the bits at ``positions``, which ascend."""
        if not len(positions):
            return
        places = positions >> 3
        bits = np.left_shift(1, positions & 7).astype(np.uint8)
        first_of_octet = np.flatnonzero(np.diff(places, prepend=-1))
        self.octets[places[first_of_octet]] |= np.bitwise_or.reduceat(bits, first_of_octet)

    def words(self) -> list[Words]:
        """Return each part's words."""
        words = self.octets.view("<u8").astype(np.uint64, copy=False)
        return np.split(words, self.first_words[1:-1])


def _mark_at_once(marks: _Marks, k: int) -> None:
    blocks = [(position, scores.copy()) for position, scores in marks.blocks()]
    if not blocks:
        return
    flags = _lowest_of_one(np.concatenate([scores for _, scores in blocks]), k)
    ends = np.cumsum([len(scores) for _, scores in blocks])
    for (position, _), part in zip(blocks, np.split(flags, ends[:-1]), strict=True):
        marks.write(position, part)


def _lowest_of_one(scores: Scores, k: int) -> Flags:
    if k == 0:
        return np.zeros(len(scores), np.bool_)
    threshold = np.partition(scores, k - 1)[k - 1]
    flags = scores < threshold
    ties = np.flatnonzero(scores == threshold)
    flags[ties[: k - np.count_nonzero(flags)]] = True
    return flags


def _mark_by_bracket(marks: _Marks, k: int) -> None:
    sample = _sample(marks)
    share = k / marks.scores
    expected = share * len(sample)
    reach = _DEVIATIONS * max(share * (1 - share) * len(sample), 1.0) ** 0.5 + 2
    low, high = _values_at(sample, expected - reach, expected + reach)
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
            low, high = _values_at(sample, expected - reach)[0], low
            continue
        missing = k - found.up_to_low - len(found.inside)
        ties = _positions_of(marks, high, missing)
        if len(ties) == missing:
            marks.add(found.positions)
            marks.add(ties)
            return
        reach *= 4
        low, high = high, _values_at(sample, expected + reach)[0]


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


def _mark_up_to(marks: _Marks, low: Any, high: Any) -> _Found:
    """Mark the scores up to ``low`` alone and collect those between ``low`` and ``high``."""
    up_to_low = 0
    inside: list[Scores] = []
    positions: list[NDArray[np.int64]] = []
    flags = np.empty((2, BLOCK), np.bool_)
    for position, scores in marks.blocks():
        at_most, between = flags[:, : len(scores)]
        np.less_equal(scores, low, out=at_most)
        up_to_low += int(np.count_nonzero(at_most))
        marks.write(position, at_most)
        np.less(scores, high, out=between)
        places = np.flatnonzero(np.not_equal(at_most, between, out=between))
        inside.append(scores[places])
        positions.append(places + position)
    return _Found(up_to_low, np.concatenate(inside), np.concatenate(positions))


def _positions_of(marks: _Marks, score: Any, count: int) -> NDArray[np.int64]:
    """Return the positions of at most ``count`` scores equal to ``score``, the first ones."""
    found: list[NDArray[np.int64]] = []
    for position, scores in marks.blocks():
        equal = np.flatnonzero(scores == score)[:count]
        found.append(equal + position)
        count -= len(equal)
        if not count:
            break
    return np.concatenate(found)


def _sample(marks: _Marks) -> Scores:
    step = max(1, marks.scores // SAMPLE)
    # Starting places differ, lest kernels of one size are all met at the same corner.
    drawn = [
        part.sample(7919 * place % min(step, len(part)), step)
        for place, part in enumerate(marks.parts)
        if len(part)
    ]
    return np.concatenate(drawn)


def _values_at(sample: Scores, *ranks: float) -> list[Any]:
    """Return the scores of ranks in the sample, which is reordered; infinite beyond its ends."""
    inside = [int(rank) for rank in ranks if 0 <= rank < len(sample)]
    sample.partition(inside or 0)
    infinite = sample.dtype.type(np.inf)
    return [
        sample[int(rank)] if 0 <= rank < len(sample) else infinite if rank > 0 else -infinite
        for rank in ranks
    ]


def _value_below(sample: Scores, value: Any) -> Any:
    """Return the greatest score of the sample below ``value``, or minus infinity."""
    return sample[sample < value].max(initial=-np.inf)
