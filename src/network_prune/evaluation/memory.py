"""Memory that a process keeps while networks are evaluated on the CPU."""

import ctypes
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache

import torch

# Options of glibc's mallopt. The usual thresholds are those that glibc comes to by itself in a
# process that has freed large blocks.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20, _MMAP_MAX: 1 << 16}
_KEEPING = {_TRIM_THRESHOLD: (1 << 31) - 1, _MMAP_MAX: 0}

_lock = threading.Lock()
_depth = 0


@contextmanager
def kept_memory(device: torch.device | str = "cpu") -> Generator[None]:
    """Keep freed memory for the next layer instead of giving it back to the system.

    Activations on the CPU are large blocks, which glibc maps anew in each forward, and the
    system zeroes all their pages each time. Other devices and other C libraries are left alone.
    The command line enters this; in Python, enter it around `evaluate` or `sweep`.

    Side effects: while it lasts, the process doesn't shrink; afterwards what is free goes back,
    and glibc maps blocks from 32 MiB on.

    Args:
        device: where networks run meanwhile.
    """
    global _depth
    libc = _glibc() if torch.device(device).type == "cpu" else None
    if libc is None:
        yield
        return
    with _lock:
        _depth += 1
        if _depth == 1:
            _set(libc, _KEEPING)
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                _set(libc, _USUAL)
                libc.malloc_trim(0)


def _set(libc: ctypes.CDLL, options: Mapping[int, int]) -> None:
    for option, value in options.items():
        libc.mallopt(option, value)


@cache
def _glibc() -> ctypes.CDLL | None:
    """Return this process's C library if it is glibc."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
