"""Parameters that overlap in memory: prune and Redrawer agree to the bit, or both refuse them."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import network_prune as npr
import networks

SHAPES = [(2, 2, 1, 1), (4, 1, 1, 1), (1, 2, 3, 1), (2, 1, 2, 2), (3, 2, 1, 1)]


def addresses(weight: torch.Tensor) -> list[int]:
    """Every element's place in the memory, one by one."""
    steps = [range(size) for size in weight.shape]
    return [
        weight.data_ptr() + 4 * sum(i * s for i, s in zip(place, weight.stride(), strict=True))
        for place in itertools.product(*steps)
    ]


def is_refused(weights: list[torch.Tensor]) -> bool:
    places = [addresses(weight) for weight in weights]
    if any(len(set(own)) < len(own) for own in places):
        return True
    layouts = [(w.data_ptr(), w.shape, w.stride()) for w in weights]
    pairs = itertools.combinations(range(len(weights)), 2)
    return any(set(places[a]) & set(places[b]) and layouts[a] != layouts[b] for a, b in pairs)


def network_of(weights: list[torch.Tensor]) -> nn.Module:
    layers = [nn.Conv2d(w.shape[1], w.shape[0], tuple(w.shape[2:]), bias=False) for w in weights]
    for layer, weight in zip(layers, weights, strict=True):
        layer.weight = nn.Parameter(weight)
    return nn.ModuleList(layers)


@st.composite
def windows(draw) -> torch.Tensor:
    """A view of one memory, of any strides, some of which lay elements upon each other."""
    shape = draw(st.sampled_from(SHAPES))
    dense = torch.empty(shape).stride()
    strides = draw(st.sampled_from([dense, (1, shape[0], 1, 1), (2, 1, 8, 8), (0, 1, 2, 4)]))
    start = draw(st.sampled_from([0, 2, 4, 12, 30, 60]))
    return torch.arange(1.0, 101.0).as_strided(shape, strides, start), strides, start


@st.composite
def overlapping(draw) -> list[torch.Tensor]:
    memory = torch.arange(1.0, 121.0)
    found = [draw(windows()) for _ in range(draw(st.integers(1, 3)))]
    return [memory.as_strided(w.shape, strides, start) for w, strides, start in found]


@given(overlapping(), st.sampled_from(["weight", "connection", "neuron"]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_both_zero_the_same_or_both_refuse(weights, granularity):
    model = network_of(weights)
    prunable = npr.rank(model, granularity, p_prune=0.7)
    if is_refused(weights):
        for method in (npr.prune, npr.Redrawer):
            with pytest.raises(npr.NetworkPruneError, match="shares some of its memory with '"):
                method(model, prunable, p_bern=0.5)
        return
    before = networks.snapshot(model)
    originals = {layer.name: model[int(layer.name)].weight.clone() for layer in prunable.layers}
    with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        redrawer.redraw()
        in_place = [layer.weight.clone() for layer in model]
    with npr.prune(model, prunable, p_bern=0.5) as pruned:
        for layer, written in zip(model, in_place, strict=True):
            assert networks.same_bits(layer.weight, written)
        for name, original in originals.items():
            wanted = torch.where(pruned.draw.mask(name), original, 0.0)
            assert networks.same_bits(model[int(name)].weight, wanted)
    assert networks.snapshot(model) == before


def test_the_memory_of_what_is_not_ranked_counts():
    model = networks.build("plain")
    model.register_parameter("flat", nn.Parameter(model[0].weight.detach().view(-1)))
    prunable = npr.rank(model, p_prune=0.5)
    with pytest.raises(npr.NetworkPruneError, match=r"layer '0' shares .* with 'flat', so pruned"):
        npr.Redrawer(model, prunable, p_bern=0.5)


def test_slices_of_one_memory_side_by_side_are_each_their_own():
    model = networks.build("plain")
    memory = torch.cat([p.detach().flatten() for p in model.parameters()])
    for part, parameter in zip(
        memory.split([p.numel() for p in model.parameters()]), model.parameters(), strict=True
    ):
        parameter.data = part.view(parameter.shape)
    npr.prune(model, npr.rank(model, p_prune=0.5)).restore()
