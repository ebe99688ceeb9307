"""Find the BatchNorm that reads a convolution's output, to prune it with its neuron."""

from collections.abc import Mapping

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from network_prune.errors import UnsupportedNetworkError
from network_prune.pruning.tracing.trace import trace


def only_reader(model: nn.Module, node: fx.Node) -> nn.Module | None:
    """Return the BatchNorm that is all that reads what ``node`` gives, None if there is none."""
    users = list(node.users)
    if len(users) != 1 or users[0].op != "call_module":
        return None
    reader = model.get_submodule(str(users[0].target))
    return reader if isinstance(reader, _BatchNorm) else None


def following_norms(
    model: nn.Module, layers: Mapping[nn.Module, str]
) -> dict[nn.Module, nn.Module]:
    """Return, by layer, the BatchNorm that alone reads the layer's output.

    Args:
        model: the network; a copy of it is traced symbolically, not run.
        layers: the ranked layers' names by module, tied modules under one name. A module
            without such a BatchNorm is left out of the result.

    Raises:
        UnsupportedNetworkError: the network can't be traced, a BatchNorm serves anything
            else beside the layer, or it has no weight that could silence a neuron.
    """
    calls = [(node, model.get_submodule(str(node.target))) for node in _calls(model)]
    norms: dict[nn.Module, nn.Module] = {}
    for node, layer in calls:
        norm = only_reader(model, node)
        if layer not in layers or norm is None:
            continue
        if norms.setdefault(layer, norm) is not norm:
            raise UnsupportedNetworkError(_shared(layers[layer]))
        if norm._parameters.get("weight") is None:
            raise UnsupportedNetworkError(
                f"layer {layers[layer]!r} is followed by a BatchNorm with affine=False, which has "
                f"no weight that could be zero; pass with_norm=False (leave out --with-norm)"
            )
    modules = dict(calls)
    for layer, norm in norms.items():
        sources = [modules.get(n.all_input_nodes[0]) for n, module in calls if module is norm]
        if any(source is None or layers.get(source) != layers[layer] for source in sources):
            raise UnsupportedNetworkError(_shared(layers[layer]))
    return norms


def _calls(model: nn.Module) -> list[fx.Node]:
    try:
        graph = trace(model)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnsupportedNetworkError(
            f"with_norm=True needs torch.fx to trace {type(model).__name__}, which failed "
            f"({reason}); pass with_norm=False (leave out --with-norm)"
        ) from None
    return [node for node in graph.nodes if node.op == "call_module"]


def _shared(name: str) -> str:
    return (
        f"layer {name!r} shares its BatchNorm with another use; "
        f"pass with_norm=False (leave out --with-norm)"
    )
