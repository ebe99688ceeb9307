"""The other process, as the study sees it: it takes messages, and may be ended at any time."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from subprocess import DEVNULL, PIPE
from threading import Thread
from typing import IO, Any, Final

from network_prune.reports.tracking.server_address import ServerAddress

# What MLflow's own defaults would make of a server that is gone: minutes of retries. Whoever sets
# these variables has what they say.
_UNLESS_SET: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}

Answer = Mapping[str, Any]


class Sender:
    """A process that sends to MLflow what it is given.

    It has an environment of its own, in which MLflow can't disturb the study, nor the study
    wait for MLflow.

    Args:
        address: the server's.
        study: the arguments of `StudyRuns` beside the address.
    """

    def __init__(self, address: ServerAddress, study: Mapping[str, str]) -> None:
        own = {
            **address.login,
            "MLFLOW_TRACKING_URI": address.uri,
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "network_prune.reports.tracking"],
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={**_UNLESS_SET, **os.environ, **own},
            process_group=0,  # Ctrl-C on the terminal is for the study
        )
        self._answers: SimpleQueue[Answer | None] = SimpleQueue()
        assert self._process.stdout is not None
        output = (self._process.stdout, self._answers)
        self._reader = Thread(target=_read, args=output, daemon=True)
        self._reader.start()
        self.give({"uri": address.uri, **study})

    def give(self, message: Mapping[str, Any]) -> None:
        """Send a message; a process that has ended takes none."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def answers(self) -> Iterator[Answer]:
        """Yield the answers that have come."""
        with suppress(Empty):
            while (answer := self._answers.get_nowait()) is not None:
                yield answer

    def last_answers(self, *, patience: float) -> Iterator[Answer]:
        """Yield answers until the last, or until none has come for so many seconds."""
        with suppress(Empty):
            while (answer := self._answers.get(timeout=patience)) is not None:
                yield answer

    def end(self, *, patience: float) -> None:
        """End the process, which has so many seconds for what it is at."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with suppress(OSError):
                process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
        finally:
            process.kill()
            process.wait()
            self._reader.join()
            process.stdout.close()


def _read(output: IO[bytes], answers: SimpleQueue[Answer | None]) -> None:
    for line in output:
        answers.put(json.loads(line))
    answers.put(None)
