"""A network that takes pixels: its own size and normalisation come before it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from network_prune.errors import UnsupportedNetworkError
from network_prune.pruning.forward import forward
from network_prune.sources.preprocessing import Preprocessing


class PixelNetwork(nn.Module):
    """Gives a network's logits for pixels, and their gradient to the pixels.

    Pictures of another side than the network takes are resized whole, bilinearly and with
    antialiasing; of the network's own side, the input has the same bits as that of
    `Preprocessing.normalise`.

    Args:
        model: the network, or a surrogate made of it; float32.
        preprocessing: what the network takes; its ``crop`` is the side.

    Attributes:
        model: the network.
        preprocessing: what it takes.
    """

    def __init__(self, model: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model = model
        self.preprocessing = preprocessing
        self._constants: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits ``[n, classes]`` for pixels ``[n, C, S, S]``, float32 in [0, 1].

        Raises:
            UnsupportedNetworkError: the network fails, or its output isn't such a tensor.
        """
        side = self.preprocessing.crop
        if pixels.shape[-1] != side:
            pixels = F.interpolate(
                pixels, (side, side), mode="bilinear", antialias=True, align_corners=False
            )
        mean, std = self._mean_and_std(pixels.device)
        logits = forward(self.model, (pixels - mean) / std)
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(pixels):
            found = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise UnsupportedNetworkError(
                f"the network's output is {found} for {len(pixels)} images; "
                "an attack needs logits [n, classes]"
            )
        return logits

    def _mean_and_std(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._constants:
            mean, std = (
                torch.tensor(values, dtype=torch.float32, device=device).reshape(-1, 1, 1)
                for values in (self.preprocessing.mean, self.preprocessing.std)
            )
            self._constants[device] = mean, std
        return self._constants[device]
