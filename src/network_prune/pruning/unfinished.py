"""What calls of ours change on networks, so that nothing that interrupts them makes it last.

A `Change` is noted before it begins and forgotten when it is over. One that an interruption left
behind, by Ctrl-C in the middle of cleaning up, say, is known by its function, which runs no more.
The call that made it settles it on its way out, and failing that the next call of ours, whichever
network that is for. Settling may be interrupted itself, so it does no harm twice.
"""

import inspect
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from types import FrameType
from typing import ParamSpec, Self, TypeVar

from torch import nn

from network_prune.pruning.thread_modes import ThreadModes

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

_noted: dict["Change", None] = {}
_turns: dict[int, "Turn"] = {}
_settling = threading.RLock()


class Change:
    """A change that lasts as long as a ``with`` block, or for good once it is complete.

    It is told as unfinished by the function whose block it is, so that can't be a generator,
    which stands still while others run, nor may an ExitStack enter it.

    Args:
        make: makes the change.
        settle: takes it back, or else completes it, however far it got; harmless twice.
    """

    def __init__(self, make: Callable[[], object], settle: Callable[[], object]) -> None:
        self._make = make
        self._settle = settle
        self._thread = threading.get_ident()
        self._function: FrameType | None = None

    def __enter__(self) -> Self:
        self._begin(sys._getframe(1))
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()

    def complete(self) -> None:
        """Make the change, and let it stand."""
        self._begin(sys._getframe())
        self._forget()

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
        """Whether the function that it is a block of is running."""
        if self._thread == threading.get_ident():
            frame = sys._getframe()
        else:
            frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._function:
            frame = frame.f_back
        return frame is not None

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


class Turn(Change):
    """One thread's turn on a network; others that want one wait for its end.

    Args:
        model: the network.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(self._take, self._give_up)
        self._model = id(model)
        self._is_over = threading.Lock()

    def _take(self) -> None:
        self._is_over.acquire()
        while (other := _turns.setdefault(self._model, self)) is not self:
            if other._thread == self._thread and other.is_under_way():
                return
            if other._is_over.acquire(timeout=0.1):
                with suppress(RuntimeError):
                    other._is_over.release()
            else:
                settle_unfinished()

    def _give_up(self) -> None:
        if _turns.get(self._model) is self:
            del _turns[self._model]
        with suppress(RuntimeError):
            self._is_over.release()


def settle_unfinished() -> None:
    """Settle every change whose function ended without."""
    if any(not change.is_under_way() for change in list(_noted)):
        with _settling:
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
            return call(*args, **kwargs)
        except BaseException:
            modes.put_back()
            settle_unfinished()
            raise

    return settled
