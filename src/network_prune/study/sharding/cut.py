"""Cut a study into shares that cost about the same.

All networks' work lies in one line, network after network, batch after batch, and in each batch
variant after variant; the line is cut into pieces of one length (McNaughton, "Scheduling with
deadlines and loss functions", Management Science 6, 1959). A network is then loaded by few
shards, and the figures stay sums over whole batches.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# A cut inside a batch has the dense network run on that batch twice; where it moves a shard's
# end by a smaller part of its work than this, it is made at the batch's border.
_FINE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do of one network.

    Attributes:
        variants: number of variants, without the dense network.
        has_dense: whether that runs along, too.
        batches: number of batches of images.
        cost: of one network's pass over a batch, in any unit.
    """

    variants: int
    has_dense: bool
    batches: int
    cost: float = 1.0

    @property
    def passes(self) -> int:
        """How many networks run on each batch."""
        return self.variants + self.has_dense

    @property
    def whole_cost(self) -> float:
        """Of all passes over all batches."""
        return self.cost * self.passes * self.batches


@dataclass(frozen=True, slots=True)
class Piece:
    """Some variants of a network on some batches of images.

    Attributes:
        work: place of the network's `Work`.
        variants: places of the variants.
        batches: places of the batches.
    """

    work: int
    variants: range
    batches: range

    def cost(self, work: Work) -> float:
        """Return what it costs, with the dense network that runs along."""
        return work.cost * (len(self.variants) + work.has_dense) * len(self.batches)


def cut(works: Sequence[Work], shards: int) -> list[list[Piece]]:
    """Return the pieces of each shard, of which together they have each cell once."""
    share = sum(work.whole_cost for work in works) / shards
    shared: list[list[Piece]] = [[] for _ in range(shards)]
    start = 0.0
    for place, work in enumerate(works):
        end = start + work.whole_cost
        first, last = (min(int(at / share), shards - 1) for at in (start, end))
        inside = [
            _mark(work, share * number - start, share) for number in range(first + 1, last + 1)
        ]
        bounds = [0, *inside, work.batches * work.passes]
        for number, ends in enumerate(itertools.pairwise(bounds), start=first):
            shared[number] += _rectangles(place, work, *ends)
        start = end
    return shared


def _mark(work: Work, distance: float, share: float) -> int:
    """Return after how many of a network's passes a cut at some distance of its start is made."""
    passes, size = work.passes, work.batches * work.passes
    nearest = round(distance / work.cost)
    at_border = round(distance / work.cost / passes) * passes
    is_fine = abs(at_border * work.cost - distance) <= _FINE * share
    return min(max(at_border if is_fine else nearest, 0), size)


def _rectangles(place: int, work: Work, start: int, stop: int) -> Iterator[Piece]:
    """Yield what lies between two numbers of passes: whole batches, and parts at both ends."""
    passes = work.passes
    first, last = -(-start // passes), stop // passes
    if first > last:  # both in one batch
        yield from _part_of_batch(place, work, last, start - last * passes, stop - last * passes)
        return
    if start < first * passes:
        yield from _part_of_batch(place, work, first - 1, start - (first - 1) * passes, passes)
    if first < last:
        yield Piece(place, range(work.variants), range(first, last))
    if last * passes < stop:
        yield from _part_of_batch(place, work, last, 0, stop - last * passes)


def _part_of_batch(place: int, work: Work, batch: int, start: int, stop: int) -> Iterable[Piece]:
    """Return some passes over one batch, of which the dense network's is the first."""
    variants = range(max(0, start - work.has_dense), stop - work.has_dense)
    is_left = len(variants) or not work.variants
    return [Piece(place, variants, range(batch, batch + 1))] if is_left else []
