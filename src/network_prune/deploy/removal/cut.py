"""Cut channels out of layers."""

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from network_prune.core.layers import Layer
from network_prune.deploy.removal.channels import Channels
from network_prune.deploy.removal.follow import Flow
from network_prune.deploy.removal.layer_call import LayerCall, canonical_weight
from network_prune.pruning.ranking.rankable import Place
from network_prune.sources.networks.packed.narrowed import Narrowed
from network_prune.sources.networks.packed.structure import exchange


@dataclass(frozen=True, slots=True)
class Cut:
    """What a layer lost.

    Attributes:
        name: the layer's path.
        inputs: how many channels it took before, and takes now.
        outputs: how many it made before, and makes now.
        is_norm: whether it is a norm, of which a neuron's is gone with the neuron.
    """

    name: str
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    is_norm: bool = False


def settle(flow: Flow, *, alone: bool = False) -> None:
    """Need of each value what is needed to compute the network's outputs, and no more.

    Args:
        flow: what the network did.
        alone: leave what is between layers as it is, and cut each layer by itself.
    """
    for call in flow.calls if alone else ():
        call.given.need_all()
        call.sent.need_all()
    links = [*reversed(flow.calls), *flow.joins]
    while sum(link.settle() for link in links):
        pass


def cut(model: nn.Module, flow: Flow) -> tuple[nn.Module, list[Cut]]:
    """Take out of ``model``, in place, what ``flow`` doesn't need; return it, and what was cut.

    Args:
        model: a copy of the network that was followed.
        flow: settled.
    """
    cuts: list[Cut] = []
    paths: dict[nn.Module, list[str]] = defaultdict(list)
    for path, module in model.named_modules(remove_duplicate=False):
        paths[module].append(path)
    for call in flow.calls:
        taken, made = call.taken.needed, call.made.needed
        if bool(taken.all() and made.all()):
            continue
        layer = model.get_submodule(call.name)
        _shrink(layer, call)
        narrowed = _between(layer, call)
        for path in paths[layer] if narrowed is not layer else ():
            if not path:
                model = narrowed
            else:
                model.set_submodule(path, narrowed)
        inputs, outputs = ((len(channels), int(channels.sum())) for channels in (taken, made))
        cuts.append(Cut(call.name, inputs, outputs, call.is_norm))
    return model, cuts


def _between(layer: nn.Module, call: LayerCall) -> nn.Module:
    """Return the layer, with what takes and puts its channels around where any do."""
    if not (_is_narrower(call.taken, call.given) or _is_narrower(call.made, call.sent)):
        return layer
    device = next(iter(layer.state_dict().values())).device
    take = put = constants = None
    if _is_narrower(call.taken, call.given):
        take = call.taken.needed[call.given.needed].nonzero().flatten().to(device)
    if _is_narrower(call.made, call.sent):
        put, constants = (tensor.to(device) for tensor in _put(call))
    narrowed = Narrowed(layer, take=take, put=put, constants=constants, axes=call.axes)
    return narrowed.train(layer.training)


def _is_narrower(some: Channels, of: Channels) -> bool:
    return not torch.equal(some.needed, of.needed)


def _put(call: LayerCall) -> tuple[Tensor, Tensor]:
    """Return where each channel comes from, and the different constants that some are."""
    is_made = call.made.needed[call.sent.needed]
    values = call.outputs.value[call.sent.needed]
    constants, places = values[~is_made].unique(return_inverse=True)
    put = is_made.cumsum(0) - 1
    put[~is_made] = int(is_made.sum()) + places
    return put, constants


def _shrink(layer: nn.Module, call: LayerCall) -> None:
    if call.is_norm:
        _shrink_norm(layer, call.made.needed)
    else:
        _shrink_map(layer, call)


def _shrink_norm(norm: nn.Module, kept: Tensor) -> None:
    assert isinstance(norm, _BatchNorm)
    for name in ("weight", "bias", "running_mean", "running_var"):
        tensor = getattr(norm, name)
        if tensor is not None:
            exchange(norm, name, tensor.detach()[kept.to(tensor.device)])
    norm.num_features = int(kept.sum())


def _shrink_map(layer: nn.Module, call: LayerCall) -> None:
    old = layer.get_parameter("weight")
    rows, columns = call.made.needed.to(old.device), call.taken.needed.to(old.device)
    weight = _with_constants(canonical_weight(layer), call)
    groups = call.groups
    left = rows.reshape(groups, -1).any(1)
    blocks = [
        block[own_rows][:, own_columns]
        for block, own_rows, own_columns, is_left in zip(
            weight.chunk(groups), rows.chunk(groups), columns.chunk(groups), left, strict=True
        )
        if is_left
    ]
    new = torch.cat(blocks)
    inputs, outputs = new.shape[1] * len(blocks), new.shape[0]
    if Place(layer).describe("").transposed:
        shape = (inputs, outputs // len(blocks), *new.shape[2:])
        new = Layer("", shape, transposed=True, groups=len(blocks)).stored(new)
    is_last = new.dim() == 4 and old.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_last else torch.contiguous_format
    exchange(layer, "weight", new.contiguous(memory_format=layout).clone())
    bias = layer._parameters.get("bias")
    if bias is not None:
        exchange(layer, "bias", bias.detach()[rows])
    if isinstance(layer, nn.Linear):
        layer.in_features, layer.out_features = inputs, outputs
    else:
        vars(layer).update(in_channels=inputs, out_channels=outputs, groups=len(blocks))


def _with_constants(weight: Tensor, call: LayerCall) -> Tensor:
    """Add weights for constant inputs that are cut to those for the one that stands for them."""
    one = call.representative
    gone = call.inputs.other & ~call.taken.needed
    if one is None or not bool(gone.any()):
        return weight
    gone = gone.to(weight.device)
    value = call.inputs.value.to(weight.device, torch.float64)
    ratio = (value[gone] / value[one]).reshape(-1, *[1] * (weight.dim() - 2))
    exact = weight.to(torch.float64)
    exact[:, one] += (exact[:, gone] * ratio).sum(1)
    return exact.to(weight.dtype)
