"""About how long a network's study would take, from its first batch."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from network_prune.evaluation.memory import running
from network_prune.evaluation.variant import PruneSettings
from network_prune.study.network_study import NetworkStudy
from network_prune.study.plan import Network


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the first batch took.

    Attributes:
        images: number of all images.
        recorded: number of variants that are recorded already, the dense one counted.
        passes: number of variants that would run, the dense one counted, which runs along
            even if it is recorded.
        batches: number of all batches.
        reading: seconds to read and decode a batch.
        computing: seconds to compute a batch.
    """

    images: int
    recorded: int
    passes: int
    batches: int
    reading: float
    computing: float

    @property
    def seconds(self) -> float:
        """Seconds for all that isn't recorded."""
        if not self.passes:
            return 0.0
        return self.batches * (self.reading + self.computing * self.passes)


def estimate(
    network: Network,
    variants: Sequence[PruneSettings],
    options: Mapping[str, Any],
    *,
    records: Collection[str] = (),
) -> Estimate:
    """Load a network and time its first batch of images.

    Args:
        network: which one.
        variants: what is pruned.
        options: the plan's options.
        records: keys of what is recorded.

    Raises:
        NetworkPruneError: network or images can't be loaded, or the network fails.
    """
    study = NetworkStudy(network, variants, options)
    wanted = [study.key(settings) for settings in (None, *variants)]
    due = [key for key in wanted if key not in records]
    passes = len({wanted[0], *due}) if due else 0
    start = time.perf_counter()
    with study.reading(0, passes=1, progress=False) as reading:
        (batch,) = study.hold([next(iter(reading))])
    read = time.perf_counter()
    with running(study.loaded.model), study.switcher() as switcher:
        compute = study.computer(switcher.dense)
        compute(batch)
        middle = time.perf_counter()
        compute(batch)
    computed = time.perf_counter()
    count = math.ceil(study.data.n / len(batch))
    return Estimate(
        images=study.data.n,
        recorded=len(wanted) - len(due),
        passes=passes,
        batches=count,
        reading=read - start,
        computing=computed - middle,
    )
