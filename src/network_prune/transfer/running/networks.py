"""The networks of a transfer run: each loaded once, frozen, and taking pixels."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from network_prune.errors import SourceError, UnsupportedNetworkError
from network_prune.evaluation.variant import Network
from network_prune.sources.inputs import Inputs
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.transfer.pixel_network import PixelNetwork
from network_prune.transfer.plan import network_name
from network_prune.transfer.predictions import NO_CLASS


def load_networks(named: Sequence[Network], inputs: Inputs) -> Mapping[Network, LoadedNetwork]:
    """Return networks by name; raises as `load_network` does."""
    return {network: inputs.load_network(network.arch, network.weights) for network in named}


class Networks:
    """Networks of which no parameter takes a gradient any more.

    Args:
        loaded: by name, as they are loaded.
        device: where they go.

    Attributes:
        loaded: by name, as they are loaded, on the device.
        classes: how many all of them have.
        channels: how many all of them take, 1 or 3.

    Raises:
        SourceError: one has other classes or channels than the first.
    """

    def __init__(self, loaded: Mapping[Network, LoadedNetwork], device: torch.device) -> None:
        self.loaded = loaded
        self._pixels = {network: self._freeze(network, device) for network in loaded}
        (self.classes,) = self._agreed("classes", lambda loaded: loaded.classes)
        (self.channels,) = self._agreed("channels", lambda loaded: loaded.preprocessing.channels)

    @property
    def side(self) -> int:
        """The largest side in pixels that one of them takes."""
        return max(loaded.preprocessing.crop for loaded in self.loaded.values())

    def largest(self) -> Network:
        """Return the first one that takes pictures of the largest side."""
        return max(self.loaded, key=lambda network: self.loaded[network].preprocessing.crop)

    def pixels(self, networks: Sequence[Network]) -> list[PixelNetwork]:
        """Return networks as they take pixels."""
        return [self._pixels[network] for network in networks]

    @torch.no_grad()
    def predict(self, network: Network, images: Tensor) -> np.ndarray:
        """Return the classes that a network takes images for.

        Args:
            network: which one.
            images: float32 ``[n, C, S, S]`` in [0, 1], on the device.

        Returns:
            int64 ``[n]``; of classes with equal logits the lowest, `NO_CLASS` where a logit
            isn't finite.
        """
        logits = self._pixels[network](images)
        numbers = torch.arange(logits.shape[1], device=logits.device)
        is_highest = logits == logits.amax(dim=1, keepdim=True)
        lowest = torch.where(is_highest, numbers, logits.shape[1]).amin(dim=1)
        return torch.where(logits.isfinite().all(dim=1), lowest, NO_CLASS).cpu().numpy()

    def check_gradient(self, network: Network, image: Tensor) -> None:
        """Find out whether an attack can follow a network's logits to the pixels.

        Args:
            network: which one.
            image: float32 ``[1, C, S, S]``, on the device.

        Raises:
            UnsupportedNetworkError: it can't.
        """
        with torch.enable_grad():
            logits = self._pixels[network](image.detach().clone().requires_grad_())
        if not logits.requires_grad:
            raise UnsupportedNetworkError(
                f"{network_name(network)}: its logits have no gradient to the images, so that it "
                "can't be a surrogate; pass it as a victim (--victim), or a network that computes "
                "them by differentiable operations, outside torch.no_grad"
            )

    def _freeze(self, network: Network, device: torch.device) -> PixelNetwork:
        loaded = self.loaded[network]
        # Convolutions are faster with the channels last, as are their gradients.
        model = loaded.model.to(device, torch.float32).to(memory_format=torch.channels_last)
        return PixelNetwork(model.eval().requires_grad_(False), loaded.preprocessing)

    def _agreed(self, what: str, count_of: Callable[[LoadedNetwork], int]) -> set[int]:
        counts = {network: count_of(loaded) for network, loaded in self.loaded.items()}
        first, *others = counts
        for other in others:
            if counts[other] != counts[first]:
                raise SourceError(
                    f"{network_name(first)} has {counts[first]} {what}, {network_name(other)} "
                    f"{counts[other]}; pass networks of the same {what}"
                )
        return set(counts.values())
