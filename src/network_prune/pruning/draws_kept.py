"""Let operations draw random numbers that nobody misses."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def draws_kept(operation: Any, devices: Iterable[torch.device] = ()) -> AbstractContextManager[Any]:
    """Put the generators' states back after an operation that may draw; leave them to others else.

    Args:
        operation: what the dispatcher is about to run.
        devices: those other than the CPU whose generators count.
    """
    own = getattr(operation, "namespace", "") == "aten"
    if own and torch.Tag.nondeterministic_seeded not in operation.tags:
        return nullcontext()
    return torch.random.fork_rng(devices=devices)


class DrawsKept(TorchDispatchMode):
    """Lets what runs inside draw random numbers, and puts the CPU's generator back each time."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else the first operation imports torch.compile's tracer, which takes seconds.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with draws_kept(func):
            return func(*args, **(kwargs or {}))
