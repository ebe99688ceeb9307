"""What a network costs: parameters, multiply-adds, bytes and time."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from network_prune.deploy.costs.timing import times_in_turn
from network_prune.sources.networks.multiply_adds import counted

Run = Callable[[nn.Module], object]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs.

    Attributes:
        parameters: number of weights and biases.
        non_zeros: how many of them aren't zero.
        multiply_adds: MACs of convolutions, linear layers and attention for the example; those
            with zeros count, too.
        activations: number of outputs of these layers for the example.
        state_bytes: bytes of all tensors in its state_dict.
        seconds: median time of a forward pass on the example; None if it wasn't measured.
    """

    parameters: int
    non_zeros: int
    multiply_adds: int
    activations: int
    state_bytes: int
    seconds: float | None = None


def costs_of(models: Sequence[nn.Module], run: Run, *, repeats: int) -> list[Cost]:
    """Return what each network costs.

    Args:
        models: the networks, in eval mode and without masks.
        run: calls one with the example.
        repeats: how often each is timed, in turn with the others; 0 for no times.
    """
    with torch.no_grad():
        times = times_in_turn([partial(run, model) for model in models], repeats)
        return [
            cost_of(model, run, seconds=statistics.median(seconds) if seconds else None)
            for model, seconds in zip(models, times, strict=True)
        ]


@torch.no_grad()
def cost_of(model: nn.Module, run: Run, *, seconds: float | None = None) -> Cost:
    """Return what a network costs, with the time that was measured; ``run`` is called once."""
    parameters = list(model.parameters())
    tensors = {tensor.data_ptr(): tensor for tensor in model.state_dict().values()}
    work = counted(lambda: run(model))
    return Cost(
        sum(parameter.numel() for parameter in parameters),
        sum(int(parameter.count_nonzero()) for parameter in parameters),
        work.multiply_adds,
        work.activations,
        sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()),
        seconds,
    )
