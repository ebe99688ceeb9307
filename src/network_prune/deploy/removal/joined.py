"""Values put one behind the other along their channels."""

from dataclasses import dataclass

import torch

from network_prune.deploy.removal.channels import Channels, Constants
from network_prune.deploy.removal.values import Value, Values


@dataclass(frozen=True, eq=False)
class Joined:
    """The channels of a value that others were joined to, and theirs.

    Attributes:
        whole: the channels of the one value.
        parts: those of the others, in their order.
    """

    whole: Channels
    parts: tuple[Channels, ...]

    def settle(self) -> bool:
        """Need the same of the whole and of its parts; return whether that is more than before."""
        slices = self.whole.needed.split([part.count for part in self.parts])
        grown = [part.need(own) for part, own in zip(self.parts, slices, strict=True)]
        return any([*grown, self.whole.need(torch.cat([part.needed for part in self.parts]))])


def join(
    values: Values, tensors: list[torch.Tensor], axis: int, result: torch.Tensor
) -> tuple[Value, Joined | None] | None:
    """Return what is known of ``tensors`` joined along ``axis``, and the link if it is theirs.

    Returns:
        None where everything is needed.
    """
    axis = axis % result.dim() - result.dim()
    tensors = [tensor for tensor in tensors if tensor.dim() == result.dim()]
    found = values.among(tensors)
    if any(value.axis != found[0].axis for value in found):
        return None
    if axis == found[0].axis:
        parts = [values.at(tensor, axis) for tensor in tensors]
        constants = Constants(
            torch.cat([part.constants.known for part in parts]),
            torch.cat([part.constants.value for part in parts]),
        )
        joined = Joined(Channels(result.shape[axis]), tuple(part.channels for part in parts))
        return Value(result, axis, joined.whole, constants), joined
    if len(found) < len(tensors) or any(value.count != found[0].count for value in found):
        return None
    for value in found[1:]:
        found[0].channels.join(value.channels)
    return Value(result, found[0].axis, found[0].channels, Constants.none(found[0].count)), None
