"""A model around others that goes wherever they went: it says of itself what they say."""

from abc import abstractmethod
from collections.abc import Sequence
from types import MethodType
from typing import Any

from torch import nn


class Wrapper(nn.Module):
    """Base of the models that compute other networks.

    It has no mode of its own: ``training`` says whether all networks are in training mode,
    so that code which calls ``eval()`` and puts the flag back leaves them as they were.

    Public attributes that it lacks are the networks', where all say the same:
    ``num_classes``, ``default_cfg``, ``config``, a layer to hook on. Methods aren't, since
    they would compute the full network.
    """

    @property
    def training(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether all networks are in training mode."""
        return all(network.training for network in self._networks())

    @training.setter
    def training(self, value: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Leave the networks alone; ``train`` and ``eval`` reach them as submodules."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            networks = [] if name.startswith("_") else self._networks()
            if not networks or not all(hasattr(network, name) for network in networks):
                raise
        values = [getattr(network, name) for network in networks]
        if any(isinstance(v, MethodType) and v.__self__ in networks for v in values):
            raise AttributeError(
                f"{type(self).__name__} hands on no methods such as {name!r}, which would compute "
                f"the full network; call the network's own for that"
            )
        if not all(_is_same(values[0], value) for value in values):
            raise AttributeError(f"the networks of {type(self).__name__} differ in {name!r}")
        return values[0]

    @abstractmethod
    def _networks(self) -> Sequence[nn.Module]:
        """Return the networks, none before they are set."""


def _is_same(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except (RuntimeError, ValueError):
        return False  # arrays of several numbers aren't true or false as one
