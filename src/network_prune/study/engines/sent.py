"""Which units are due, and what has to be sent for each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from network_prune.evaluation.variant import Network
from network_prune.results.outcome_store import OutcomeStore
from network_prune.results.parts.cut_file import Unit
from network_prune.results.parts.parts import Parts
from network_prune.results.records import Record
from network_prune.study.engines.unit_task import Package
from network_prune.study.plan import Plan
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.running.due import Variants, is_recorded
from network_prune.study.sharding.networks import RecordedBefore
from network_prune.study.sharding.unit_run import wanted_of_unit


@dataclass(frozen=True, slots=True)
class DueUnit:
    """A unit that isn't done.

    Attributes:
        number: of the unit.
        unit: what it is.
        network: its network.
        wanted: its variants by key.
        part_keys: keys of those among them that aren't recorded.
        there: keys of what needn't be evaluated.
    """

    number: int
    unit: Unit
    network: Network
    wanted: Variants
    part_keys: tuple[str, ...]
    there: frozenset[str]

    @classmethod
    def of(
        cls, number: int, unit: Unit, ready: ReadyNetwork, known: RecordedBefore, parts: Parts
    ) -> "DueUnit":
        """Return a unit of a network, with what is there of it."""
        wanted = wanted_of_unit(ready, unit)
        missing = [key for key in wanted if not is_recorded(ready, key, known.records)]
        there = {key for key in wanted if key not in missing or parts.has(key, unit.images)}
        return cls(number, unit, ready.network, wanted, tuple(missing), frozenset(there))

    def __str__(self) -> str:
        return f"a part of {self.network}"

    @property
    def is_there(self) -> bool:
        """Whether nothing of it has to be evaluated."""
        return self.there >= self.wanted.keys()


def package_of(ready: ReadyNetwork, content: bytes, plan: Plan, known: RecordedBefore) -> Package:
    """Return what tasks need for the units of a network.

    Args:
        ready: the network.
        content: the loaded network, as bytes.
        plan: the whole study, with the options of tasks.
        known: what is recorded.
    """
    return Package(
        network=ready.network,
        content=content,
        variants=plan.variants[ready.network],
        options=plan.options,
        archs=[network.arch for network in plan.variants],
        measure=ready.measure,
        known=_needed(ready, known),
        base=ready.identity.base,
    )


def _needed(ready: ReadyNetwork, known: RecordedBefore) -> RecordedBefore:
    """Return of what is recorded what a network's units ask for: the dense network, and bytes."""
    key = ready.identity.key(None)
    dense = known.records.get(key) if ready.has_dense else None
    records = {} if dense is None else {key: dense}
    pieces = OutcomeStore()
    for name in _pieces_of([*known.first, *records.values()], records.values()):
        piece = known.outcomes.get(name)
        if piece is not None:
            pieces.put(piece)
    return RecordedBefore(None, records, pieces, known.first)


def _pieces_of(heads: Iterable[Record], dense: Iterable[Record]) -> Iterator[str]:
    """Yield the names of pieces: what was read, and what the dense network did with it."""
    for record in heads:
        yield from filter(None, (record.get("read") or {}).values())
    for record in dense:
        yield from (record["outcomes"] or {}).values()
