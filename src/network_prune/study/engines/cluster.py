"""A cluster of Ray's, joined or started on this machine, with nothing of it on stdout."""

import logging
import os
import signal
import socket
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from network_prune.core.ending import SIGNALS
from network_prune.errors import ArgumentError, RunError, brief, one_line

# Ray sends one report even where reports are off, so it gets an address that leads nowhere.
_NO_REPORTS: Final = "RAY_USAGE_STATS_ENABLED"
_REPORT_URL: Final = "RAY_USAGE_STATS_REPORT_URL"
_NOWHERE: Final = "http://127.0.0.1:9"
_ADDRESS: Final = "RAY_ADDRESS"
_HERE: Final = "local"
_SECONDS_TO_ANSWER: Final = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster, and what a task takes of it.

    Attributes:
        address: of the cluster, ``auto`` or HOST:PORT; None takes the one that this process is
            in, then what ``RAY_ADDRESS`` says, and without both starts one on this machine.
        cpus: cores of a task.
        gpus: GPUs of a task, or which share of one.

    Raises:
        ArgumentError: a value isn't allowed.
    """

    address: str | None = None
    cpus: int = 1
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.address is not None and (not self.address or "://" in self.address):
            raise ArgumentError(
                f"ray_address={brief(self.address)} is no address of a cluster; pass auto, or "
                "HOST:PORT as ray start tells it, on a machine of the cluster"
            )
        if self.cpus < 1:
            raise ArgumentError(
                f"num_cpus_per_task={self.cpus} is too few; pass a whole number from 1"
            )
        is_share = self.gpus < 1
        if not (isfinite(self.gpus) and self.gpus >= 0) or not (is_share or self.gpus % 1 == 0):
            raise ArgumentError(
                f"num_gpus_per_task={self.gpus} can't be had; pass a whole number, or a share of "
                "one GPU such as 0.5"
            )

    def __str__(self) -> str:
        """Return where tasks run and what each takes, for people."""
        address = self.address or os.environ.get(_ADDRESS)
        where = "on this machine" if address is None else f"at {address}"
        gpus = f" and {self.gpus:g} GPUs" if self.gpus else ""
        return f"{where}, {self.cpus} core{'s' * (self.cpus > 1)}{gpus} a task"

    def device(self, asked: str) -> str:
        """Return the type of the device that tasks run on.

        Raises:
            ArgumentError: they have none such as is asked for.
        """
        kind = "cuda" if self.gpus else "cpu"
        if asked not in ("auto", kind):
            raise ArgumentError(
                f"device={asked!r} doesn't go with num_gpus_per_task={self.gpus:g}, by which tasks "
                f"run on {kind}; pass auto, and --num-gpus-per-task 1 for GPUs or 0 for none"
            )
        return kind

    @contextmanager
    def joined(self) -> Generator[Any]:
        """Be in the cluster meanwhile; yield the module ``ray``.

        A cluster that was started for this is ended then, one that was joined is left, and where
        the process was in one already, it stays there.

        Raises:
            RunError: there is no such cluster, or none can be started.
        """
        _send_no_reports(os.environ)
        with _own_handlers():
            import ray

            is_joined = self.address is None and ray.is_initialized()
            if not is_joined:
                _join(ray, self.address or os.environ.get(_ADDRESS) or _HERE)
        try:
            yield ray
        finally:
            if not is_joined:
                with _own_handlers():
                    ray.shutdown()

    def slots(self, ray: Any) -> int:
        """Return how many tasks can run at once."""
        return sum(map(self._slots_of, _machines(ray)))

    def check_slots(self, ray: Any) -> int:
        """Return how many tasks can run at once.

        Raises:
            ArgumentError: none can.
        """
        found = self.slots(ray)
        if not found:
            cpus, gpus = (
                max((machine.get(name, 0) for machine in _machines(ray)), default=0)
                for name in ("CPU", "GPU")
            )
            raise ArgumentError(
                f"no machine of the cluster has {self.cpus} cores and {self.gpus:g} GPUs for a "
                f"task; the largest have {cpus:g} and {gpus:g}: pass fewer with "
                "--num-cpus-per-task and --num-gpus-per-task"
            )
        return found

    def _slots_of(self, node: dict[str, float]) -> int:
        by_cpus = int(node.get("CPU", 0) // self.cpus)
        return min(by_cpus, int(node.get("GPU", 0) / self.gpus)) if self.gpus else by_cpus


def _machines(ray: Any) -> list[dict[str, float]]:
    """Return what each machine of the cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _join(ray: Any, address: str) -> None:
    _check_answers(address)
    own = {"include_dashboard": False} if address == _HERE else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:
        what = "start on this machine" if address == _HERE else f"be joined at {address}"
        raise RunError(f"Ray can't {what}: {one_line(error)}") from error


def _check_answers(address: str) -> None:
    """Refuse an address where nothing answers, for which Ray itself waits long.

    Raises:
        RunError: there is nothing.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise RunError(
            f"no cluster of Ray's answers at {address} ({one_line(error)}); start one there with "
            "ray start --head, or pass another --ray-address"
        ) from error


def _send_no_reports(environment: MutableMapping[str, str]) -> None:
    """Turn usage reports off, unless the user has said what becomes of them."""
    if environment.setdefault(_NO_REPORTS, "0") == "0":
        environment.setdefault(_REPORT_URL, _NOWHERE)


@contextmanager
def _own_handlers() -> Generator[None]:
    """Keep the handlers of signals, which Ray takes over."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, *SIGNALS)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
