"""Networks as callers give them: modules, or what holds one, such as `load_network` returns."""

from typing import Protocol

from torch import nn

from network_prune.errors import ArgumentError, brief


class HasModel(Protocol):
    """What holds a network, e.g. what `load_network` returned."""

    @property
    def model(self) -> nn.Module:
        """The network."""
        ...


AnyNetwork = nn.Module | HasModel


def module_of(network: AnyNetwork) -> nn.Module:
    """Return the network itself.

    Raises:
        ArgumentError: there is none.
    """
    module = network if isinstance(network, nn.Module) else getattr(network, "model", None)
    if isinstance(module, nn.Module):
        return module
    raise ArgumentError(
        f"model={brief(network)} is a {type(network).__name__}; pass an nn.Module or what "
        "load_network returned"
    )
