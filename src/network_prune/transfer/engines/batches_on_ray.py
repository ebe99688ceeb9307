"""Batches of a transfer run as tasks of Ray's, handed to the rows that they are of."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from network_prune.study.engines.cluster import Cluster
from network_prune.study.engines.in_task import Failure, Stored
from network_prune.study.engines.packed import pack
from network_prune.study.engines.tasks import Tasks
from network_prune.transfer.engines.batch_task import Classes, Package, attack, look_at
from network_prune.transfer.plan import TransferPlan
from network_prune.transfer.running.identity import describe_row
from network_prune.transfer.running.ready import Ready
from network_prune.transfer.running.row_run import RowRun


class ReadyForRay(Ready):
    """Networks and images of a run whose batches are computed in tasks.

    Args:
        plan: the run.
        kind: the type of the device that tasks run on.
        cluster: what a task takes.
        join: joins the cluster, if that wasn't done, and returns the module ``ray``.
        out: the run's folder.
    """

    def __init__(
        self, plan: TransferPlan, kind: str, cluster: Cluster, join: Callable[[], Any], out: Path
    ) -> None:
        super().__init__(_on(plan, "cpu"))
        self.device_type = kind
        self._plan, self._cluster, self._join, self._out = plan, cluster, join, out

    @cached_property
    def clean(self) -> Classes:
        """What each network takes each clean image for, int64 ``[n]``, found in tasks."""
        parts = (_Due(part) for part in self.images.batches(self.batch_size))
        calls = ((due, (self._stored, due.part)) for due in parts)
        classes: dict[int, Classes] = {}
        with self._tasks(look_at) as tasks:
            for due, found in tasks.found(calls):
                classes[due.part.start] = self._seen(due.part, found)
        batches = [classes[start] for start in sorted(classes)]
        return {
            network: np.concatenate([batch[network] for batch in batches])
            for network in self.networks.loaded
        }

    def run(self, runs: Sequence[RowRun], advance: Callable[[int], object]) -> None:
        """Attack what is left of rows in tasks, and record them in their order.

        Args:
            runs: the rows.
            advance: is called with each number of passes of images that are done.

        Raises:
            NetworkPruneError: a network fails, or something can't be written.
        """
        left = deque(runs)
        with self._tasks(attack) as tasks:
            for due, found in tasks.found(self._calls(runs, advance)):
                if due.run is not None and found is not None:
                    due.run.take(due.part, self._seen(due.part, found))
                    advance(len(due.part) * due.run.row.passes)
                while left and left[0].is_whole:
                    left.popleft().record()

    def _calls(
        self, runs: Sequence[RowRun], advance: Callable[[int], object]
    ) -> Iterator[tuple["_Due", tuple[Any, ...] | None]]:
        """Yield the batches of all rows with what a task takes, None behind those of a row."""
        clean = self._join().put(self.clean)
        for run in runs:
            parts = run.start()
            advance((len(self.images) - sum(map(len, parts))) * run.row.passes)
            for part in parts:
                yield _Due(part, run), (self._stored, run.row, part, clean, run.saves)
            yield _Due(range(0), run), None

    def _seen(self, part: range, found: Any) -> Any:
        """Return what a task found, once it is known that its images were the same."""
        if isinstance(found, Failure):
            raise found.error
        self.images.see(part, found.digests)
        return found.found

    def _tasks(self, function: Callable[..., object]) -> Tasks["_Due"]:
        return Tasks(self._join(), self._cluster, function, self._out)

    @cached_property
    def _stored(self) -> Stored:
        """The run and its networks in Ray's store, from which each machine gets them once."""
        ray = self._join()
        kind = self.device_type
        package = Package(_on(self._plan, kind), describe_row(self._plan.rows[0], self))
        loaded = self.networks.loaded
        contents = (pack(loaded[network], ray.cloudpickle) for network in self._plan.networks)
        return Stored.put(ray, [package, *contents])


@dataclass(frozen=True, slots=True)
class _Due:
    """A batch that is due.

    Attributes:
        part: positions of its images.
        run: the row that it is of; None of clean images.
    """

    part: range
    run: RowRun | None = None

    def __str__(self) -> str:
        images = f"images {self.part.start} to {self.part.stop - 1}"
        return images if self.run is None else f"{images} of {self.run.row}"


def _on(plan: TransferPlan, device: str) -> TransferPlan:
    return replace(plan, options={**plan.options, "device": device})
