"""Tasks of Ray's that are under way: so many that no slot waits, lost ones sent again."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from network_prune.errors import RunError, one_line
from network_prune.study.engines.cluster import Cluster

# How often a task is sent again whose process or machine was lost.
_RETRIES: Final = 8
# Tasks that are sent for each slot: one waits, so that no slot does.
_SENT: Final = 2
_SECONDS_TO_END: Final = 5.0

Due = TypeVar("Due")


class Tasks(Generic[Due]):
    """Sends calls of a function and hands back what they return; leaving it ends the others.

    Args:
        ray: the module, in a cluster.
        cluster: what a task takes of it.
        function: what a task calls.
        out: the run's folder, for people.
    """

    def __init__(
        self, ray: Any, cluster: Cluster, function: Callable[..., object], out: Path
    ) -> None:
        self._ray, self._cluster, self._out = ray, cluster, out
        self._pending: dict[Any, Due] = {}
        takes = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus}
        self._task = ray.remote(function).options(max_retries=_RETRIES, **takes)

    def found(self, calls: Iterator[tuple[Due, Sequence[Any] | None]]) -> Iterator[tuple[Due, Any]]:
        """Yield what is due with what was found, as that comes.

        Args:
            calls: what is due, named for people by its text, with the arguments of a task;
                None of what needs no task, for which None is found. Each is asked for when
                there is room.

        Raises:
            RunError: a task can't be run.
        """
        while True:
            room = _SENT * max(self._cluster.slots(self._ray), 1) - len(self._pending)
            asked = 0
            for due, arguments in islice(calls, max(room, 0)):
                asked += 1
                if arguments is None:
                    yield due, None
                else:
                    self._pending[self._task.remote(*arguments)] = due
            if self._pending:
                (task,), _ = self._ray.wait(list(self._pending), num_returns=1)
                due = self._pending.pop(task)
                yield due, self._result(task, due)
            elif not asked:
                return

    def end(self, is_ended: Callable[[Due], bool]) -> None:
        """End some of what is under way, and the processes of what doesn't end by itself."""
        ended = [task for task, due in self._pending.items() if is_ended(due)]
        for task in ended:
            del self._pending[task]
            self._ray.cancel(task)
        if ended:
            count = len(ended)
            _, left = self._ray.wait(ended, num_returns=count, timeout=_SECONDS_TO_END)
            for task in left:
                self._ray.cancel(task, force=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.end(lambda _: True)

    def _result(self, task: Any, due: Due) -> Any:
        try:
            return self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            raise RunError(
                f"Ray can't evaluate {due}: {one_line(cause)}; what is finished is in "
                f"{self._out}, and the same command goes on"
            ) from error
