"""One unit's run: some variants of a network on some of the images, kept as parts."""

import hashlib
from typing import Protocol

from network_prune.results.parts.cut_file import Unit
from network_prune.results.parts.part import Part
from network_prune.study.events import PartKept, Told
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.running.due import Known, Variants, is_recorded
from network_prune.study.running.pass_run import PassRun
from network_prune.study.running.progress import Progress


class KnownParts(Protocol):
    """The parts that there are."""

    def has(self, key: str, images: range) -> bool:
        """Return whether a variant's part of just these images is there."""
        ...


class TakesParts(Protocol):
    """Keeps parts."""

    def append(self, part: Part) -> None:
        """Keep a part."""
        ...


def wanted_of_unit(ready: ReadyNetwork, unit: Unit) -> Variants:
    """Return by record key the variants of a unit, the dense network first as None."""
    variants = ready.variants[unit.among(len(ready.variants))]
    dense = [None] if ready.has_dense else []
    return {ready.identity.key(variant): variant for variant in (*dense, *variants)}


class UnitRun(PassRun):
    """Evaluates what no shard has yet of a unit.

    Args:
        ready: the network and its images.
        known: the study's records, with the folder of the shards and pieces of this one.
        unit: what to evaluate.
        parts: what all shards had.
        file: takes what this one finds.
        told: is given what happens.
    """

    def __init__(
        self,
        ready: ReadyNetwork,
        known: Known,
        unit: Unit,
        parts: KnownParts,
        file: TakesParts,
        told: Told,
    ) -> None:
        wanted = wanted_of_unit(ready, unit)
        state = f"{ready.identity.key(None)} {unit.variants} {unit.images}"
        progress = Progress(known.folder, hashlib.sha256(state.encode()).hexdigest())
        super().__init__(ready, known, unit.images, wanted, told, progress)
        self._parts, self._file = parts, file
        self._written = set[str]()

    def keys(self) -> list[str]:
        """Return the keys of the unit's variants."""
        return list(self._wanted)

    def part_keys(self) -> list[str]:
        """Return those of them that weren't recorded, of which there are parts now."""
        return [key for key in self._wanted if not self._is_recorded(key)]

    def _is_recorded(self, key: str) -> bool:
        return is_recorded(self._ready, key, self._known.records)

    def _is_done(self, key: str) -> bool:
        is_there = key in self._written or self._parts.has(key, self._images)
        return is_there or self._is_recorded(key)

    def _keep(self, part: Part) -> None:
        key = part.head["key"]
        self._file.append(part)
        self._written.add(key)
        self._told(PartKept(self._ready.network, self._wanted[key]))
