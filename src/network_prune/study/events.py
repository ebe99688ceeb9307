"""What a study tells while it runs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from network_prune.errors import failure_text
from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.variant import Network, Variant
from network_prune.results.lines.notices import Notice
from network_prune.results.records import Record


@dataclass(frozen=True, slots=True)
class Started:
    """A network is loaded, and its variants are evaluated next.

    Attributes:
        network: which one.
        due: what is evaluated, None for the dense network.
        recorded: how many of the others are recorded already.
        images: how many images each is evaluated on.
        base: what all its records hold.
    """

    network: Network
    due: tuple[Variant | None, ...]
    recorded: int
    images: int
    base: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Advanced:
    """A variant has seen one more batch.

    Attributes:
        network: its network.
        variant: which one, None for the dense network.
        metrics: its figures so far.
    """

    network: Network
    variant: Variant | None
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Recorded:
    """A variant is finished and its record is kept.

    Attributes:
        network: its network.
        variant: which one, None for the dense network.
        record: the record.
    """

    network: Network
    variant: Variant | None
    record: Record


@dataclass(frozen=True, slots=True)
class PartKept:
    """A variant is finished on the images of a shard, and what it did there is kept.

    Attributes:
        network: its network.
        variant: which one, None for the dense network.
    """

    network: Network
    variant: Variant | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A shard is done, and waits for the others that were started with it.

    Attributes:
        shards: the numbers of those that aren't done.
    """

    shards: tuple[int, ...]

    def __str__(self) -> str:
        return f"waiting for shards {', '.join(map(str, self.shards))}"


@dataclass(frozen=True, slots=True)
class Failed:
    """A network can't be evaluated and is left out.

    Attributes:
        network: which one.
        error: why, in one line.
    """

    network: Network
    error: str

    @classmethod
    def among(cls, networks: Collection[Network], network: Network, error: Exception) -> Self:
        """Return what to tell of one of several networks; the error of the only one is raised."""
        if len(networks) == 1:
            raise error
        return cls(network, failure_text(error))

    def __str__(self) -> str:
        return f"{self.network}: {self.error}"


Event = Notice | Started | Advanced | Recorded | PartKept | Waiting | Failed
Told = Callable[[Event], object]
