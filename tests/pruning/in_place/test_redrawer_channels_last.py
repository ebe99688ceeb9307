"""A Redrawer writes over channels-last weights in place, as it does over contiguous ones."""

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import network_prune as npr
import networks
from network_prune.pruning.in_place.pieces import WholeWeight, channels_last_order

GRANULARITIES = ["weight", "connection", "neuron"]
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def relaid(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        if parameter.dim() in FORMATS:
            parameter.data = parameter.data.contiguous(memory_format=FORMATS[parameter.dim()])
    return model


def assert_drawn_alike(model: nn.Module, granularity: str, *, p_bern: float) -> npr.Redrawer:
    """Draw on a contiguous and a channels-last copy, compare all bits, and restore both."""
    twin = relaid(copy.deepcopy(model))
    layers = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
    prunable = npr.rank(model, granularity, p_prune=0.6, layers=layers)
    before = networks.snapshot(twin)
    redrawers = [npr.Redrawer(m, prunable, p_bern=p_bern, seed=1) for m in (model, twin)]
    for index in (0, 4, 2):
        for redrawer in redrawers:
            redrawer.redraw(index)
        for layer in prunable.layers:
            assert networks.same_bits(*(networks.weight_of(m, layer.name) for m in (model, twin)))
    redrawers[1].restore()
    assert networks.snapshot(twin) == before
    return redrawers[1]


def test_order_by_hand():
    # Filters of 2 kernels with 3 places: 0 1 2 and 3 4 5 lie in memory as 0 3 1 4 2 5.
    order = channels_last_order(3, 2, 12)
    assert order.tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("name", [n for n in networks.AWKWARD if n != "non contiguous"])
def test_awkward_networks(name, granularity):
    assert_drawn_alike(networks.build(name), granularity, p_bern=0.3)


@settings(max_examples=60)
@given(
    out=st.integers(1, 40),
    fan_in=st.integers(1, 9),
    kernel=st.sampled_from([(1, 1), (3, 3), (1, 5), (2, 3), (7, 7), (2, 1, 3)]),
    groups=st.sampled_from([1, 3]),
    granularity=st.sampled_from(GRANULARITIES),
    dtype=st.sampled_from([torch.float16, torch.float32, torch.float64]),
)
def test_shapes(out, fan_in, kernel, groups, granularity, dtype):
    kind = nn.Conv2d if len(kernel) == 2 else nn.Conv3d
    layer = kind(fan_in * groups, out * groups, kernel, groups=groups, dtype=dtype)
    assert_drawn_alike(nn.Sequential(layer), granularity, p_bern=0.5)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_layers_of_several_blocks(granularity):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(128, 260, 3), nn.Conv2d(5, 4000, 3), nn.Conv2d(33, 65, 7))
    redrawer = assert_drawn_alike(model, granularity, p_bern=0.5)
    assert not any(isinstance(piece, WholeWeight) for _, piece in redrawer._written._pieces)


def test_filters_larger_than_a_block():
    redrawer = assert_drawn_alike(nn.Sequential(nn.Conv2d(7300, 2, 3)), "weight", p_bern=0.5)
    assert [type(piece) for _, piece in redrawer._written._pieces] == [WholeWeight]


@pytest.mark.parametrize(
    ("granularity", "limit"), [("weight", 1.5), ("connection", 1.0), ("neuron", 0.4)]
)
def test_what_is_held_in_bytes_a_weight(granularity, limit):
    channels = (64, 64, 128, 128, 256, 256, 512, 512)
    pairs = itertools.pairwise(channels)
    model = relaid(nn.Sequential(*(nn.Conv2d(*pair, 3) for pair in pairs)))
    prunable = npr.rank(model, granularity, p_prune=0.2)
    held = npr.Redrawer(model, prunable, p_bern=0.5).held_bytes + prunable.elements.words.nbytes
    assert 0 < held <= limit * sum(layer.weights for layer in prunable.layers)
