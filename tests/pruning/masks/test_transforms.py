"""torch.func, torch.fx and TorchScript on a pruned network."""

import copy
import pickle
from contextlib import nullcontext

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torchvision.models.feature_extraction import create_feature_extractor

import network_prune as npr
import networks
from network_prune.pruning.masks.mask_hook import MaskMethod

NAMES = ["plain", "frozen", "half frozen", "tied", "attention", "single layer"]
LAYERS = (nn.Conv2d, nn.Linear)


def pruned_and_by_hand(name: str) -> tuple[nn.Module, nn.Module, npr.Pruned]:
    model = networks.build(name).eval()
    pruned = npr.prune_weights(model, p_prune=0.5, layers=LAYERS)
    by_hand = networks.zeroed_by_hand(lambda: networks.build(name).eval(), pruned.draw)
    return model, by_hand, pruned


def loss_of(model: nn.Module):
    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(model, parameters, (x,)).square().sum()

    return loss


def assert_gradients_of(
    found: dict[str, Tensor], wanted: dict[str, Tensor], pruned: npr.Pruned
) -> None:
    """Compare; a masked weight has none."""
    assert len(found) == len(wanted)
    for (name, one), other in zip(found.items(), wanted.values(), strict=True):
        mask = dict(pruned.model.named_buffers()).get(name.replace("_orig", "_mask"))
        keep = torch.ones(()) if mask is None or not name.endswith("_orig") else mask
        torch.testing.assert_close(one, other * keep)


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_gradients_by_parameters_are_those_of_zeros_by_hand(name):
    model, by_hand, pruned = pruned_and_by_hand(name)
    x = networks.inputs()
    sides = [(m, dict(m.named_parameters())) for m in (model, by_hand)]
    assert_gradients_of(*[grad(loss_of(m))(own, x) for m, own in sides], pruned)
    each = [vmap(grad(loss_of(m)), (None, 0))(own, x[:, None]) for m, own in sides]
    assert_gradients_of(*each, pruned)


@pytest.mark.parametrize("name", NAMES)
def test_after_a_transform_the_network_is_as_before(name):
    model, by_hand, pruned = pruned_and_by_hand(name)
    x = networks.inputs()
    shown = [getattr(module, tensor) for module, tensor in networks.masked_tensors(model)]
    grad(loss_of(model))(dict(model.named_parameters()), x)
    grad(lambda x: model(x).square().sum())(x)
    for (module, tensor), before in zip(networks.masked_tensors(model), shown, strict=True):
        assert networks.same_bits(getattr(module, tensor), before)
    assert networks.same_bits(copy.deepcopy(model)(x), by_hand(x))
    pruned.redraw()
    assert networks.same_bits(model(x), copy.deepcopy(model)(x))


@pytest.mark.parametrize("name", ["plain", "frozen"])
@pytest.mark.parametrize("part", ["layer", "block"])
@pytest.mark.parametrize("fails", [False, True])
def test_after_a_transform_of_a_part_alone_the_network_is_as_before(name, part, fails):
    layer = networks.build(name)[0]
    model = nn.Sequential(nn.Sequential(layer), nn.Flatten()).eval()
    npr.prune_weights(model, p_prune=0.5)
    x, shown = networks.inputs(), layer.weight
    wanted = model(x)
    called = model[0] if part == "block" else layer
    weights = torch.stack([layer.weight_orig.detach()] * 2)
    place = "0.weight_orig" if part == "block" else "weight_orig"
    images = x[:, :1] if fails else x
    with pytest.raises(RuntimeError, match="channels") if fails else nullcontext():
        vmap(lambda weight: functional_call(called, {place: weight}, (images,)))(weights)
    assert networks.same_bits(layer.weight, shown)
    npr.evaluate(model, (x, torch.zeros(len(x), dtype=torch.int64)))
    twin = copy.deepcopy(model)
    assert networks.same_bits(pickle.loads(pickle.dumps(model))(x), wanted)
    npr.make_permanent(twin)
    assert networks.same_bits(twin(x), wanted)


@pytest.mark.parametrize("change", [npr.Pruned.redraw, npr.Pruned.refresh])
def test_masks_are_not_exchanged_inside_a_transform(change):
    model, by_hand, pruned = pruned_and_by_hand("frozen")
    with pytest.raises(npr.NetworkPruneError, match=r"^inside a torch\.func transform .* do that"):
        grad(lambda x: (change(pruned), x.sum())[1])(torch.ones(2))
    assert networks.same_bits(model(networks.inputs()), by_hand(networks.inputs()))


def test_a_frozen_network_that_changed_is_right_inside_and_after_a_transform():
    model, _, _ = pruned_and_by_hand("frozen")
    x = networks.inputs()
    before = model(x)
    with torch.no_grad():
        model[3].weight_orig.mul_(2.0)
    inside = grad(lambda x: model(x).square().sum())(x)
    live = x.clone().requires_grad_()
    y = model(live)
    y.square().sum().backward()
    torch.testing.assert_close(y, before * 2.0)
    torch.testing.assert_close(inside, live.grad)


@pytest.mark.parametrize("name", NAMES)
def test_a_traced_network_computes_what_the_pruned_one_does(name):
    model, by_hand, _ = pruned_and_by_hand(name)
    traced = torch.fx.symbolic_trace(model)
    x = networks.inputs()
    assert networks.same_bits(traced(x), by_hand(x))
    assert networks.same_bits(model(x), by_hand(x))


def test_what_is_traced_trains_and_follows_redraws():
    model, _, pruned = pruned_and_by_hand("plain")
    traced = torch.fx.symbolic_trace(model)
    optimizer = torch.optim.SGD(traced.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        traced(networks.inputs()).square().mean().backward()
        optimizer.step()
        pruned.redraw()
        assert networks.same_bits(traced(networks.inputs()), model(networks.inputs()))


def test_torchvisions_feature_extractor_sees_the_pruned_networks_features():
    torch.manual_seed(0)
    model = torchvision.models.squeezenet1_1().eval()
    npr.prune_weights(model, p_prune=0.5)
    x, seen = torch.randn(1, 3, 64, 64), []
    features = create_feature_extractor(model, ["features.12.cat", "flatten"])(x)
    with model.features[12].register_forward_hook(lambda *args: seen.append(args[2])):
        assert networks.same_bits(features["flatten"], model(x))
    assert networks.same_bits(features["features.12.cat"], seen[0])


@pytest.mark.filterwarnings("ignore:.torch.jit")
@pytest.mark.parametrize("name", ["plain", "attention", "single layer"])
def test_torchscript_refuses_masks_in_one_line(name):
    model, by_hand, _ = pruned_and_by_hand(name)
    with pytest.raises(npr.NetworkPruneError, match="can't compile a network under masks; call"):
        torch.jit.script(model)
    assert not hasattr(MaskMethod("weight"), "__name__")
    npr.make_permanent(model)
    assert networks.same_bits(
        torch.jit.script(model)(networks.inputs()), by_hand(networks.inputs())
    )
