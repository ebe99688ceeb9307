"""A frozen pruned network follows writes to its weights that autograd isn't told of."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

import network_prune as npr
import networks
from network_prune.pruning.masks.changes import sample_of


def halve(weight: Tensor) -> None:
    weight.data.mul_(0.5)


def average(weight: Tensor) -> None:
    """Do what EMA and MoCo do at each step."""
    weight.data = weight.data * 0.999 + torch.ones_like(weight) * 0.001


def average_in_place(weight: Tensor) -> None:
    weight.data.mul_(0.999).add_(torch.ones_like(weight), alpha=0.001)


def write_through_numpy(weight: Tensor) -> None:
    weight.detach().numpy()[...] = 3.0


WRITES = [halve, average, average_in_place, write_through_numpy]


def assert_right(model: nn.Module, pruned: npr.Pruned, wanted: dict[str, Tensor]) -> None:
    for layer in pruned.draw.layers:
        masked = torch.where(pruned.draw.mask(layer.name), wanted[layer.name], 0.0)
        assert networks.same_bits(model.get_submodule(layer.name).weight, masked)


def originals(model: nn.Module, pruned: npr.Pruned) -> dict[str, Tensor]:
    names = [layer.name for layer in pruned.draw.layers]
    return {name: model.get_submodule(name).weight_orig.detach().clone() for name in names}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_writes_to_all_values_show_in_the_next_forward(write, dtype, layout):
    if dtype is torch.bfloat16 and write is write_through_numpy:
        pytest.skip("NumPy has no bfloat16")
    layers = (nn.Conv2d(4, 64, 3), nn.Conv2d(64, 3, 1))
    model = nn.Sequential(*layers).to(dtype).to(memory_format=layout).requires_grad_(False)
    pruned = npr.prune_weights(model, p_prune=0.5)
    for _ in range(3):
        for layer in model:
            write(layer.weight_orig)
        model(networks.inputs(model))
        assert_right(model, pruned, originals(model, pruned))


def test_a_way_to_another_dtype_and_back_shows():
    model = networks.build("frozen")
    pruned = npr.prune_weights(model, p_prune=0.5)
    model(networks.inputs())
    for _ in range(20):  # the new memory may lie where the old lay
        model.bfloat16().float()
        model(networks.inputs())
        assert_right(model, pruned, originals(model, pruned))


def test_refresh_is_for_what_a_forward_misses():
    model = nn.Sequential(nn.Conv2d(4, 16, 1), nn.Conv2d(16, 64, 3)).requires_grad_(False)
    pruned = npr.prune_weights(model, p_prune=0.5)
    model(networks.inputs())
    model[1].weight_orig.data[7, 5, 1] = 4.0
    model[1].weight_mask.data[8, 5, 1] = 1.0 - model[1].weight_mask[8, 5, 1]
    pruned.refresh()
    keep = model[1].weight_mask.bool()
    assert torch.equal(model[1].weight, torch.where(keep, model[1].weight_orig, 0.0))
    pruned.restore()
    with pytest.raises(npr.NetworkPruneError, match="the masks were taken off"):
        pruned.refresh()


@given(count=st.integers(1, 100_000))
def test_a_sample_holds_the_first_and_last_value_and_all_of_a_small_tensor(count):
    sample = sample_of(torch.arange(count))
    assert sample[0] == 0
    assert sample[-1] == count - 1
    assert len(sample.unique()) == len(sample) == min(count, 64)


def test_copies_follow_their_own_weights():
    model = networks.build("frozen")
    npr.prune_weights(model, p_prune=0.5)
    twin = copy.deepcopy(model)
    halve(twin[0].weight_orig)
    model(networks.inputs())
    twin(networks.inputs())
    assert torch.equal(twin[0].weight, model[0].weight / 2)


@pytest.mark.parametrize("entry", ["weight_orig", "weight_mask"])
def test_tensors_that_take_a_weights_place_for_one_forward_are_told_from_each_other(entry):
    """Memory that becomes free is used again, by a tensor of the same version."""
    model = nn.Sequential(nn.Conv2d(4, 32, 3)).requires_grad_(False)
    npr.prune_weights(model, p_prune=0.3)
    x = networks.inputs()
    own = getattr(model[0], entry)
    for place in range(70, 110):
        other = own.clone()
        other.view(-1)[place] = 10.0 - 10.0 * own.view(-1)[place]
        both = {"weight_orig": model[0].weight_orig, "weight_mask": model[0].weight_mask}
        both[entry] = other
        masked = torch.where(both["weight_mask"].bool(), both["weight_orig"], 0.0)
        wanted = nn.functional.conv2d(x, masked, model[0].bias)
        del both
        assert networks.same_bits(functional_call(model, {f"0.{entry}": other}, (x,)), wanted)
        del other


def test_a_shallow_copy_computes_with_its_own_weight():
    model = networks.build("frozen")
    npr.prune_weights(model, p_prune=0.5)
    twin = copy.copy(model[0])
    halve(model[0].weight_orig)
    for layer in (model[0], twin):
        layer(networks.inputs())
        assert torch.equal(layer.weight, layer.weight_orig * layer.weight_mask)
