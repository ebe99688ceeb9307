"""A layer that lost channels, between parts of a network that have more of them."""

from typing import Any

import torch
from torch import Tensor, nn


class Narrowed(nn.Module):
    """Gives a layer those channels that it takes, and puts what it makes between constants.

    Attributes that it hasn't are the layer's: ``weight``, for example.

    Args:
        layer: what computes with fewer channels.
        take: int64 indices of the channels that the layer takes, None for all of them.
        put: int64 indices, for each channel that is sent on, of where it stands among those that
            the layer makes and ``constants`` behind them, None if that is what it makes.
        constants: ``[n]``, the different numbers of channels that it doesn't make.
        axes: the axis of the channels in what it takes and makes, counted from the end.
    """

    take: Tensor | None
    put: Tensor | None
    constants: Tensor | None

    def __init__(
        self,
        layer: nn.Module,
        *,
        take: Tensor | None,
        put: Tensor | None,
        constants: Tensor | None,
        axes: tuple[int, int],
    ) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("take", take)
        self.register_buffer("put", put)
        self.register_buffer("constants", constants)
        self.axes = axes

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return what the layer makes of the channels that it takes, among the constants."""
        if self.take is not None:
            x = x.index_select(self.axes[0], self.take)
        made = self.layer(x, *args, **kwargs)
        if self.put is None or self.constants is None:
            return made
        axis = self.axes[1]
        # In steps that torch.fx can write down, so that norms around them can be folded.
        behind = made.shape[axis + 1 :] if axis < -1 else ()
        shape = made.shape[:axis] + (len(self.constants),) + behind  # noqa: RUF005
        rows = self.constants.to(made.dtype).reshape(-1, *[1] * (-1 - axis)).expand(shape)
        # To pick from both costs a third of copying one into the other.
        return torch.cat([made, rows], axis).index_select(axis, self.put)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "layer":
                raise
            return getattr(super().__getattr__("layer"), name)

    def extra_repr(self) -> str:
        """Return how many channels are taken, and put where."""
        taken = "" if self.take is None else f"takes {len(self.take)}"
        if self.put is None or self.constants is None:
            return taken
        return f"{taken}, puts {len(self.put)}".lstrip(", ")
