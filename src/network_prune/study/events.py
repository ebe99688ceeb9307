"""What a study tells while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from network_prune.errors import NetworkPruneError
from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.variant import PruneSettings
from network_prune.study.plan import Network
from network_prune.study.records import Record


@dataclass(frozen=True, slots=True)
class Dropped:
    """The records ended in a half-written line, as a killed run leaves it; it is gone.

    Attributes:
        path: the file of records.
        size: number of bytes of the line.
    """

    path: Path
    size: int

    def __str__(self) -> str:
        return (
            f"{self.path}: the last line is half-written ({self.size} bytes) and left out; sweep "
            "evaluates its variant again"
        )


@dataclass(frozen=True, slots=True)
class Started:
    """A network is loaded, and its variants are evaluated next.

    Attributes:
        network: which one.
        due: what is evaluated, None for the dense network; the other variants are recorded.
        images: on how many images each.
    """

    network: Network
    due: tuple[PruneSettings | None, ...]
    images: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """A variant has seen one more batch.

    Attributes:
        network: its network.
        settings: the variant, None for the dense network.
        metrics: its figures so far.
    """

    network: Network
    settings: PruneSettings | None
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Recorded:
    """A variant is finished and its record is on disk.

    Attributes:
        network: its network.
        settings: the variant, None for the dense network.
        record: the record.
    """

    network: Network
    settings: PruneSettings | None
    record: Record


@dataclass(frozen=True, slots=True)
class Failed:
    """A network can't be evaluated and is left out.

    Attributes:
        network: which one.
        error: why.
    """

    network: Network
    error: NetworkPruneError

    def __str__(self) -> str:
        return f"{self.network}: {self.error}"


Event = Dropped | Started | Advanced | Recorded | Failed
Told = Callable[[Event], object]
