"""Masks made elsewhere, taken as a draw."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import network_prune as npr
from network_prune.errors import ArgumentError, StateError, UnsupportedNetworkError


def network() -> nn.Sequential:
    torch.manual_seed(0)
    parts = [nn.Conv2d(1, 4, 3), nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Conv2d(6, 70, 1)]
    return nn.Sequential(*parts)


KINDS = (nn.Conv2d, nn.ConvTranspose2d)


def test_torchs_masks_are_taken_stacked_ones_and_zeros_too(tmp_path):
    model = network()
    clean = copy.deepcopy(model)
    torch_prune.random_unstructured(model[0], "weight", 0.25)
    torch_prune.l1_unstructured(model[0], "weight", 0.5)
    torch_prune.ln_structured(model[1], "weight", 0.5, n=1, dim=1)
    model[2].weight.data[3:5] = 0.0
    draw = npr.Draw.from_model(model, layers=KINDS)
    assert torch.equal(draw.mask("0"), model[0].weight_mask.bool())
    assert torch.equal(draw.mask("1"), model[1].weight_mask.bool())
    assert torch.equal(draw.mask("2"), model[2].weight != 0)
    assert (draw.p_bern, draw.seed, draw.index) == (None, None, None)
    assert repr(draw) == f"Draw({len(draw)} of 564 weights in 3 layers, made elsewhere)"
    draw.save(tmp_path / "d")
    assert npr.Draw.load(tmp_path / "d") == draw
    with npr.prune(clean, draw) as pruned:
        rows = pruned.summary().layers
        assert [row.pruned for row in rows] == [*draw.elements.counts.values()]
        with pytest.raises(StateError, match="was pruned by one draw, which says nothing of"):
            pruned.redraw()


def test_a_draw_of_ours_is_found_again_and_can_be_put_on_as_it_is():
    model = network()
    prunable = npr.rank(model, p_prune=0.6, layers=KINDS)
    with npr.prune(model, prunable, p_bern=0.5, seed=3, index=2) as pruned:
        found = npr.Draw.from_model(model, layers=KINDS)
        assert found.elements == pruned.draw.elements
        drawn = pruned.draw
    with npr.prune(model, drawn):
        assert npr.Draw.from_model(model, layers=KINDS).sha256 == drawn.sha256
    with pytest.raises(ArgumentError, match=r"a draw is a mask already, so that p_bern=0.5"):
        npr.prune(model, drawn, p_bern=0.5)


def test_layers_are_chosen_as_for_rank():
    model = network()
    assert [x.name for x in npr.Draw.from_model(model, include=["2"]).layers] == ["2"]
    with pytest.raises(ArgumentError, match="unknown layer or pattern 'x'"):
        npr.Draw.from_model(model, include=["x"])
    with pytest.raises(UnsupportedNetworkError, match="has no Conv3d layer to rank"):
        npr.Draw.from_model(model, layers=[nn.Conv3d])


def test_who_ranks_a_pruned_network_is_told_of_its_masks():
    model = network()
    torch_prune.l1_unstructured(model[0], "weight", 0.5)
    with pytest.raises(StateError, match=r"Draw.from_model\(model\) has its masks"):
        npr.rank(model, p_prune=0.5)
