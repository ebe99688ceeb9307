"""Which devices there are, and how fast one of them is."""

import os
import time
from dataclasses import dataclass
from typing import Any, Final

import torch

from network_prune.cli.checkup.folders import size_text
from network_prune.core.workers import usable_cores
from network_prune.evaluation.memory import kept_memory
from network_prune.plain_text import counted

BATCH: Final = 32
NETWORK: Final = "resnet18"
_SECONDS: Final = 2.0  # about so long is timed
_MOST: Final = 50  # batches


@dataclass(frozen=True, slots=True)
class Device:
    """A device that networks can run on.

    Attributes:
        name: as ``--device`` takes it.
        model: what it is.
        memory_bytes: how much it has; None where that isn't known.
        threads: of a CPU, how many PyTorch computes with.
        cores: of a CPU, how many this process may use.
    """

    name: str
    model: str
    memory_bytes: int | None = None
    threads: int | None = None
    cores: int | None = None

    def __str__(self) -> str:
        """Return it for people."""
        facts = [self.model]
        if self.threads and self.cores:
            facts.append(f"{counted(self.threads, 'thread')} on {counted(self.cores, 'core')}")
        if self.memory_bytes:
            facts.append(f"{size_text(self.memory_bytes)} of memory")
        return f"{self.name}: {', '.join(filter(None, facts))}"

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of it as plain data."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a device computes `NETWORK` with random weights in batches of `BATCH` images.

    Attributes:
        device: its name.
        images_a_second: by the fastest batch, which other work on the machine disturbs least.
        batches: how many were timed.
    """

    device: str
    images_a_second: float
    batches: int

    def __str__(self) -> str:
        """Return it for people."""
        return (
            f"{self.images_a_second:.0f} images a second on {self.device} ({NETWORK}, random "
            f"weights, batches of {BATCH}; the fastest of {self.batches})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "device": self.device,
            "network": NETWORK,
            "batch_size": BATCH,
            "images_a_second": round(self.images_a_second, 1),
            "batches": self.batches,
        }


def find_devices() -> list[Device]:
    """Return the devices that there are, the CPU first."""
    cuda = map(_cuda, range(torch.cuda.device_count())) if torch.cuda.is_available() else ()
    mps = [Device("mps", "Apple's GPU")] if torch.mps.is_available() else []
    return [_cpu(), *cuda, *mps]


def measure_speed(device: torch.device) -> Speed:
    """Time a known network on a batch of noise for about two seconds, as evaluation computes it.

    Raises:
        NetworkPruneError: it can't be computed there.
    """
    from network_prune.deploy.bench.ready import Ready
    from network_prune.deploy.costs.timing import times_in_turn
    from network_prune.pruning.faster_copy import prepare
    from network_prune.sources.networks.load import load_network

    network = load_network(NETWORK, weights="none", warn=False)
    noise = torch.randn(
        BATCH, *network.preprocessing.shape, generator=torch.Generator().manual_seed(0)
    )
    ready = Ready.of(NETWORK, network.model.to(device), prepare.Speed(), noise)
    with torch.no_grad(), kept_memory(device):
        started = time.perf_counter()
        (times,) = times_in_turn([ready.run], 1, warm_up=1)
        taken = (time.perf_counter() - started) / 2
        more = min(_MOST, int(_SECONDS / taken))
        if more:
            times += times_in_turn([ready.run], more, warm_up=0)[0]
    return Speed(str(device), BATCH / min(times), len(times))


def _cpu() -> Device:
    model = torch.backends.cpu.get_cpu_capability()
    return Device("cpu", model, _machine_memory(), torch.get_num_threads(), usable_cores())


def _cuda(index: int) -> Device:
    properties = torch.cuda.get_device_properties(index)
    return Device(f"cuda:{index}", properties.name, properties.total_memory)


def _machine_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # of systems that don't tell
        return None
