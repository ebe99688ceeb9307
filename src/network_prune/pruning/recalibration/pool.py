"""Mean and variance of all that a BatchNorm takes, from those of each batch."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.pruning.hooks import drop_hooks
from network_prune.pruning.recalibration.statistics import NAMES

# With these a norm takes the statistics of the batch, and has them as its own afterwards.
_OF_THE_BATCH = {"training": True, "momentum": 1.0, "track_running_stats": True}


class Pool:
    """Hooks on a norm that take in each batch's mean and variance, channel by channel.

    Batches count by the values that they have of a channel, and sums are float64, so that it
    is the mean and the unbiased variance over all batches together.
    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances", 1979.

    Args:
        path: the norm's path.
        norm: the norm, which isn't touched yet.

    Attributes:
        path: the norm's path.
        norm: the norm.
    """

    def __init__(self, path: str, norm: _BatchNorm) -> None:
        self.norm = norm
        self.path = path
        self._buffers = {name: norm._buffers[name] for name in NAMES}
        self._settings = {name: vars(norm)[name] for name in _OF_THE_BATCH}
        self._values = self._batches = 0
        self._mean = self._squares = torch.zeros(norm.num_features, dtype=torch.float64)

    def begin(self) -> None:
        """Let the norm take the statistics of each batch, and see them."""
        own = {n: b if b is None else torch.zeros_like(b) for n, b in self._buffers.items()}
        self.norm._buffers.update(own)
        vars(self.norm).update(_OF_THE_BATCH)
        self.norm.register_forward_pre_hook(self.before)
        self.norm.register_forward_hook(self.after)

    def end(self) -> None:
        """Leave the norm as it was, to the order of its buffers; harmless twice."""
        drop_hooks(self.norm, self)
        self.norm._buffers.update(self._buffers)
        vars(self.norm).update(self._settings)

    def before(self, norm: _BatchNorm, inputs: tuple[Any, ...]) -> None:
        """Refuse a batch that has one value of a channel, and so no variance."""
        if inputs and inputs[0].numel() == norm.num_features:
            raise ArgumentError(
                f"layer {self.path!r} gets one value a channel from a batch of one image, which "
                "has no variance; pass batches of two images or more"
            )

    def after(self, norm: _BatchNorm, inputs: object, output: Tensor) -> None:
        """Take a batch in."""
        values = output.numel() // norm.num_features
        mean, variance = (_exact(norm._buffers[name]) for name in NAMES[:2])
        together = self._values + values
        step = mean - self._mean
        self._mean = self._mean + step * (values / together)
        between = step.square() * (self._values * values / together)
        self._squares = self._squares + variance * (values - 1) + between
        self._values, self._batches = together, self._batches + 1

    def statistics(self) -> dict[str, Tensor]:
        """Return the norm's new buffers by name, none if it took no batch.

        Raises:
            UnsupportedNetworkError: something in the batches isn't finite.
        """
        if not self._batches:
            return {}
        found = (self._mean, self._squares / (self._values - 1), torch.tensor(self._batches))
        new = {
            name: value.to(buffer.device, buffer.dtype)
            for (name, buffer), value in zip(self._buffers.items(), found, strict=True)
            if buffer is not None
        }
        if not all(bool(value.isfinite().all()) for value in new.values()):
            raise UnsupportedNetworkError(
                f"layer {self.path!r} gets NaN or infinite values from these images; check them, "
                "or run the network in float32"
            )
        return new


def _exact(tensor: Tensor | None) -> Tensor:
    assert tensor is not None, "a norm without statistics isn't pooled"
    return tensor.detach().to("cpu", torch.float64, copy=True)
