"""The networks of a study that several processes share, and how it is cut for them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from network_prune.errors import ArgumentError, SourceError
from network_prune.evaluation.variant import Network
from network_prune.results.outcome_store import OutcomeStore
from network_prune.results.parts.cut_file import Cut
from network_prune.results.parts.folder import shards_folder
from network_prune.results.records import Record
from network_prune.sources.inputs import Inputs
from network_prune.study.measure import Measure
from network_prune.study.plan import Plan
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.sharding.planned import cut_plan, plan_hash


@dataclass(frozen=True, slots=True)
class RecordedBefore:
    """A study's records as they are at the start, and where a process keeps what it has.

    Attributes:
        folder: for what is under way; None keeps nothing of that.
        records: by key.
        outcomes: what belongs to them.
        first: those that say something new of network, images and running.
    """

    folder: Path | None
    records: Mapping[str, Record]
    outcomes: OutcomeStore
    first: tuple[Record, ...]

    def heads(self) -> Iterable[Record]:
        """Return records without those that say the same of network, images and running."""
        return self.first


class StudyNetworks:
    """A study's networks, one at a time in memory.

    Args:
        plan: the whole study.
        inputs: loads its networks and images.
        out: the study's folder.
        measure: what is found out of each variant; None for loss and accuracy.
        device: that networks run on, where other processes run them; else the plan's.

    Attributes:
        names: the networks, in the plan's order.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        out: Path,
        *,
        measure: Measure | None = None,
        device: torch.device | None = None,
    ) -> None:
        self._plan, self._inputs, self._out, self._device = plan, inputs, out, device
        self._measure = measure or Measure()
        self._ready = lru_cache(maxsize=1)(self._load)
        self.names = list(plan.variants)

    def cut(self, shards: Callable[[ReadyNetwork], int], command: str) -> Cut:
        """Return how the study is cut, which the first process settles for all.

        Args:
            shards: says for how many shards it is cut, if it isn't yet.
            command: that each process runs, for people.

        Raises:
            ArgumentError: another plan is cut.
            NetworkPruneError: no network can be loaded, or nothing can be written.
        """
        found = Cut.read(self._out)
        if found is None:
            ready = self._any()
            cut = cut_plan(self._plan, self._inputs, ready, shards(ready), command)
            found = cut.write(self._out)
        folder = shards_folder(self._out)
        if found.plan != plan_hash(self._plan, self._measure):
            raise ArgumentError(
                f"{folder} has shards of another plan, or of other versions; pass another folder "
                f"with --out, or record what is finished with network-prune records merge "
                f"{self._out}, and delete {folder}"
            )
        return found

    def fitting(self, network: Network, cut: Cut, known: RecordedBefore) -> ReadyNetwork:
        """Return a network, ready to run.

        Raises:
            SourceError: it, or the images, aren't those that are recorded or cut.
            NetworkPruneError: network or images can't be loaded.
        """
        ready = self._ready(network)
        ready.identity.check_names(known.heads())
        if ready.data.n != cut.images:
            raise SourceError(
                f"the data has {ready.data.n} images, and the shards in {self._out} are cut for "
                f"{cut.images}; bring the old ones back, or pass another folder with --out"
            )
        return ready

    def _any(self) -> ReadyNetwork:
        """Return the first network that can be loaded."""
        for network in self.names[:-1]:
            try:
                return self._ready(network)
            except Exception:
                continue  # the process that evaluates it tells why
        return self._ready(self.names[-1])

    def _load(self, network: Network) -> ReadyNetwork:
        return ReadyNetwork(
            network,
            self._plan.variants[network],
            self._plan.options,
            self._inputs,
            measure=self._measure,
            device=self._device,
        )
