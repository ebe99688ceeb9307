"""Find the BatchNorm that reads a convolution's output, to prune it with its neuron."""

from collections.abc import Mapping
from typing import Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from network_prune.errors import UnsupportedNetworkError
from network_prune.pruning.layers import RANKABLE


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        leaf = isinstance(m, (*RANKABLE, _BatchNorm))
        return leaf or super().is_leaf_module(m, module_qualified_name)


def following_norms(model: nn.Module, names: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Return, by layer name, the BatchNorm that alone reads the layer's output.

    Args:
        model: the network; it is traced symbolically, not run.
        names: layers by name. One without such a BatchNorm is left out of the result.

    Raises:
        UnsupportedNetworkError: the network can't be traced, or a BatchNorm serves
            several layers.
    """
    try:
        graph = _Tracer().trace(model)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnsupportedNetworkError(
            f"with_norm=True needs torch.fx to trace {type(model).__name__}, which failed "
            f"({reason}); pass with_norm=False"
        ) from None
    paths = {module: name for name, module in names.items()}
    calls = [node for node in graph.nodes if node.op == "call_module"]
    norms: dict[str, nn.Module] = {}
    readers: dict[nn.Module, str] = {}
    for node in calls:
        layer = model.get_submodule(str(node.target))
        norm = _only_reader(model, node)
        if layer not in paths or norm is None:
            continue
        name = paths[layer]
        if readers.setdefault(norm, name) != name or norms.get(name, norm) is not norm:
            raise UnsupportedNetworkError(
                f"layer {name!r} shares its BatchNorm with another use; pass with_norm=False"
            )
        norms[name] = norm
    return norms


def _only_reader(model: nn.Module, node: Any) -> nn.Module | None:
    users = list(node.users)
    if len(users) != 1 or users[0].op != "call_module":
        return None
    reader = model.get_submodule(str(users[0].target))
    return reader if isinstance(reader, _BatchNorm) else None
