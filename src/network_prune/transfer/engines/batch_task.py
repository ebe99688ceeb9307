"""What a task of Ray's does for a transfer run: one batch, clean or attacked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np

from network_prune.evaluation.memory import kept_memory
from network_prune.evaluation.variant import Network
from network_prune.results.records import Record
from network_prune.study.engines.in_task import Failure, Stored, check_same, run_task
from network_prune.study.engines.packed import unpack
from network_prune.transfer.plan import Row, TransferPlan
from network_prune.transfer.running.batch import AttackedBatch, Attacker
from network_prune.transfer.running.identity import describe_row
from network_prune.transfer.running.ready import Ready

# What a row says that networks, which travel, don't.
_DECIDING: Final = ("images", "running", "versions")

Classes = Mapping[Network, np.ndarray]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Read(Generic[Found]):
    """What was found of a batch, and which bytes its images were read from.

    Attributes:
        found: what.
        digests: of the bytes.
    """

    found: Found
    digests: bytes


@dataclass(frozen=True, slots=True)
class Package:
    """A run, all of whose networks travel beside it.

    Attributes:
        plan: the run, on the device of tasks.
        base: what decides the figures of its first row.
    """

    plan: TransferPlan
    base: Record


def look_at(stored: Stored, part: range) -> Read[Classes] | Failure:
    """Return what each network takes some clean images for, or why that isn't known."""
    return run_task(stored, _Held, lambda held: held.look(part))


def attack(
    stored: Stored, row: Row, part: range, clean: Classes, saves: bool
) -> Read[AttackedBatch] | Failure:
    """Return what came of an attack on a batch, or why nothing did.

    Args:
        stored: the package and the networks.
        row: which attack.
        part: positions of the images.
        clean: what each network takes all clean images for.
        saves: whether the images at the end are handed back.
    """
    return run_task(stored, _Held, lambda held: held.attack(row, part, clean, saves))


class _Held:
    """What a process has ready for its next batch: all networks and images of a run."""

    def __init__(self, package: Package, *contents: bytes) -> None:
        plan = package.plan
        loaded = zip(plan.networks, map(unpack, contents), strict=True)
        self._ready = Ready(plan, loaded=dict(loaded))
        check_same(describe_row(plan.rows[0], self._ready), package.base, _DECIDING)
        self._attackers: dict[str, Attacker] = {}

    def look(self, part: range) -> Read[Classes]:
        with kept_memory(self._ready.device):
            return self._read(part, self._ready.look(part))

    def attack(self, row: Row, part: range, clean: Classes, saves: bool) -> Read[AttackedBatch]:
        self._ready.clean = clean
        with kept_memory(self._ready.device):
            found = self._attacker(row).attack(part)
        return self._read(part, found if saves else found.without_pixels())

    def _read(self, part: range, found: Found) -> Read[Found]:
        return Read(found, self._ready.images.digests_of(part))

    def _attacker(self, row: Row) -> Attacker:
        if str(row) not in self._attackers:
            self._attackers = {str(row): Attacker(row, self._ready, lambda _: None)}
        return self._attackers[str(row)]
