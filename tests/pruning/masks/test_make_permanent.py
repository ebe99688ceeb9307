"""make_permanent and torch's own remove leave a plain network with zeros."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import network_prune as npr
import networks


def masked_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: module.weight.detach().clone()
        for name, module in model.named_modules()
        if hasattr(module, "weight_orig")
    }


@pytest.mark.parametrize("name", networks.AWKWARD)
def test_zeros_are_baked_in_and_parameters_keep_object_and_order(name):
    model = networks.build(name)
    before = networks.snapshot(model)
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    old = model.state_dict()
    npr.prune_weights(model, p_prune=0.6, p_bern=0.7)
    wanted = masked_weights(model)
    npr.make_permanent(model)
    after = networks.snapshot(model)

    assert after["named_parameters"] == before["named_parameters"]
    assert list(model.state_dict()) == list(kept)
    assert not networks.masked_tensors(model)
    modules = dict(model.named_modules())
    for path, weight in wanted.items():
        assert isinstance(modules[path].weight, nn.Parameter)
        assert networks.same_bits(modules[path].weight, weight)
        assert bool((weight == 0).any())
    assert all(networks.same_bits(old[key], kept[key]) for key in kept)


@pytest.mark.parametrize("name", ["tied", "shared storage"])
def test_sharing_survives(name):
    model = networks.build(name)
    npr.prune_weights(model, p_prune=0.5)
    npr.make_permanent(model)
    assert model.first.weight.data_ptr() == model.second.weight.data_ptr()


def test_shared_weights_stay_their_own_where_freed_memory_is_used_again():
    # The baked tensor of one layer may lie where another layer's original lay before.
    for _ in range(20):
        model = nn.Sequential(*[nn.Conv2d(64, 64, 3) for _ in range(4)])
        model[3].weight = model[2].weight
        npr.prune_weights(model, p_prune=0.5)
        wanted = masked_weights(model)
        npr.make_permanent(model)
        assert all(torch.equal(model[i].weight, wanted[str(i)]) for i in range(4))


def test_works_in_inference_mode_and_trains_afterwards():
    model = networks.build("plain")
    npr.prune_weights(model, p_prune=0.5)
    with torch.inference_mode():
        npr.make_permanent(model)
    model(networks.inputs()).sum().backward()
    assert model[0].weight.grad is not None


def test_one_bias_under_two_masks_is_refused():
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    nn.init.constant_(model[0].weight, 1.0)
    nn.init.constant_(model[1].weight, 2.0)
    model[1].bias = model[0].bias
    npr.prune_neurons(model, p_prune=0.5, with_norm=True)
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match="share one bias under different masks"):
        npr.make_permanent(model)
    assert networks.snapshot(model) == before


def test_a_network_without_masks_is_refused():
    model = networks.build("plain")
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match="carries no mask of network-prune; prune it"):
        npr.make_permanent(model)
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("name", ["plain", "parameters in another order", "frozen", "bfloat16"])
def test_torchs_own_remove_keeps_object_and_order(name):
    model = networks.build(name)
    before = networks.snapshot(model)
    npr.prune_weights(model, p_prune=0.6)
    wanted = masked_weights(model)
    for module, tensor in networks.masked_tensors(model):
        torch_prune.remove(module, tensor)
    assert networks.snapshot(model)["named_parameters"] == before["named_parameters"]
    assert [key for key, *_ in networks.snapshot(model)["state_dict"]] == [
        key for key, *_ in before["state_dict"]
    ]
    assert not torch_prune.is_pruned(model)
    modules = dict(model.named_modules())
    assert all(networks.same_bits(modules[path].weight, w) for path, w in wanted.items())
