"""Settings of the whole process, which several threads may need at a time."""

import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any


class ProcessWide:
    """A setting that holds as long as any thread needs it: the last one puts it back.

    If each thread put back what it found, one could put back for good what another had set.

    Args:
        make: returns what sets it and puts it back.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make = make
        self._needed = 0
        self._lock = threading.Lock()
        self._set = ExitStack()

    @contextmanager
    def needed(self) -> Generator[None]:
        """Let the setting hold meanwhile."""
        with self._lock:
            if not self._needed:
                self._set.enter_context(self._make())
            self._needed += 1
        try:
            yield
        finally:
            with self._lock:
                self._needed -= 1
                if not self._needed:
                    self._set.close()
