"""What calls of ours change on networks, so that nothing that interrupts them makes it last.

A `Change` or `Turn` is noted before it begins and forgotten when it is over. One that an
interruption left behind, by Ctrl-C in the middle of cleaning up, say, is known by its function,
which runs no more. The call that made it settles it on its way out, and failing that the next
call of ours, whichever network that is for. Settling may be interrupted itself, so it does no harm
twice.
"""

import inspect
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from types import FrameType
from typing import ParamSpec, Self, TypeVar

from network_prune.pruning.thread_modes import ThreadModes

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

_noted: dict["Noted", None] = {}


class Noted(ABC):
    """What lasts as long as a ``with`` block.

    It is told as unfinished by the function whose block it is, so that can't be a generator,
    which stands still while others run, nor may an ExitStack enter it.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._function: FrameType | None = None

    def __enter__(self) -> Self:
        self._begin(sys._getframe(1))
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()

    def settle(self) -> None:
        """Settle it unless it is over; one that fails isn't tried again."""
        if self not in _noted:
            return
        try:
            self._settle()
        except Exception:
            self._forget()
            raise
        self._forget()

    def is_under_way(self) -> bool:
        """Whether the function that it is a block of is running, in whichever thread.

        A frame that runs refuses to be cleared. Following another thread's frames to it would
        crash Python 3.11 now and then, as that thread goes on meanwhile.
        """
        function = self._function
        if function is None:
            return False
        try:
            function.clear()
        except RuntimeError:
            return True
        return False

    def _begin(self, function: FrameType) -> None:
        assert not function.f_code.co_flags & inspect.CO_GENERATOR, "it would stand still"
        self._function = function
        _noted[self] = None
        try:
            self._make()
        except BaseException:
            self.settle()
            raise

    def _forget(self) -> None:
        _noted.pop(self, None)
        self._function = None

    @abstractmethod
    def _make(self) -> object:
        """Begin it."""

    @abstractmethod
    def _settle(self) -> object:
        """End it however far it got; harmless twice."""


class Change(Noted):
    """A change of a network, for a ``with`` block or, once it is complete, for good.

    Args:
        make: makes the change.
        settle: takes it back, or else completes it, however far it got; harmless twice.
    """

    def __init__(self, make: Callable[[], object], settle: Callable[[], object]) -> None:
        super().__init__()
        self._parts = make, settle

    def complete(self) -> None:
        """Make the change, and let it stand."""
        self._begin(sys._getframe())
        self._forget()

    def _make(self) -> None:
        self._parts[0]()

    def _settle(self) -> None:
        self._parts[1]()


class Turn(Noted):
    """One thread's turn at something; others that want one wait for its end.

    They stand in line in the order in which they were noted. A thread that has its turn
    doesn't wait for itself.

    Args:
        at: what it is a turn at.
    """

    def __init__(self, at: object) -> None:
        super().__init__()
        self._at = at
        self._is_over = threading.Lock()
        self._is_over.acquire()

    def _make(self) -> None:
        line = list(_noted)
        before = [
            turn
            for turn in line[: line.index(self)]
            if isinstance(turn, Turn) and turn._at is self._at
        ]
        if any(t._thread == self._thread and t.is_under_way() for t in before):
            return
        for turn in before:
            while turn in _noted:
                if not turn.is_under_way():
                    turn._clear_away()
                elif turn._is_over.acquire(timeout=0.1):
                    turn._release()

    def _clear_away(self) -> None:
        """End a turn whose function ended without, after what else that left."""
        if self._at is _noted:
            self.settle()
        else:
            settle_unfinished()

    def _settle(self) -> None:
        _noted.pop(self, None)
        self._release()

    def _release(self) -> None:
        with suppress(RuntimeError):
            self._is_over.release()


def settle_unfinished() -> None:
    """Settle every change whose function ended without."""
    if any(not change.is_under_way() for change in list(_noted)):
        with Turn(_noted):
            for change in reversed(list(_noted)):
                if not change.is_under_way():
                    change.settle()


def settling(call: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """Let a public call settle what others left unfinished, and then what it leaves itself."""

    @wraps(call)
    def settled(*args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
        settle_unfinished()
        modes = ThreadModes()
        try:
            try:
                return call(*args, **kwargs)
            except BaseException:
                modes.put_back()
                raise
        except BaseException:
            modes.put_back()  # Ctrl-C may have come right before it the first time
            settle_unfinished()
            raise

    return settled
