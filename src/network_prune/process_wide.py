"""Settings of the whole process, which several threads may need at a time."""

import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class ProcessWide(Generic[_Value]):
    """A setting that has a value as long as any thread needs it: the last one puts it back.

    If each thread put back what it found, one could put back for good what another had set.

    Args:
        read: returns the setting's value.
        write: gives it another.
        wanted: returns the value that is needed.
    """

    def __init__(
        self,
        read: Callable[[], _Value],
        write: Callable[[_Value], object],
        wanted: Callable[[], _Value],
    ) -> None:
        self._read, self._write, self._wanted = read, write, wanted
        self._needs: set[object] = set()
        self._lock = threading.RLock()
        self._before: list[_Value] = []
        self._is_set = False

    def begin(self, need: object) -> None:
        """Set it until this need ends; harmless twice."""
        with self._lock:
            self._needs.add(need)
            if not self._is_set:
                self._before = self._before or [self._read()]
                self._write(self._wanted())
                self._is_set = True

    def end(self, need: object) -> None:
        """Put it back if nobody else needs it; harmless twice, and however far `begin` got."""
        with self._lock:
            self._needs.discard(need)
            if self._before and not self._needs:
                self._is_set = False
                self._write(self._before[0])
                self._before = []

    @contextmanager
    def needed(self) -> Generator[None]:
        """Let it be set meanwhile."""
        need = _Need()
        # One whose clean-up is interrupted goes with its frame.
        token = weakref.finalize(need, lambda: self.end(token))
        try:
            self.begin(token)
            yield
        finally:
            self.end(token)


class _Need:
    """Somebody's need of a setting, as long as it is referred to."""
