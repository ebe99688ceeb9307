"""What a network costs: parameters, multiply-adds, bytes and time."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from network_prune.sources.networks.multiply_adds import counted_multiply_adds

Run = Callable[[nn.Module], object]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs.

    Attributes:
        parameters: number of weights and biases.
        multiply_adds: MACs of convolutions, linear layers and attention for the example.
        state_bytes: bytes of all tensors in its state_dict.
        seconds: median time of a forward pass on the example; None if it wasn't measured.
    """

    parameters: int
    multiply_adds: int
    state_bytes: int
    seconds: float | None


def costs_of(models: Sequence[nn.Module], run: Run, *, repeats: int) -> list[Cost]:
    """Return what each network costs.

    Args:
        models: the networks, in eval mode.
        run: calls one with the example.
        repeats: how often each is timed, in turn with the others; 0 for no times.
    """
    with torch.no_grad():
        times = _times(models, run, repeats)
        return [_cost(model, run, seconds) for model, seconds in zip(models, times, strict=True)]


def _cost(model: nn.Module, run: Run, seconds: list[float]) -> Cost:
    tensors = {tensor.data_ptr(): tensor for tensor in model.state_dict().values()}
    return Cost(
        sum(parameter.numel() for parameter in model.parameters()),
        counted_multiply_adds(lambda: run(model)),
        sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()),
        statistics.median(seconds) if seconds else None,
    )


def _times(models: Sequence[nn.Module], run: Run, repeats: int) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in models]
    for number in range(repeats + 1 if repeats else 0):
        for model, found in zip(models, times, strict=True):
            seconds = _seconds(lambda model=model: run(model))
            if number:  # the first time warms up
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
    if torch.cuda.is_available():
        torch.cuda.synchronize()
