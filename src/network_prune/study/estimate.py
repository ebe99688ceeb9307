"""About how long a network's study would take, from its first batch."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from network_prune.pruning.forward import eval_mode
from network_prune.study.network_study import NetworkStudy
from network_prune.study.plan import Network
from network_prune.study.settings import PruneSettings


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the first batch took.

    Attributes:
        images: number of all images.
        batches: number of all batches.
        reading: seconds to read and decode a batch.
        computing: seconds to compute a batch.
    """

    images: int
    batches: int
    reading: float
    computing: float

    def seconds(self, variants: int) -> float:
        """Return the seconds that as many variants would take, the dense one counted."""
        return self.batches * (self.reading + self.computing * variants)


def estimate(
    network: Network, variants: Sequence[PruneSettings], options: Mapping[str, Any]
) -> Estimate:
    """Load a network and time its first batch of images.

    Raises:
        NetworkPruneError: network or images can't be loaded, or the network fails.
    """
    study = NetworkStudy(network, variants, options)
    start = time.perf_counter()
    with study.reading(0, passes=1, progress=False) as reading:
        batch = next(iter(reading))
    read = time.perf_counter()
    with eval_mode(study.loaded.model), torch.no_grad(), study.switcher() as switcher:
        compute = study.computer(switcher.dense)
        compute(batch)
        middle = time.perf_counter()
        compute(batch)
    count = math.ceil(study.data.n / len(batch))
    return Estimate(study.data.n, count, read - start, time.perf_counter() - middle)
