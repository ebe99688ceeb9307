"""What surrounds a network while it is evaluated."""

import ctypes
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache

import torch
from torch import nn

from network_prune.pruning.forward import device_of, eval_mode

# Options of glibc's mallopt. The usual thresholds are those that glibc comes to by itself in a
# process that has freed large blocks.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20, _MMAP_MAX: 1 << 16}
_KEEPING = {_TRIM_THRESHOLD: (1 << 31) - 1, _MMAP_MAX: 0}

_lock = threading.Lock()
_depth = 0


@contextmanager
def running(model: nn.Module) -> Generator[None]:
    """Evaluate in eval mode, without gradients, in memory that the process keeps meanwhile."""
    with eval_mode(model), torch.no_grad(), kept_memory(model):
        yield


@contextmanager
def kept_memory(model: nn.Module) -> Generator[None]:
    """Keep freed memory for the next layer instead of giving it back to the system.

    Activations on the CPU are large blocks, which glibc maps anew in each forward, and the
    system zeroes all their pages each time. A network on another device and other C libraries
    are left alone.

    Side effects: while it lasts, the process doesn't shrink; afterwards what is free goes back,
    and glibc maps blocks from 32 MiB on.

    Args:
        model: the network that runs meanwhile.
    """
    global _depth
    libc = _glibc() if device_of(model).type == "cpu" else None
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
