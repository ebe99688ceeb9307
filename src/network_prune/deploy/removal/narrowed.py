"""A layer that lost channels, between parts of a network that have more of them."""

from typing import Any

from torch import Tensor, nn


class Narrowed(nn.Module):
    """Gives a layer those channels that it takes, and puts what it makes between constants.

    Attributes that it hasn't are the layer's: ``weight``, for example.

    Args:
        layer: what computes with fewer channels.
        take: int64 indices of the channels that the layer takes, None for all of them.
        put: int64 indices of where the channels that it makes belong, None if it makes all.
        constants: ``[channels]``, what stands at the others.
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
        shape = list(made.shape)
        shape[self.axes[1]] = len(self.constants)
        row = self.constants.to(made.dtype).reshape(-1, *[1] * (-1 - self.axes[1]))
        return row.expand(shape).index_copy(self.axes[1], self.put, made)

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
        return f"{taken}, puts {len(self.put)} of {len(self.constants)}".lstrip(", ")
