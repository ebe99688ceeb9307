"""Start the workers that read images, so that Ctrl-C isn't lost among them."""

import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from network_prune.core.usual_settings import usual_settings


def start(batches: Iterable[Any]) -> Iterator[Any]:
    """Return an iterator over ``batches``, whose workers, if it has any, have started.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed meanwhile.
        StateError: this is inside a torch.func transform.
    """
    with usual_settings(), _interrupts_put_off():  # a DataLoader draws a seed
        return iter(batches)


@contextmanager
def _interrupts_put_off() -> Generator[None]:
    """Let Ctrl-C wait until the end.

    A process that forks runs hooks, and Python drops what is raised in them. Workers that
    start meanwhile go on at Ctrl-C, which their parent ends them at.
    """
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not is_default or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if pressed.is_set():
            raise KeyboardInterrupt
