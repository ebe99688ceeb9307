"""About how long a network's study would take, from its first batch."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from network_prune.study.plan import Network
from network_prune.study.sweep import NetworkStudy


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


def estimate(network: Network, options: Mapping[str, Any]) -> Estimate:
    """Load a network and time its first batch of images.

    Raises:
        NetworkPruneError: network or images can't be loaded, or the network fails.
    """
    study = NetworkStudy(network, options)
    size = options["batch_size"]
    start = time.perf_counter()
    batches = study.data.batches(
        size, limit=size, workers=0, skip_unreadable=options["skip_unreadable"]
    )
    images, labels = next(iter(islice(batches, 1)))
    read = time.perf_counter()
    study.compute_dense(images, labels)
    middle = time.perf_counter()
    study.compute_dense(images, labels)
    count = math.ceil(study.data.n / size)
    return Estimate(study.data.n, count, read - start, time.perf_counter() - middle)
