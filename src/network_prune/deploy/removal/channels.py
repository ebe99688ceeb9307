"""Which channels of a network's values are needed, and which are the same number for any input."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


class Channels:
    """The channel axes of values that have one width; `join` makes two of them one.

    Args:
        count: how many channels there are.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._needed = torch.zeros(count, dtype=torch.bool)
        self._joined: Channels | None = None

    @property
    def needed(self) -> Tensor:
        """Bool ``[count]``: the channels that anything needs, not to be written to."""
        return self._root()._needed

    def join(self, other: Self) -> None:
        """Give both one width: what is needed of one is needed of the other."""
        mine, root = self._root(), other._root()
        if mine is not root:
            mine._joined = root
            root._needed = root._needed | mine._needed

    def is_joined(self, other: Self) -> bool:
        """Whether both have one width."""
        return self._root() is other._root()

    def need(self, channels: Tensor) -> bool:
        """Need ``channels``, bool ``[count]``, too; return whether any of them is new."""
        root = self._root()
        grown = root._needed | channels
        is_new = not torch.equal(grown, root._needed)
        root._needed = grown
        return is_new

    def need_all(self) -> None:
        """Need every channel."""
        self.need(torch.ones(self.count, dtype=torch.bool))

    def _root(self) -> "Channels":
        root = self
        while root._joined is not None:
            root = root._joined
        return root


@dataclass(frozen=True, slots=True)
class Constants:
    """Channels that are the same number everywhere and for any input.

    Attributes:
        known: bool ``[count]``, which channels are.
        value: ``[count]``, that number, 0 for all others.
    """

    known: Tensor
    value: Tensor

    @classmethod
    def none(cls, count: int) -> Self:
        """Say that no channel is known."""
        return cls(torch.zeros(count, dtype=torch.bool), torch.zeros(count))

    @classmethod
    def of(cls, known: Tensor, value: Tensor) -> Self:
        """Say that ``known`` channels have these values, whatever stands at the others."""
        value = value.detach().cpu()
        known = known & value.isfinite()
        return cls(known, torch.where(known, value, 0))

    @property
    def zero(self) -> Tensor:
        """Bool ``[count]``: the channels that are known to be zero."""
        return self.known & (self.value == 0)

    @property
    def other(self) -> Tensor:
        """Bool ``[count]``: the channels that are known to be another number than zero."""
        return self.known & (self.value != 0)

    def zeros_alone(self) -> "Constants":
        """Return what is known of zero channels."""
        return Constants.of(self.zero, torch.zeros_like(self.value))

    def repeated(self, times: int) -> "Constants":
        """Return the same for a value that has each channel ``times`` in a row."""
        return Constants(self.known.repeat_interleave(times), self.value.repeat_interleave(times))
