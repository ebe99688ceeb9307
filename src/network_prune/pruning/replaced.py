"""Other tensors in the place of Parameters for a time."""

from collections.abc import Iterable

from torch import Tensor, nn

from network_prune.pruning.unfinished import Change


def replaced(values: Iterable[tuple[nn.Module, str, Tensor]]) -> Change:
    """Let modules see other tensors in the place of their Parameters, which stay as they are.

    Args:
        values: modules, each with a Parameter's name there and what to see instead.
    """
    values = list(values)
    originals = [(module, name, module._parameters[name]) for module, name, _ in values]
    return Change(lambda: _put(values), lambda: _put(originals))


def _put(values: Iterable[tuple[nn.Module, str, Tensor | None]]) -> None:
    for module, name, value in values:
        module._parameters[name] = value  # pyright: ignore[reportArgumentType]
