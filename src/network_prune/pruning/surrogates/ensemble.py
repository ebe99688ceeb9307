"""Several models that answer as one."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.surrogates.wrapper import Wrapper


class Ensemble(Wrapper):
    """The mean of several models' logits, e.g. of surrogates made from different networks.

    It is in training mode if all models are, and has the public attributes in which all agree.

    Args:
        models: at least one; they may share a network.

    Attributes:
        models: the models, in order.

    Raises:
        ArgumentError: there is no model.
        UnsupportedNetworkError: in a forward, the outputs aren't tensors of one shape.
    """

    def __init__(self, models: Iterable[AnyNetwork]) -> None:
        super().__init__()
        self.models = nn.ModuleList(map(module_of, models))
        if not len(self.models):
            raise ArgumentError("models is empty; pass at least one to make an Ensemble of")

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the mean of what the models return for the same inputs."""
        outputs = [model(*args, **kwargs) for model in self.models]
        shapes = [list(o.shape) if isinstance(o, Tensor) else type(o).__name__ for o in outputs]
        if not all(isinstance(o, Tensor) and o.shape == outputs[0].shape for o in outputs):
            raise UnsupportedNetworkError(
                f"an Ensemble's models returned {shapes}; it needs tensors of one shape, such as "
                "logits [n, classes] over the same classes"
            )
        return torch.stack(outputs).mean(0)

    def _networks(self) -> list[nn.Module]:
        return list(self.models) if "models" in self._modules else []
