"""Units of a study as tasks of Ray's, their parts written by the process that sends them."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from network_prune.display.progress import progress_bar
from network_prune.errors import RunError
from network_prune.evaluation.variant import Network
from network_prune.results.parts.cut_file import Cut, Unit
from network_prune.results.parts.part_file import PartFile
from network_prune.results.parts.parts import Parts
from network_prune.results.records import Record
from network_prune.study.engines.cluster import Cluster
from network_prune.study.engines.in_task import Failure, Stored
from network_prune.study.engines.packed import pack
from network_prune.study.engines.sent import DueUnit, package_of
from network_prune.study.engines.tasks import Tasks
from network_prune.study.engines.unit_task import evaluate_unit
from network_prune.study.events import Failed, PartKept, Started, Told
from network_prune.study.plan import Plan
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.running.due import is_recorded, wanted_of
from network_prune.study.sharding.networks import RecordedBefore, StudyNetworks


class RayRun:
    """Evaluates what is missing of all units.

    Args:
        ray: the module, in a cluster.
        cluster: what a task takes of it.
        plan: the whole study, with the options of tasks.
        networks: loads its networks.
        out: the study's folder.
        told: is given what happens.
    """

    def __init__(
        self, ray: Any, cluster: Cluster, plan: Plan, networks: StudyNetworks, out: Path, told: Told
    ) -> None:
        self._ray, self._plan = ray, plan
        self._networks, self._out, self._told = networks, out, told
        self._failed = set[Network]()
        self._tasks = Tasks[DueUnit](ray, cluster, evaluate_unit, out)

    def run(
        self,
        cut: Cut,
        records: Mapping[str, Record],
        first: Iterable[Record],
        progress: bool | None,
    ) -> None:
        """Evaluate; arguments and errors are those of `ShardRun.run`."""
        with PartFile(self._out, "ray") as file:
            parts = Parts(self._out, cut)
            for notice in parts.notices:
                self._told(notice)
            known = RecordedBefore(None, records, file.pieces, (*first, *parts.heads()))
            units = [(n, unit) for n, unit in enumerate(cut.units) if not parts.is_done(n)]
            sent = self._sent(units, cut, known, parts)
            with (
                progress_bar(total=len(units), label="Ray", unit="unit", shown=progress) as bar,
                self._tasks,
            ):
                for due, found in self._tasks.found(sent):
                    if isinstance(found, Failure):
                        if found.ends_study:
                            raise found.error
                        self._fail(due.network, found.error)
                        continue
                    for part in found or ():
                        file.append(part)
                        self._told(PartKept(due.network, due.wanted[part.head["key"]]))
                    file.append_done(cut.identity, due.number, due.wanted, due.part_keys)
                    bar.update()

    def _sent(
        self, units: Iterable[tuple[int, Unit]], cut: Cut, known: RecordedBefore, parts: Parts
    ) -> Iterator[tuple[DueUnit, tuple[Any, ...] | None]]:
        """Yield each unit with what its task takes, None if it needs none.

        Of a network that fails the rest is left out.
        """
        for place, of_network in groupby(units, key=lambda each: each[1].network):
            network, stored = self._networks.names[place], None
            try:
                for number, unit in of_network:
                    if network in self._failed:
                        break
                    ready = self._networks.fitting(network, cut, known)
                    due = DueUnit.of(number, unit, ready, known, parts)
                    if due.is_there:
                        yield due, None
                        continue
                    stored = stored or self._put(ready, known)
                    yield due, (stored, unit, due.there)
            except RunError:
                raise
            except Exception as error:
                self._fail(network, error)

    def _put(self, ready: ReadyNetwork, known: RecordedBefore) -> Stored:
        """Put a network into Ray's store, from which each machine gets it once."""
        wanted = wanted_of(ready)
        due = [v for key, v in wanted.items() if not is_recorded(ready, key, known.records)]
        self._told(
            Started(
                ready.network, tuple(due), len(wanted) - len(due), ready.data.n, ready.identity.base
            )
        )
        if ready.keeps_outcomes:
            known.outcomes.put(ready.images().to_bytes())
        content = pack(ready.loaded, self._ray.cloudpickle)
        return Stored.put(self._ray, [package_of(ready, content, self._plan, known)])

    def _fail(self, network: Network, error: Exception) -> None:
        """Leave a network out; the error of the only one is raised."""
        self._told(Failed.among(self._networks.names, network, error))
        self._failed.add(network)
        self._tasks.end(lambda due: due.network == network)
