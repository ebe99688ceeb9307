"""How many multiply-adds (MACs) one picture costs a network, from its architecture alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from network_prune.core.foreign_code import no_exits
from network_prune.sources.networks.load import architecture_of


def multiply_adds(spec: str, preprocessing: Mapping[str, Any]) -> int | None:
    """Return the MACs of convolutions, linear layers and attention in one forward pass.

    The network is made and runs on tensors without content: nothing is downloaded or computed.

    Args:
        spec: the network's name, as `load_network` takes it.
        preprocessing: fields to use instead of the network's own.

    Returns:
        None where the network can't be made or run so.
    """
    try:
        with no_exits(), torch.device("meta"), torch.no_grad():
            architecture = architecture_of(spec)
            if architecture.blank is None:
                return None
            model = architecture.blank().eval()
            shape = architecture.preprocessing(model).replace(**preprocessing).shape
            return counted_multiply_adds(lambda: model(torch.empty(1, *shape))) or None
    except Exception:  # of others' code, which the run itself will show
        return None


@dataclass(frozen=True, slots=True)
class Counted:
    """What convolutions, linear layers and attention do.

    Attributes:
        multiply_adds: their MACs.
        activations: number of their outputs.
    """

    multiply_adds: int
    activations: int


def counted(run: Callable[[], object]) -> Counted:
    """Return what convolutions, linear layers and attention do in what ``run`` does."""
    with _Counter() as counter:
        run()
    return Counted(counter.multiply_adds, counter.activations)


def counted_multiply_adds(run: Callable[[], object]) -> int:
    """Return the MACs of convolutions, linear layers and attention in what ``run`` does."""
    return counted(run).multiply_adds


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.multiply_adds = self.activations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.multiply_adds += count(*args, **(kwargs or {}), out_val=output) // 2
            # Attention gives its outputs first, and behind them what its gradient would need.
            first = output if isinstance(output, torch.Tensor) else output[0]
            self.activations += first.numel()
        return output
