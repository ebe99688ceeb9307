"""What masks leave of what a network costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import fmean
from typing import Any, Final

import torch
from torch import Tensor, nn

from network_prune.results.records import Record
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.sources.networks.multiply_adds import counted_multiply_adds

_SPATIAL: Final = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED: Final = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, slots=True)
class Left:
    """What masks leave, as shares in [0, 1] of the dense network.

    Attributes:
        parameters: of the weights and biases, those that aren't under a mask.
        macs: of the multiply-adds, those with such weights; None where they can't be counted.
        latency: of the time that one picture takes, what is left when silenced neurons are
            removed; None where it wasn't measured.
    """

    parameters: float = 1.0
    macs: float | None = 1.0
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class LayerCosts:
    """What a dense network costs, layer by layer.

    Attributes:
        parameters: number of weights and biases.
        macs: multiply-adds for one picture, of convolutions, linear layers and attention.
        uses: by layer, how many multiply-adds each of its weights takes part in.
    """

    parameters: int
    macs: int
    uses: Mapping[str, float]

    def left(self, draws: Sequence[Record]) -> Left:
        """Return what the masks of these draws leave on average."""
        each = [self._left(record["realised"]["layers"]) for record in draws]
        macs = [left.macs for left in each if left.macs is not None]
        return Left(
            fmean(left.parameters for left in each),
            fmean(macs) if len(macs) == len(each) else None,
        )

    def _left(self, layers: Sequence[Mapping[str, Any]]) -> Left:
        parameters = 1 - sum(layer["zeroed"] for layer in layers) / self.parameters
        if not self.macs or any(layer["name"] not in self.uses for layer in layers):
            return Left(parameters, None)
        saved = fsum(layer["zeroed"] * self.uses[layer["name"]] for layer in layers)
        return Left(parameters, 1 - saved / self.macs)


def layer_costs(loaded: LoadedNetwork) -> LayerCosts:
    """Return what a network costs, from running it on one picture of zeros.

    Raises:
        Exception: what the network's own code raises.
    """
    model = loaded.model
    uses: dict[str, float] = {}
    hooks = [
        module.register_forward_hook(_noting(name, uses))
        for name, module in model.named_modules()
        if _is_counted(module)
    ]
    try:
        picture = torch.zeros(1, *loaded.preprocessing.shape)
        with torch.no_grad():
            macs = counted_multiply_adds(lambda: model(picture))
    finally:
        for hook in hooks:
            hook.remove()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return LayerCosts(parameters, macs, {**_free(model), **uses})


def _is_counted(module: nn.Module) -> bool:
    return isinstance(module, (*_SPATIAL, *_TRANSPOSED, nn.Linear))


def _noting(name: str, uses: dict[str, float]) -> Any:
    def note(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Linear):
            count = output.numel() / module.out_features
        elif isinstance(module, _TRANSPOSED):
            count = inputs[0].numel() / module.in_channels
        else:
            count = output.numel() / module.out_channels
        uses[name] = uses.get(name, 0.0) + count

    return note


def _free(model: nn.Module) -> dict[str, float]:
    """Return the layers that can be ranked and take part in no multiply-adds: norms and biases."""
    norms = {name: 0.0 for name, module in model.named_modules() if not _is_counted(module)}
    biases = {name: 0.0 for name, _ in model.named_parameters() if name.endswith("bias")}
    return norms | biases
