"""Memory that a process keeps while networks are evaluated on the CPU."""

import ctypes
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import ClassVar

import torch

# Options of glibc's mallopt. The usual thresholds are those that glibc comes to by itself in a
# process that has freed large blocks.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20, _MMAP_MAX: 1 << 16}
_KEEPING = {_TRIM_THRESHOLD: (1 << 31) - 1, _MMAP_MAX: 0}

_BLOCK = 48 << 20  # bytes, more than the usual threshold of a map

_lock = threading.Lock()
_depth = 0


class _Used(ctypes.Structure):
    """What glibc's mallinfo2 returns."""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


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


def memory_is_kept() -> bool | None:
    """Return whether `kept_memory` does what it says; None where there is nothing for it to do.

    A large block, made as PyTorch makes activations, has to be one of glibc's own and no map.
    """
    libc = _glibc()
    if libc is None or not hasattr(libc, "mallinfo2"):
        return None
    libc.mallinfo2.restype = _Used
    with kept_memory():
        before = libc.mallinfo2()
        size = before.fordblks + _BLOCK  # more than fits into what is free already
        block = torch.empty(size, dtype=torch.uint8)
        after = libc.mallinfo2()
        del block
    grown = after.uordblks - before.uordblks
    return grown >= size and after.hblks <= before.hblks


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
