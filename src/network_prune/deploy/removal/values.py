"""The values that a network computes while it is followed, and what is known of their channels."""

from collections import defaultdict
from dataclasses import dataclass

from torch import Tensor

from network_prune.deploy.removal.channels import Channels, Constants


@dataclass(eq=False)
class Value:
    """A tensor that has channels.

    Attributes:
        tensor: it.
        axis: its channel axis, counted from the end.
        channels: the channels of all values that have one width with it.
        constants: which channels are known numbers.
    """

    tensor: Tensor
    axis: int
    channels: Channels
    constants: Constants

    @property
    def count(self) -> int:
        """How many channels there are."""
        return self.channels.count

    def row(self) -> Tensor:
        """Return the known numbers as a tensor that broadcasts as the value does."""
        shape = [1] * self.tensor.dim()
        shape[self.axis] = self.count
        value = self.constants.value.to(self.tensor.device, self.tensor.dtype, copy=True)
        return value.reshape(shape)


class Values:
    """The values of one forward pass, found by tensor.

    Tensors are kept alive, so that none has the identity or the memory of one before.
    """

    def __init__(self) -> None:
        self._by_tensor: dict[int, Value] = {}
        self._by_memory: dict[int, list[Value]] = defaultdict(list)
        self._computed: dict[int, Tensor] = {}

    def computed(self, *tensors: Tensor) -> None:
        """Remember that these tensors hang on the network's input."""
        self._computed.update((id(tensor), tensor) for tensor in tensors)

    def is_computed(self, tensor: Tensor) -> bool:
        """Whether the tensor hangs on the network's input."""
        return id(tensor) in self._computed

    def set(self, value: Value) -> Value:
        """Say what is known of a tensor, in the place of what was known before."""
        if value.count == 1:
            value.channels.need_all()
        self.computed(value.tensor)
        self._by_tensor[id(value.tensor)] = value
        self._by_memory[_memory(value.tensor)].append(value)
        return value

    def get(self, tensor: Tensor) -> Value | None:
        """Return what is known of a tensor."""
        return self._by_tensor.get(id(tensor))

    def at(self, tensor: Tensor, axis: int) -> Value:
        """Return what is known of a tensor whose channels lie along ``axis``, maybe nothing."""
        value = self.get(tensor)
        if value is not None and value.axis == axis:
            return value
        self.need_all([tensor])
        channels = Channels(tensor.shape[axis])
        channels.need_all()
        return Value(tensor, axis, channels, Constants.none(channels.count))

    def among(self, tensors: list[Tensor]) -> list[Value]:
        """Return what is known of those tensors of which anything is."""
        found = (self.get(tensor) for tensor in tensors)
        return [value for value in found if value is not None]

    def need_all(self, tensors: list[Tensor]) -> None:
        """Need all channels of those tensors that have some."""
        for value in self.among(tensors):
            value.channels.need_all()

    def overwritten(self, tensor: Tensor, now: list[Value]) -> None:
        """Forget what isn't known any more of values in the memory of ``tensor``.

        Args:
            tensor: what was written to.
            now: what is known of it since.
        """
        for value in self._by_memory[_memory(tensor)]:
            if value not in now and self.get(value.tensor) is value:
                value.constants = Constants.none(value.count)
                if value.tensor is tensor:
                    value.channels.need_all()


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
