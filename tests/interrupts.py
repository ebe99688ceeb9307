"""Interrupt calls of ours at any line of our code, as Ctrl-C does at the worst moment."""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import network_prune

OURS = str(Path(network_prune.__file__).parent)
Where = tuple[CodeType, int]


class _Tracer:
    """Counts the lines of our code that run, and interrupts at some of them, one after the other.

    Args:
        points: after how many lines to interrupt, from the start or the interruption before.
    """

    def __init__(self, points: Sequence[int]) -> None:
        self.lines: list[Where] = []
        self._points = list(points)
        self._since = 0

    def __enter__(self) -> "_Tracer":
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    @property
    def is_done(self) -> bool:
        """Whether all interruptions have come."""
        return not self._points

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        self._count(frame)
        return self._line

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self._count(frame)
        return self._line

    def _count(self, frame: FrameType) -> None:
        self.lines.append((frame.f_code, frame.f_lineno))
        self._since += 1
        if self._points and self._since == self._points[0]:
            self._points.pop(0)
            self._since = 0
            if self._points:
                # Python stops tracing where a tracer raises.
                sys.setprofile(self._trace_on)
            raise KeyboardInterrupt

    def _trace_on(self, frame: FrameType, event: str, _: Any) -> None:
        sys.setprofile(None)
        above: FrameType | None = frame
        while above is not None:
            if above.f_code.co_filename.startswith(OURS):
                above.f_trace = self._line
            above = above.f_back
        sys.settrace(self._enter)


def lines_of(call: Callable[[], object]) -> list[Where]:
    """Return the lines of our code that a call runs, in their order; entering a function is one."""
    with _Tracer([]) as tracer:
        call()
    return tracer.lines


def interrupt(call: Callable[[], object], *points: int) -> bool:
    """Run a call that is interrupted at these lines; return whether it ran that far.

    Args:
        call: what to run; other errors than the interruption are its own.
        points: the number of the line of our code to interrupt at, the next one counted from there.
    """
    tracer = _Tracer(points)
    try:
        with tracer:
            call()
    except KeyboardInterrupt:
        assert len(tracer._points) < len(points), "an interruption of somebody else's"
    return tracer.is_done


def interrupt_in(call: Callable[[], object], code: CodeType) -> bool:
    """Run a call that is interrupted as it enters a function; return whether it did."""
    tracer = _Entering(code)
    with suppress(KeyboardInterrupt), tracer:
        call()
    return tracer.is_done


class _Entering(_Tracer):
    """Interrupts on entering one function, the first time."""

    def __init__(self, code: CodeType) -> None:
        super().__init__([1])
        self._code = code

    def _count(self, frame: FrameType) -> None:
        if frame.f_code is self._code:
            super()._count(frame)


def interrupt_after(call: Callable[[], object], seconds: float) -> float:
    """Run a call that a signal interrupts after so long, if it takes that long; return its time."""
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    start = time.perf_counter()
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    return time.perf_counter() - start
