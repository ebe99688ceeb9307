"""One shard's run: what is missing of its units, evaluated."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from network_prune.errors import ArgumentError, RunError
from network_prune.results.parts.cut_file import Cut
from network_prune.results.parts.folder import shards_folder
from network_prune.results.parts.part_file import PartFile
from network_prune.results.parts.parts import Parts
from network_prune.results.records import Record
from network_prune.sources.inputs import Inputs
from network_prune.study.events import Failed, Told
from network_prune.study.plan import Plan
from network_prune.study.sharding.networks import RecordedBefore, StudyNetworks
from network_prune.study.sharding.shard import Shard
from network_prune.study.sharding.unit_run import UnitRun


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
        self._out, self._shard, self._told = out, shard, told
        self._networks = StudyNetworks(plan, inputs, out)

    def cut(self, command: str) -> Cut:
        """Return how the study is cut, which the first shard settles for all.

        Args:
            command: that each shard runs, for people.

        Raises:
            ArgumentError: it is cut for another number of shards, or another plan.
            NetworkPruneError: no network can be loaded, or nothing can be written.
        """
        found = self._networks.cut(lambda _: self._shard.count, command)
        folder = shards_folder(self._out)
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
        with PartFile(self._out, str(self._shard)) as file:
            parts = Parts(self._out, cut)
            for notice in parts.notices:
                self._told(notice)
            heads = (*first, *parts.heads())
            known = RecordedBefore(shards_folder(self._out), records, file.pieces, heads)
            own = [
                (number, unit)
                for number, unit in enumerate(cut.units)
                if unit.shard == self._shard.number and not parts.is_done(number)
            ]
            for place, units in groupby(own, key=lambda each: each[1].network):
                network = self._networks.names[place]
                try:
                    for number, unit in units:
                        ready = self._networks.fitting(network, cut, known)
                        run = UnitRun(ready, known, unit, parts, file, self._told)
                        run.run(progress=progress)
                        file.append_done(cut.identity, number, run.keys(), run.part_keys())
                except RunError:
                    raise
                except Exception as error:
                    self._told(Failed.among(self._networks.names, network, error))
