"""Start the workers that read images, so that nothing of a run's end is lost among them."""

import os
import sys
from collections.abc import Iterable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.util import get_temp_dir
from typing import Any, Final

from torch.multiprocessing import get_sharing_strategy

from network_prune.core.ending import put_off
from network_prune.core.foreign_code import guarded
from network_prune.core.usual_settings import usual_settings
from network_prune.errors import RunError, brief

# Bytes that a socket's path may have, and those of its name in the folder of a process.
_LONGEST: Final = 107 - len("/listener-xxxxxxxx")


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start(batches: Iterable[Any]) -> Iterator[Any]:
    """Return an iterator over ``batches``, whose workers, if it has any, have started.

    Signals that end the program wait meanwhile: a process that forks runs hooks, and Python
    drops what is raised in them. The workers' temporary files lie in a folder of this
    process, which goes when it ends, however they end.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed meanwhile.
        StateError: this is inside a torch.func transform.
        UserCodeError: what gives the batches wants to end the program, now or later.
        RunError: workers can't send what they read; or later: a worker has ended.
    """
    with usual_settings(), put_off():  # a DataLoader draws a seed
        if getattr(batches, "num_workers", 0):
            _check_path(get_temp_dir())
        return guarded(iter(batches))


def say_nothing_at_the_end(_: int) -> None:
    """Let a worker that its parent ends in the middle of a batch say nothing of that.

    Its parent hears of other errors, but for what it can't be sent, which stays on stderr.
    """
    sys.excepthook = lambda *_: None
    Queue._on_queue_feeder_error = staticmethod(_tell_unsent)  # pyright: ignore[reportAttributeAccessIssue]


def _check_path(folder: str) -> None:
    """Refuse a folder in which no worker can open a socket, for which its parent waits forever."""
    size = len(os.fsencode(folder))
    if size > _LONGEST and get_sharing_strategy() == "file_descriptor":
        raise RunError(
            f"the folder for temporary files has a path of {size} bytes ({brief(folder)}), and "
            f"workers can use at most {_LONGEST}; set TMPDIR to a shorter one, or pass --workers 0"
        )


_tell_always: Any = Queue._on_queue_feeder_error  # pyright: ignore[reportAttributeAccessIssue]


def _tell_unsent(error: Exception, sent: object) -> None:
    if os.path.isdir(get_temp_dir()):  # the parent's, which goes when it ends
        _tell_always(error, sent)
