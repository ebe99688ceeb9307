"""Random numbers that are named by what they are for, and nobody else's generators disturbed."""

import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch

from network_prune.core.streams import stream_key

ORDER: Final = 1
IMAGE: Final = 2
STEP: Final = 3
FEED: Final = 4
SPLIT: Final = 5


@contextmanager
def generators_kept(device: torch.device | None = None) -> Generator[None]:
    """Put the states of PyTorch's, NumPy's and Python's generators back at the end.

    Args:
        device: whose generator counts too, if it has one of its own.
    """
    ours, theirs = random.getstate(), np.random.get_state()
    devices = [device] if device is not None and device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(theirs)


def seed_all(*name: int) -> None:
    """Seed the generators by a name of whole numbers in [0, 2**64)."""
    key = stream_key(*name)
    torch.manual_seed(key >> 1)
    random.seed(key)
    np.random.seed(key >> 32)


def order_of(count: int, *name: int) -> torch.Tensor:
    """Return ``range(count)`` shuffled, int64 ``[count]``; no global generator is used."""
    generator = torch.Generator().manual_seed(stream_key(*name) >> 1)
    return torch.randperm(count, generator=generator)
