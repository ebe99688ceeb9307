"""Time several things in turn, so that what disturbs one disturbs all."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Action = Callable[[], object]


@dataclass(frozen=True)
class Timed:
    """One thing to time.

    Attributes:
        run: what is timed, until a GPU has ended it.
        before: brings everything back to where ``run`` may start.
        repeats: how often it runs in one round; the shortest time counts.
    """

    run: Action
    before: Action = lambda: None
    repeats: int = 3


def time_in_turn(things: Mapping[str, Timed], *, rounds: int) -> list[dict[str, float]]:
    """Return the seconds of everything, one dict a round, after a round to warm up."""
    found = [{name: _time(thing) for name, thing in things.items()} for _ in range(rounds + 1)]
    return found[1:]


def ratio(times: list[dict[str, float]], of: str, to: str) -> float:
    """Return the median over rounds of one thing's time in units of another's."""
    return statistics.median(row[of] / row[to] for row in times)


def _time(thing: Timed) -> float:
    seconds: list[float] = []
    for _ in range(thing.repeats):
        thing.before()
        _wait()
        start = time.perf_counter()
        thing.run()
        _wait()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _wait() -> None:
    """Let a GPU end what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
