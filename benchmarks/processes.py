"""What processes cost, as the system counts it."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

COMMAND: Final = (sys.executable, "-m", "network_prune")


@dataclass(frozen=True)
class Used:
    """What a process used.

    Attributes:
        seconds: until it ended.
        cpu_seconds: of all its threads.
        megabytes: the most memory that it held.
    """

    seconds: float
    cpu_seconds: float
    megabytes: float


def cost(command: Sequence[str]) -> Used:
    """Return what a command uses.

    The system counts what this process holds where it starts another, so it imports little.
    """
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Used(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3)
