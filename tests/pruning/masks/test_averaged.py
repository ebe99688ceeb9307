"""Masks under averages of weights and buffers: EMA, SWA, means of state dicts."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
)

import network_prune as npr
import networks

AVERAGES = {
    "the default, which Lightning's WeightAveraging takes": {},
    "swa": {"avg_fn": get_swa_avg_fn()},
    "ema": {"avg_fn": get_ema_avg_fn(0.9)},
    "ema at once": {"multi_avg_fn": get_ema_multi_avg_fn(0.9)},
    "torchvision's references": {"avg_fn": lambda a, b, _: 0.99998 * a + (1 - 0.99998) * b},
}


@pytest.fixture
def model() -> nn.Module:
    return networks.build("plain")


@pytest.mark.parametrize("name", AVERAGES)
def test_an_average_under_one_draw_is_that_of_the_weights_under_its_masks(model, name):
    pruned = npr.prune_weights(model, p_prune=0.5)
    plain = copy.deepcopy(model)
    npr.restore(plain)
    averages = [AveragedModel(m, use_buffers=True, **AVERAGES[name]) for m in (model, plain)]
    for _ in range(4):
        with torch.no_grad():
            for one, other in zip(model.parameters(), plain.parameters(), strict=True):
                one.add_(torch.randn_like(one))
                other.copy_(one)
        averages[0].update_parameters(model)
        averages[1].update_parameters(plain)
    masked, twin = (average.module for average in averages)
    with torch.no_grad():
        for layer in pruned.draw.layers:
            twin.get_submodule(layer.name).weight[~pruned.draw.mask(layer.name)] = 0.0
        assert networks.same_bits(masked.eval()(networks.inputs()), twin.eval()(networks.inputs()))


def test_an_average_over_draws_keeps_what_any_of_them_keeps(model):
    pruned = npr.prune_weights(model, p_prune=0.9, p_bern=0.5)
    average, kept = AveragedModel(model, use_buffers=True), []
    for _ in range(3):
        average.update_parameters(model)
        kept.append(pruned.draw.mask("0"))
        pruned.redraw()
    average(networks.inputs())
    keep = kept[0] | kept[1] | kept[2]
    assert torch.equal(average.module[0].weight != 0, keep)
    assert not keep.all()


def test_a_mean_of_state_dicts_loads(model):
    pruned = npr.prune_weights(model, p_prune=0.5)
    states = [model.state_dict(), copy.deepcopy(model.state_dict())]
    keys = [key for key in states[0] if "num_batches" not in key]
    mean = {key: torch.stack([state[key] for state in states]).mean(0) for key in keys}
    model.load_state_dict(mean, strict=False)
    assert pruned.summary().total.zeroed == len(pruned.draw.elements)


def test_masks_stand_what_torch_does_to_weights_at_once(model):
    npr.prune_weights(model, p_prune=0.5)
    average = model[0].weight_mask.clone()
    get_swa_multi_avg_fn()([average], [model[0].weight_mask], torch.tensor(1))
    assert torch.equal(average, model[0].weight_mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_masks_are_of_the_weights_dtype_and_older_bool_ones_load(model, dtype):
    model.to(dtype)
    pruned = npr.prune_weights(model, p_prune=0.5, p_bern=0.5)
    state = model.state_dict()
    older = {key: v.bool() if key.endswith("_mask") else v.clone() for key, v in state.items()}
    assert state["0.weight_mask"].dtype is dtype
    keep = pruned.draw.mask("0")
    pruned.redraw()
    assert not torch.equal(model[0].weight_mask.bool(), keep)
    model.load_state_dict(older)
    model(networks.inputs(model))
    assert torch.equal(model[0].weight != 0, keep)
    assert model[0].weight_mask.dtype is dtype
