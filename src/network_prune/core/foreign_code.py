"""Code that isn't ours may fail, but not end the program that it runs in."""

import signal
import sys
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from network_prune.errors import RunError, UserCodeError, one_line

_PIPES: Final = "multiprocessing.connection"


@contextmanager
def no_exits() -> Generator[None]:
    """Let code of a user's fail alone: what would end the program is an error.

    The exit of a handler of signals that the caller has installed gets through.

    Raises:
        UserCodeError: the code raised SystemExit, or another error that is neither an Exception
            nor KeyboardInterrupt; the message names its file and line.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception | KeyboardInterrupt) or _is_from_a_handler(error):
            raise
        raise UserCodeError(
            f"{_place(error)} wants to end the program ({one_line(error)}), which fails the run; "
            "let it return or raise an error"
        ) from error


def guarded(steps: Iterator[Any]) -> Iterator[Any]:
    """Yield what ``steps`` gives, whose code is a user's or runs in processes.

    Raises:
        RunError: one of a DataLoader's processes has ended.
        UserCodeError: what `no_exits` raises.
    """
    while True:
        try:
            with no_exits():
                step = next(steps)
        except StopIteration:
            return
        except (RuntimeError, OSError, EOFError) as error:
            if not _is_of_a_lost_worker(error):
                raise
            raise RunError(
                f"a process that reads images has ended ({one_line(error)}); pass workers=0 "
                "(--workers 0) to see why, or fewer workers if memory was short"
            ) from error
        yield step


def _is_of_a_lost_worker(error: Exception) -> bool:
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    in_pipe = any(frame.f_globals.get("__name__") == _PIPES for frame in frames)
    return in_pipe or str(error).startswith("DataLoader worker")


def _place(error: BaseException) -> str:
    """Return where the innermost code is that Python itself doesn't bring."""
    place = "code of a library"
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__")).partition(".")[0]
        if module not in sys.stdlib_module_names:
            place = f"{frame.f_code.co_filename}:{line} ({frame.f_code.co_qualname})"
    return place


def _is_from_a_handler(error: BaseException) -> bool:
    handlers = map(signal.getsignal, signal.valid_signals())
    codes = {getattr(handler, "__code__", None) for handler in handlers}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))
