"""One shard's run: what is missing of its units, evaluated."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from network_prune.errors import ArgumentError, RunError, SourceError, failure_text
from network_prune.evaluation.variant import Network
from network_prune.results.outcome_store import OutcomeStore, StoredOutcomes
from network_prune.results.parts.cut_file import Cut
from network_prune.results.parts.folder import shards_folder
from network_prune.results.parts.part_file import PartFile
from network_prune.results.parts.parts import Parts
from network_prune.results.records import Record
from network_prune.sources.inputs import Inputs
from network_prune.study.events import Failed, Told
from network_prune.study.plan import Plan
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.sharding.planned import cut_plan, plan_hash
from network_prune.study.sharding.shard import Shard
from network_prune.study.sharding.unit_run import UnitRun


@dataclass(frozen=True, slots=True)
class Known:
    """A study's records as they are at the start, and where a shard keeps what it has.

    Attributes:
        folder: of the shards.
        records: by key.
        outcomes: what belongs to them.
        first: those that say something new of network, images and running.
    """

    folder: Path
    records: Mapping[str, Record]
    outcomes: OutcomeStore
    first: tuple[Record, ...]

    def heads(self) -> Iterable[Record]:
        """Return records without those that say the same of network, images and running."""
        return self.first


class ShardRun:
    """Evaluates what is missing of a shard's units.

    Args:
        plan: the whole study.
        inputs: loads its networks and images.
        out: the study's folder.
        shard: which share of it.
        told: is given what happens.
    """

    def __init__(self, plan: Plan, inputs: Inputs, out: Path, shard: Shard, told: Told) -> None:
        self._plan, self._inputs, self._out, self._shard = plan, inputs, out, shard
        self._told = told
        self._networks = list(plan.variants)
        self._ready = lru_cache(maxsize=1)(self._load)

    def cut(self, command: str) -> Cut:
        """Return how the study is cut, which the first shard settles for all.

        Args:
            command: that each shard runs, for people.

        Raises:
            ArgumentError: it is cut for another number of shards, or another plan.
            NetworkPruneError: no network can be loaded, or nothing can be written.
        """
        found = Cut.read(self._out)
        if found is None:
            ready = self._any_network()
            cut = cut_plan(self._plan, self._inputs, ready, self._shard.count, command)
            found = cut.write(self._out)
        folder = shards_folder(self._out)
        if found.plan != plan_hash(self._plan):
            raise ArgumentError(
                f"{folder} has shards of another plan, or of other versions; pass another folder "
                f"with --out, or record what is finished with network-prune records merge "
                f"{self._out}, and delete {folder}"
            )
        if found.shards != self._shard.count:
            raise ArgumentError(
                f"shard={str(self._shard)!r} doesn't fit: {self._out} is cut into {found.shards} "
                f"shards; pass I/{found.shards}, or delete {folder} to begin anew"
            )
        return found

    def run(
        self,
        cut: Cut,
        records: Mapping[str, Record],
        first: Iterable[Record],
        progress: bool | None,
    ) -> None:
        """Evaluate, one network after the other.

        Args:
            cut: how the study is cut.
            records: what is recorded, by key.
            first: those of them that say something new of network, images and running.
            progress: show a bar on stderr; None shows it on a terminal and in a notebook only.

        Raises:
            RunError: another process of this host runs the shard, or nothing can be written.
            NetworkPruneError: the only network fails.
        """
        with PartFile(self._out, str(self._shard), [StoredOutcomes(self._out)]) as file:
            known = Known(shards_folder(self._out), records, file.pieces, tuple(first))
            parts = Parts(self._out, cut)
            for notice in parts.notices:
                self._told(notice)
            own = [
                (number, unit)
                for number, unit in enumerate(cut.units)
                if unit.shard == self._shard.number and not parts.is_done(number)
            ]
            for place, units in groupby(own, key=lambda each: each[1].network):
                network = self._networks[place]
                try:
                    for number, unit in units:
                        ready = self._fitting(network, cut, known)
                        run = UnitRun(ready, known, unit, parts, file, self._told)
                        run.run(progress=progress)
                        file.append_done(cut.identity, number, run.keys(), run.part_keys())
                except RunError:
                    raise
                except Exception as error:
                    if len(self._networks) == 1:
                        raise
                    self._told(Failed(network, failure_text(error)))

    def _fitting(self, network: Network, cut: Cut, known: Known) -> ReadyNetwork:
        ready = self._ready(network)
        ready.identity.check_names(known.heads())
        if ready.data.n != cut.images:
            raise SourceError(
                f"the data has {ready.data.n} images, and the shards in {self._out} are cut for "
                f"{cut.images}; bring the old ones back, or pass another folder with --out"
            )
        return ready

    def _any_network(self) -> ReadyNetwork:
        """Return the first network that can be loaded."""
        for network in self._networks[:-1]:
            try:
                return self._ready(network)
            except Exception:
                continue  # the shard that evaluates it tells why
        return self._ready(self._networks[-1])

    def _load(self, network: Network) -> ReadyNetwork:
        return ReadyNetwork(network, self._plan.variants[network], self._plan.options, self._inputs)
