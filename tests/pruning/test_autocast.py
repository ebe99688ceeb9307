"""Under one torch.autocast, which keeps copies of weights, what is written is computed with."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import network_prune as npr
import networks


def redraw(model: nn.Module):
    redrawer = npr.Redrawer(model, npr.rank(model, p_prune=0.8), p_bern=0.5)
    for _ in range(3):
        redrawer.redraw()
        yield
    redrawer.restore()
    yield


def mask(model: nn.Module):
    pruned = npr.prune_weights(model, p_prune=0.8, p_bern=0.5)
    yield
    pruned.redraw()
    yield
    pruned.restore()
    yield


def bake(model: nn.Module):
    npr.prune_weights(model, p_prune=0.5)
    npr.make_permanent(model)
    yield
    npr.prune_weights(model, p_prune=0.7)
    for layer in (model[0], model[3]):
        torch_prune.remove(layer, "weight")
    yield


def wrap(model: nn.Module):
    surrogate = npr.Diversified(model, npr.rank(model, p_prune=0.8), p_bern=0.5)
    for _ in range(2):
        surrogate(networks.inputs())
        yield


@pytest.mark.parametrize("write", [redraw, mask, bake, wrap])
@pytest.mark.parametrize("with_gradients", [True, False])
def test_each_forward_computes_with_the_weights_of_its_time(write, with_gradients):
    model, x = networks.build("plain").eval(), networks.inputs()
    found, wanted = [], []
    with torch.set_grad_enabled(with_gradients), torch.autocast("cpu", torch.bfloat16):
        model(x)
        for _ in write(model):
            found.append(model(x))
            wanted.append(networks.build("plain").eval())
            for twin, layer in ((wanted[-1][i], model[i]) for i in (0, 3)):
                twin.weight = nn.Parameter(layer.weight.detach().clone())
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(y, twin(x)) for y, twin in zip(found, wanted, strict=True))
