"""Build the network that a packed file's tensors are of."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from network_prune.sources.networks.architecture import Architecture
from network_prune.sources.networks.packed.structure import (
    Shapes,
    Structure,
    StructureError,
    restructured,
)
from network_prune.sources.networks.weights.fit import differences


def base_network(
    architecture: Architecture, classes: int, shapes: Shapes, *, most_bytes: int
) -> nn.Module:
    """Return a network as its architecture makes it, with as many outputs as another has.

    Args:
        architecture: ways to make it; it can be made blank.
        classes: the number of the other's outputs.
        shapes: of the other's tensors.
        most_bytes: of what its head may become.

    Raises:
        StructureError: the head would be larger.
    """
    assert architecture.blank is not None
    base = architecture.blank()
    heads = [
        value
        for name, value in base.state_dict().items()
        if name in shapes and shapes[name][:1] == (classes,) != tuple(value.shape[:1])
    ]
    if not heads or architecture.resized is None:
        return base
    if sum(value[0].nbytes * classes for value in heads if len(value)) > most_bytes:
        raise StructureError(f"{classes} classes are too many for it")
    resized = architecture.resized(classes).blank
    assert resized is not None, "what can be resized can be made"
    return resized()


def fitted(base: nn.Module, structure: Structure, shapes: Shapes, *, what: str) -> nn.Module:
    """Return ``base``, changed in place, with a structure and tensors of these shapes, left empty.

    Args:
        base: what `base_network` returned.
        structure: what it is to get.
        shapes: of all tensors of its state dict.
        what: what errors call it.

    Raises:
        StructureError: the network isn't one of these shapes; the message says how.
    """
    model = restructured(base, structure, shapes)
    given = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    wrong = differences(model.state_dict(), given)
    if wrong:
        raise StructureError(f"its tensors aren't those of {what}: {'; '.join(wrong)}")
    return model


@torch.no_grad()
def fill(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put tensors into a network of the same names and shapes, in place, in their own dtypes.

    Raises:
        StructureError: a tensor that gradients may be for holds whole numbers.
    """
    for name, tensor in model.state_dict(keep_vars=True).items():
        value = state.get(name)
        if value is None:
            continue
        if tensor.requires_grad and not (value.is_floating_point() or value.is_complex()):
            raise StructureError(f"its {name} is of {value.dtype}, where {tensor.dtype} is needed")
        if tensor.dtype != value.dtype and not is_lazy(tensor):
            tensor.data = tensor.data.to(value.dtype)
        tensor.copy_(value)
