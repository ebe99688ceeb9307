"""How long actions take, timed in turn so that what else the machine does meets all alike."""

import time
from collections.abc import Callable, Sequence

import torch

_WARM_UP = 1


def times_in_turn(
    actions: Sequence[Callable[[], object]], repeats: int, *, warm_up: int = _WARM_UP
) -> list[list[float]]:
    """Return, for each action, the seconds that it took each time.

    Args:
        actions: what to time.
        repeats: how often each is timed; 0 for not at all.
        warm_up: how often each is done before, where it is timed at all.
    """
    times: list[list[float]] = [[] for _ in actions]
    for number in range(-warm_up, repeats) if repeats else ():
        for action, found in zip(actions, times, strict=True):
            seconds = _seconds(action)
            if number >= 0:
                found.append(seconds)
    return times


def _seconds(action: Callable[[], object]) -> float:
    _wait()
    start = time.perf_counter()
    action()
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    """Let a GPU end what it was given."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
