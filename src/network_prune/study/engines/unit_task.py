"""What a task of Ray's does: one unit of a study, its parts handed back."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from network_prune.core.usual_settings import usual_settings
from network_prune.errors import NetworkPruneError, RunError, SourceError, failure_text
from network_prune.evaluation.device import choose_device
from network_prune.evaluation.memory import kept_memory
from network_prune.evaluation.variant import Network, Variant
from network_prune.pruning.unfinished import settling
from network_prune.results.parts.cut_file import Unit
from network_prune.results.parts.part import Part
from network_prune.sources.inputs import Inputs
from network_prune.study.engines.packed import unpack
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.sharding.networks import RecordedBefore
from network_prune.study.sharding.unit_run import UnitRun

_DECIDING: Final = ("network", "preprocessing", "data", "asked", "versions")


@dataclass(frozen=True, slots=True)
class Package:
    """A network with all that is said of its units; it travels once to each machine.

    Attributes:
        name: of its own.
        network: which one.
        content: the loaded network, as bytes.
        variants: what the plan says of it.
        options: the plan's.
        archs: names of all networks of the study.
        known: what is recorded of the network.
        base: what all its records hold.
        folder: in which relative paths begin, where a machine has it.
    """

    name: str
    network: Network
    content: bytes
    variants: Sequence[Variant]
    options: Mapping[str, Any]
    archs: Sequence[str]
    known: RecordedBefore
    base: Mapping[str, Any]
    folder: str


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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a unit has no parts.

    Attributes:
        error: what to say.
        ends_study: whether it isn't of the network alone.
    """

    error: NetworkPruneError
    ends_study: bool


def evaluate_unit(
    name: str, stored: Sequence[Any], unit: Unit, there: frozenset[str]
) -> list[Part] | Failure:
    """Return the parts of a unit that aren't there, or why there are none.

    Args:
        name: of the package of the unit's network.
        stored: where it is in Ray's store.
        unit: which one.
        there: keys of the parts that are there.
    """
    import ray

    package: Package | None = None if name in _held else ray.get(stored[0])
    try:
        with usual_settings():
            held = _hold(package) if package is not None else _held[name]
            return _evaluate(held, unit, there)
    except NetworkPruneError as error:
        return Failure(error, isinstance(error, RunError))
    except Exception as error:
        return Failure(RunError(f"{failure_text(error)} (on {platform.node()})"), ends_study=False)


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


_held: dict[str, _Held] = {}


def _hold(package: Package) -> _Held:
    _held.clear()
    if os.path.isdir(package.folder):
        os.chdir(package.folder)
    ready = ReadyNetwork(
        package.network,
        package.variants,
        package.options,
        Inputs(package.options, package.archs),
        loaded=unpack(package.content),
    )
    _check_same(ready.identity.base, package.base)
    device = choose_device(package.options["device"])
    return _held.setdefault(package.name, _Held(ready, package.known, device))


def _check_same(here: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    """Refuse another network, images or versions than those of the process that asks.

    Raises:
        SourceError: something is other here.
    """
    other = next((name for name in _DECIDING if here[name] != there[name]), None)
    if other is None:
        return
    differing = [name for name in there[other] if here[other].get(name) != there[other][name]]
    shown = ", ".join(f"{name} {here[other].get(name)}" for name in differing)
    raise SourceError(
        f"the {other} on {platform.node()} are other than where the study was started ({shown}); "
        "let all machines of the cluster have the same"
    )
