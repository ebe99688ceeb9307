"""Units of a study as tasks of Ray's, their parts written by the process that sends them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

from network_prune.display.progress import progress_bar
from network_prune.errors import RunError, one_line
from network_prune.evaluation.variant import Network
from network_prune.results.parts.cut_file import Cut, Unit
from network_prune.results.parts.part import Part
from network_prune.results.parts.part_file import PartFile
from network_prune.results.parts.parts import Parts
from network_prune.results.records import Record
from network_prune.study.engines.cluster import Cluster
from network_prune.study.engines.packed import pack
from network_prune.study.engines.sent import DueUnit, package_of
from network_prune.study.engines.unit_task import Failure, evaluate_unit
from network_prune.study.events import Failed, PartKept, Started, Told
from network_prune.study.plan import Plan
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.running.due import is_recorded, wanted_of
from network_prune.study.sharding.networks import RecordedBefore, StudyNetworks

# How often a unit is sent again whose process or machine was lost.
_RETRIES: Final = 8
# Units that are sent for each slot: one waits, so that no slot does.
_SENT: Final = 2
_SECONDS_TO_END: Final = 5.0


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
        self._ray, self._cluster, self._plan = ray, cluster, plan
        self._networks, self._out, self._told = networks, out, told
        self._failed = set[Network]()
        self._pending: dict[Any, DueUnit] = {}
        takes = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus}
        self._task = ray.remote(evaluate_unit).options(max_retries=_RETRIES, **takes)

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
            with progress_bar(total=len(units), label="Ray", unit="unit", shown=progress) as bar:
                try:
                    for due, found in self._found(sent):
                        for part in found:
                            file.append(part)
                            self._told(PartKept(due.network, due.wanted[part.head["key"]]))
                        file.append_done(cut.identity, due.number, due.wanted, due.part_keys)
                        bar.update()
                finally:
                    self._cancel(list(self._pending))

    def _sent(
        self, units: Iterable[tuple[int, Unit]], cut: Cut, known: RecordedBefore, parts: Parts
    ) -> Iterator[tuple[DueUnit, Any]]:
        """Send each unit when it is asked for; yield it with what Ray knows it by, if it is sent.

        Of a network that fails the rest is left out.
        """
        for place, of_network in groupby(units, key=lambda each: each[1].network):
            network, package = self._networks.names[place], None
            try:
                for number, unit in of_network:
                    if network in self._failed:
                        break
                    ready = self._networks.fitting(network, cut, known)
                    due = DueUnit.of(number, unit, ready, known, parts)
                    if due.is_there:
                        yield due, None
                        continue
                    package = package or self._put(ready, known)
                    yield due, self._task.remote(*package, unit, due.there)
            except RunError:
                raise
            except Exception as error:
                self._fail(network, error)

    def _put(self, ready: ReadyNetwork, known: RecordedBefore) -> tuple[str, list[Any]]:
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
        package = package_of(ready, content, self._plan, known)
        return package.name, [self._ray.put(package)]

    def _found(
        self, sent: Iterator[tuple[DueUnit, Any]]
    ) -> Iterator[tuple[DueUnit, Sequence[Part]]]:
        """Yield each unit with the parts that were found, as they come."""
        while True:
            room = _SENT * max(self._cluster.slots(self._ray), 1) - len(self._pending)
            for due, task in islice(sent, max(room, 0)):
                if task is None:
                    yield due, ()
                else:
                    self._pending[task] = due
            if not self._pending:
                return
            (task,), _ = self._ray.wait(list(self._pending), num_returns=1)
            due = self._pending.pop(task)
            found = self._result(task, due)
            if isinstance(found, Failure):
                if found.ends_study:
                    raise found.error
                self._fail(due.network, found.error)
            else:
                yield due, found

    def _result(self, task: Any, due: DueUnit) -> Sequence[Part] | Failure:
        try:
            return self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            raise RunError(
                f"Ray can't evaluate a part of {due.network}: {one_line(cause)}; what is finished "
                f"is in {self._out}, and the same command goes on"
            ) from error

    def _fail(self, network: Network, error: Exception) -> None:
        """Leave a network out; the error of the only one is raised."""
        self._told(Failed.among(self._networks.names, network, error))
        self._failed.add(network)
        ended = [task for task, due in self._pending.items() if due.network == network]
        for task in ended:
            del self._pending[task]
        self._cancel(ended)

    def _cancel(self, tasks: list[Any]) -> None:
        """End tasks, and the processes of those that don't end by themselves."""
        for task in tasks:
            self._ray.cancel(task)
        if tasks:
            count = len(tasks)
            _, left = self._ray.wait(tasks, num_returns=count, timeout=_SECONDS_TO_END)
            for task in left:
                self._ray.cancel(task, force=True)
