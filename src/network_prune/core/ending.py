"""Signals that end a program, taken as Ctrl-C is: what is under way is kept or undone."""

import signal
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

# SIGUSR1 is what Slurm can send some time before it ends a job.
_NAMES: Final = ("SIGTERM", "SIGHUP", "SIGUSR1")
SIGNALS: Final = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class Ending:
    """Handles `SIGNALS`: the first one raises KeyboardInterrupt, and later ones do nothing.

    Attributes:
        received: number of the first one, None before.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Take a signal."""
        if self.received is None:
            self.received = number
            raise KeyboardInterrupt


@contextmanager
def ends_in_order() -> Generator[Ending]:
    """Let `SIGNALS` end what runs meanwhile as Ctrl-C does.

    A signal that is ignored, as under nohup, or has a handler stays so, but for Ctrl-C's: a
    shell lets what a script starts in the background ignore that. Outside the main thread,
    where signals can't be handled, nothing changes.
    """
    ending = Ending()
    handlers: dict[int, Any] = {
        each: ending for each in SIGNALS if signal.getsignal(each) is signal.SIG_DFL
    }
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        handlers[signal.SIGINT] = signal.default_int_handler
    with _handled_by(handlers):
        yield ending


@contextmanager
def put_off() -> Generator[None]:
    """Let Ctrl-C, and what `ends_in_order` handles, wait until the end.

    Processes that are forked meanwhile go on at these, until their parent ends them.
    """
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, *SIGNALS)}
    ours: dict[int, Any] = {
        each: handler
        for each, handler in handlers.items()
        if handler is signal.default_int_handler or isinstance(handler, Ending)
    }
    came: list[int] = []
    with _handled_by(dict.fromkeys(ours, lambda number, _: came.append(number))):
        yield
    for number in came:
        ours[number](number, None)


@contextmanager
def _handled_by(handlers: Mapping[int, Any]) -> Generator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
