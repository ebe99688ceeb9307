"""About how long a network's study would take, from its first batch."""

import math
import time
from dataclasses import dataclass

import torch

from network_prune.pruning.forward import eval_mode
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.running.due import Kept, due_of, is_recorded, wanted_of


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the first batch took.

    Attributes:
        images: number of all images.
        recorded: number of variants that are recorded already, the dense one counted.
        passes: number of variants that would run, the dense one counted, which runs along
            unless its outcomes are kept.
        batches: number of all batches.
        reading: seconds to read and decode a batch.
        computing: seconds to compute a batch.
        recalibrating: number of batches that BatchNorms are recalibrated on, of all variants.
    """

    images: int
    recorded: int
    passes: int
    batches: int
    reading: float
    computing: float
    recalibrating: int = 0

    @property
    def seconds(self) -> float:
        """Seconds for all that isn't recorded."""
        if not self.passes:
            return 0.0
        computed = self.batches * self.passes + self.recalibrating
        return self.batches * self.reading + computed * self.computing


def estimate(ready: ReadyNetwork, kept: Kept) -> Estimate:
    """Time a network's first batch of images.

    Args:
        ready: the network with its variants and images.
        kept: what is recorded.

    Raises:
        NetworkPruneError: an image can't be read, or the network fails.
    """
    start = time.perf_counter()
    with ready.reading(range(ready.data.n), passes=1, progress=False) as reading:
        (batch,) = ready.hold([next(iter(reading))]).batches
    read = time.perf_counter()
    with ready.switcher() as switcher, eval_mode(ready.loaded.model), torch.no_grad():
        switcher.look_first(batch)
        switcher.dense(batch)
        middle = time.perf_counter()
        switcher.dense(batch)
    computed = time.perf_counter()
    due = due_of(ready, kept)
    counts = [variant.recalibrate or 0 for variant in due.values() if variant is not None]
    return Estimate(
        images=ready.data.n,
        recorded=sum(is_recorded(ready, key, kept.records) for key in wanted_of(ready)),
        passes=len(due),
        batches=math.ceil(ready.data.n / len(batch)),
        reading=read - start,
        computing=computed - middle,
        recalibrating=sum(math.ceil(count / len(batch)) for count in counts),
    )
