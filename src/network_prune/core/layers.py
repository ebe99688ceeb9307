"""What a ranked layer looks like, and how its weight divides into elements."""

import math
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from network_prune.errors import ArgumentError, unknown_name
from network_prune.options import METHODS, PLURALS


class _Choice(StrEnum):
    @classmethod
    def _missing_(cls, value: object) -> "_Choice":
        raise ArgumentError(unknown_name(cls.__name__.lower(), str(value), list(cls)))


class Granularity(_Choice):
    """What is ranked and pruned."""

    WEIGHT = "weight"
    CONNECTION = "connection"
    NEURON = "neuron"

    @property
    def plural(self) -> str:
        """The name for more than one element."""
        return PLURALS[self.value]

    @classmethod
    def _missing_(cls, value: object) -> _Choice:
        """Take the name for more than one element as well, e.g. ``connections``."""
        one = METHODS.get(value) if isinstance(value, str) else None
        return super()._missing_(value) if one is None else cls(one)


class Scope(_Choice):
    """What elements are ranked against."""

    GLOBAL = "global"
    LAYER = "layer"


@dataclass(frozen=True, slots=True)
class Layer:
    """A ranked layer: its path in the network and its weight's shape.

    Attributes:
        name: the module's path, e.g. ``layer3.0.conv2``; empty for the network itself.
        shape: the weight's shape as stored, ``[out, in/groups, *kernel]`` or
            ``[out, in]``, and ``[in, out/groups, *kernel]`` for a transposed convolution.
        transposed: whether the layer is a transposed convolution.
        groups: the convolution's groups.
    """

    name: str
    shape: tuple[int, ...]
    transposed: bool = False
    groups: int = 1

    @property
    def weights(self) -> int:
        """Number of single weights."""
        return math.prod(self.shape)

    @property
    def canonical_shape(self) -> tuple[int, ...]:
        """The weight's shape as ``[out, in/groups, *kernel]`` for any kind of layer."""
        if not self.transposed:
            return self.shape
        fan_in, fan_out, *kernel = self.shape
        return (fan_out * self.groups, fan_in // self.groups, *kernel)

    def element_shape(self, granularity: Granularity) -> tuple[int, ...]:
        """Return the shape in which the elements lie; their order is row by row."""
        depth = {Granularity.WEIGHT: None, Granularity.CONNECTION: 2, Granularity.NEURON: 1}
        return self.canonical_shape[: depth[granularity]]

    def element_count(self, granularity: Granularity) -> int:
        """Return the number of elements."""
        return math.prod(self.element_shape(granularity))

    def canonical(self, weight: Tensor) -> Tensor:
        """Return a weight of the stored shape as ``[out, in/groups, *kernel]``."""
        if not self.transposed:
            return weight
        return self._swap(weight, self.canonical_shape)

    def stored(self, weight: Tensor) -> Tensor:
        """Return a weight ``[out, in/groups, *kernel]`` in the stored shape."""
        return self._swap(weight, self.shape) if self.transposed else weight

    def expand(self, elements: Tensor, granularity: Granularity) -> Tensor:
        """Repeat a value for each element over the element's weights.

        Args:
            elements: tensor of shape ``element_shape(granularity)``.
            granularity: what an element is.

        Returns:
            Tensor of the stored shape, same dtype and device, possibly a view.
        """
        shape = self.canonical_shape
        values = elements.reshape((*elements.shape, *[1] * (len(shape) - elements.dim())))
        values = values.expand(shape)
        return self.stored(values)

    def _swap(self, values: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Swap the in and out axes within each group; the swap is its own inverse."""
        rows = values.shape[0] // self.groups
        grouped = values.reshape(self.groups, rows, *values.shape[1:])
        return grouped.transpose(1, 2).reshape(shape)
