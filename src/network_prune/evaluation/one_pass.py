"""One pass over the data for all variants of a network: each batch is read and decoded once.

Some decoded batches are held as bytes at a time. Within them the variant is the outer
loop, so that variants, whose exchange takes milliseconds, are rarely exchanged.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from network_prune.evaluation.metrics import Metrics, Samples, measure_samples
from network_prune.evaluation.outcomes import Outcomes
from network_prune.evaluation.paired import Paired, compare
from network_prune.sources.data.pictures import Batch

HELD_BYTES = 256 << 20
# Where values are kept for all that is held, they take many times as much as the pixels.
HELD_BYTES_IF_SHARED = 32 << 20

Compute = Callable[[Batch], Tensor]


@dataclass(frozen=True, slots=True)
class Sums:
    """What a variant did with the images so far.

    Attributes:
        metrics: loss and accuracy.
        paired: the difference to the dense network on the same images.
        outcomes: what became of each image.
        losses: each image's loss as in `Samples`, of the dense network alone.
    """

    metrics: Metrics = field(default_factory=Metrics)
    paired: Paired = field(default_factory=Paired)
    outcomes: Outcomes = field(default_factory=Outcomes)
    losses: tuple[int | None, ...] = ()

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.metrics + other.metrics,
            self.paired + other.paired,
            self.outcomes + other.outcomes,
            self.losses + other.losses,
        )

    def figures(self, *, is_dense: bool) -> dict[str, Any]:
        """Return loss, accuracy and the difference to the dense network as plain data."""
        metrics = self.metrics.to_dict()
        metrics.pop("seconds")
        is_compared = not is_dense and self.paired.n
        return {
            "metrics": metrics,
            "difference": self.paired.to_dict() if is_compared else None,
        }


class Chunk:
    """Decoded batches that a network's variants run on in turn, the dense network first.

    Args:
        batches: readable images, where they are computed.
    """

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches = batches
        self._dense: list[Samples] = []

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    def evaluate(self, compute: Compute, *, is_dense: bool = False) -> Iterator[Sums]:
        """Yield for each batch what a network did with it.

        Args:
            compute: gives a batch's logits.
            is_dense: whether they are the dense network's, which later calls compare with.
        """
        for number, (logits, labels) in enumerate(self._one_ahead(compute)):
            samples = measure_samples(logits, labels)
            if is_dense:
                self._dense.append(samples)
            sums = self.sums(number, samples)
            yield replace(sums, losses=samples.losses) if is_dense else sums

    def know_dense(self, samples: Samples) -> None:
        """Let later calls compare with what the dense network did with all images before."""
        ends = list(itertools.accumulate(map(len, self.batches), initial=0))
        self._dense = [samples.at(range(*ends_of)) for ends_of in itertools.pairwise(ends)]

    @property
    def knows_dense(self) -> bool:
        """Whether it is known what the dense network did with all batches."""
        return len(self._dense) == len(self.batches)

    def as_dense(self) -> Iterator[Sums]:
        """Yield for each batch what a network does with it that computes what the dense one does.

        That must be known.
        """
        yield from itertools.starmap(self.sums, enumerate(self._dense))

    def sums(self, number: int, samples: Samples) -> Sums:
        """Return what was done with a batch, beside what the dense network did, if it ran."""
        paired = compare(samples, self._dense[number]) if self._dense else Paired()
        return Sums(samples.total(), paired, Outcomes.of(samples))

    def _one_ahead(self, compute: Compute) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each batch's logits and labels when the next is under way, so that no GPU waits."""
        waiting: list[tuple[Tensor, Tensor]] = []
        for batch in self.batches:
            waiting.append((compute(batch), batch.labels))
            if len(waiting) > 1:
                yield waiting.pop(0)
        yield from waiting


def chunks(batches: Iterable[Batch], held_bytes: int = HELD_BYTES) -> Iterator[Chunk]:
    """Yield batches of one size in chunks of as many as ``held_bytes`` hold, at least one."""
    held: list[Batch] = []
    room = held_bytes
    for batch in batches:
        held.append(batch)
        room -= batch.images.nbytes
        if room < batch.images.nbytes:
            yield Chunk(held)
            held, room = [], held_bytes
    if held:
        yield Chunk(held)
