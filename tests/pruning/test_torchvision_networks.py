"""Torchvision networks: exact zeros, the outputs of zeros by hand, and exact restore."""

import copy

import pytest
import torch
import torchvision
from torch import nn

import network_prune as npr
import networks

NAMES = [
    "resnet18",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "squeezenet1_0",
    "densenet121",
    "googlenet",
    "mnasnet0_5",
    "regnet_y_400mf",
    "efficientnet_b0",
    "convnext_tiny",
    "vit_b_16",  # smaller
]
SHORTCUTS = [npr.prune_weights, npr.prune_connections, npr.prune_neurons]


def build(name: str) -> nn.Module:
    if name == "vit_b_16":
        model = torchvision.models.VisionTransformer(
            32, 16, num_layers=2, num_heads=4, hidden_dim=64, mlp_dim=128
        )
        nn.init.normal_(model.heads.head.weight)
        return model
    options = {"init_weights": False, "aux_logits": True} if name == "googlenet" else {}
    return getattr(torchvision.models, name)(weights=None, **options)


@pytest.mark.parametrize("name", NAMES)
def test_prunes_exactly_and_restores_exactly(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(name).eval()
    size = 32 if name == "vit_b_16" else 64
    x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    before = networks.snapshot(model)
    with torch.no_grad():
        dense = model(x)
        for number, shortcut in enumerate(SHORTCUTS):
            with shortcut(model, p_prune=0.3, p_bern=0.7, seed=number) as pruned:
                out = model(x)
                zeroed = copy.deepcopy(model)
                assert_zeros(model, pruned.draw)
            for layer in pruned.draw.layers:
                twin = zeroed.get_submodule(layer.name)
                assert torch.equal(twin.weight_mask.bool(), pruned.draw.mask(layer.name))
            npr.restore(zeroed)
            for layer in pruned.draw.layers:
                weight = zeroed.get_submodule(layer.name).weight
                weight[~pruned.draw.mask(layer.name)] = 0.0
            assert networks.same_bits(zeroed(x), out)
            assert not torch.equal(out, dense)
        assert networks.snapshot(model) == before
        assert networks.same_bits(model(x), dense)


def assert_zeros(model: nn.Module, draw: npr.Draw) -> None:
    for layer in draw.layers:
        dead = model.get_submodule(layer.name).weight[~draw.mask(layer.name)]
        assert not dead.any()
        assert not dead.signbit().any()
