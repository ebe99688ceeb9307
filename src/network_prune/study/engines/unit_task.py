"""What a task of Ray's does for a sweep: one unit of it, its parts handed back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from network_prune.evaluation.device import choose_device
from network_prune.evaluation.memory import kept_memory
from network_prune.evaluation.variant import Network, Variant
from network_prune.pruning.unfinished import settling
from network_prune.results.parts.cut_file import Unit
from network_prune.results.parts.part import Part
from network_prune.sources.inputs import Inputs
from network_prune.study.engines.in_task import Failure, Stored, check_same, run_task
from network_prune.study.engines.packed import unpack
from network_prune.study.measure import Measure
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.sharding.networks import RecordedBefore
from network_prune.study.sharding.unit_run import UnitRun

_DECIDING: Final = ("network", "preprocessing", "data", "asked", "versions")


@dataclass(frozen=True, slots=True)
class Package:
    """A network with all that is said of its units; it travels once to each machine.

    Attributes:
        network: which one.
        content: the loaded network, as bytes.
        variants: what the plan says of it.
        options: the plan's.
        archs: names of all networks of the study.
        measure: what is found out of each variant.
        known: what is recorded of the network.
        base: what all its records hold.
    """

    network: Network
    content: bytes
    variants: Sequence[Variant]
    options: Mapping[str, Any]
    archs: Sequence[str]
    measure: Measure
    known: RecordedBefore
    base: Mapping[str, Any]


@dataclass(slots=True)
class Collected:
    """Parts in memory.

    Attributes:
        there: keys of those that are there already.
        parts: those that were found.
    """

    there: frozenset[str]
    parts: list[Part] = field(default_factory=list[Part])

    def has(self, key: str, images: range) -> bool:
        """Return whether a variant's part is there."""
        return key in self.there

    def append(self, part: Part) -> None:
        """Keep a part."""
        self.parts.append(part)


def evaluate_unit(stored: Stored, unit: Unit, there: frozenset[str]) -> list[Part] | Failure:
    """Return the parts of a unit that aren't there, or why there are none.

    Args:
        stored: the package of the unit's network.
        unit: which one.
        there: keys of the parts that are there.
    """
    return run_task(stored, _hold, lambda held: _evaluate(held, unit, there))


@settling
def _evaluate(held: "_Held", unit: Unit, there: frozenset[str]) -> list[Part]:
    found = Collected(there)
    with kept_memory(held.device):
        run = UnitRun(held.ready, held.known, unit, found, found, told=lambda _: None)
        run.run(progress=False)
    return found.parts


@dataclass(frozen=True, slots=True)
class _Held:
    """What a process has ready for its next unit: one network."""

    ready: ReadyNetwork
    known: RecordedBefore
    device: torch.device


def _hold(package: Package) -> _Held:
    ready = ReadyNetwork(
        package.network,
        package.variants,
        package.options,
        Inputs(package.options, package.archs),
        measure=package.measure,
        loaded=unpack(package.content),
    )
    check_same(ready.identity.base, package.base, _DECIDING)
    return _Held(ready, package.known, choose_device(package.options["device"]))
