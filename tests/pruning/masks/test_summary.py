"""The summary counts what a loop counts, and warns where figures are easy to misread."""

import json

import pytest
import torch
from torch import nn

import network_prune as npr
import networks
from network_prune.errors import StateError


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("name", ["plain", "grouped", "already sparse", "tied", "half"])
def test_counts_equal_those_of_a_loop(name, granularity):
    model = networks.build(name)
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    prunable = npr.rank(model, granularity, p_prune=0.6, layers=kinds)
    weights = {layer.name: model.get_submodule(layer.name).weight for layer in prunable.layers}
    weights = {name: weight.detach().flatten().tolist() for name, weight in weights.items()}
    size = sum(p.numel() for p in model.parameters())
    with npr.prune(model, prunable, p_bern=0.5, seed=2) as pruned:
        summary = pruned.summary()
        total = dict.fromkeys(["prunable", "pruned", "zeroed", "zero_before", "newly_zeroed"], 0)
        for row in summary.layers:
            keep = pruned.draw.mask(row.name).flatten().tolist()
            pairs = list(zip(weights[row.name], keep, strict=True))
            counts = {
                "prunable": sum(prunable.prunable(row.name).flatten().tolist()),
                "pruned": sum(pruned.draw.pruned(row.name).flatten().tolist()),
                "zeroed": sum(not k for _, k in pairs),
                "zero_before": sum(w == 0 for w, _ in pairs),
                "newly_zeroed": sum(w != 0 and not k for w, k in pairs),
            }
            assert {key: getattr(row, key) for key in counts} == counts
            assert row.weights == len(pairs)
            total = {key: total[key] + counts[key] for key in total}
        assert {key: getattr(summary.total, key) for key in total} == total
        assert summary.network_weights == size
        assert summary.network_zeroed_ratio == total["zeroed"] / size
        assert summary.total.pruning_ratio == total["pruned"] / summary.total.elements
        assert summary.total.zeroed_ratio == total["zeroed"] / summary.total.weights
        assert summary.total.zero_before_ratio == total["zero_before"] / summary.total.weights


def test_a_vanished_layer_is_named():
    model = networks.build("plain")
    with torch.no_grad():
        model[3].weight.mul_(1e-6)
    with npr.prune_weights(model, p_prune=0.7) as pruned:
        summary = pruned.summary()
    assert summary.warnings == ("layer 3 vanishes: all its 432 weights are pruned",)
    assert str(summary).endswith("warning: layer 3 vanishes: all its 432 weights are pruned")


def test_pruning_zeros_alone_is_said():
    model = networks.build("already sparse")
    with npr.prune_weights(model, p_prune=0.3) as pruned:
        assert any("every pruned weight was zero before" in w for w in pruned.summary().warnings)
    with npr.prune_weights(model, p_prune=0.9) as pruned:
        assert not any("was zero before" in w for w in pruned.summary().warnings)
    with npr.prune_weights(model, p_prune=0.0) as pruned:
        assert pruned.summary().warnings == ()


def test_it_is_plain_data_and_plain_text():
    model = networks.build("plain")
    with npr.prune_neurons(model, p_prune=0.5) as pruned:
        summary = pruned.summary()
    data = json.loads(json.dumps(summary.to_dict()))
    assert data["granularity"] == "neuron"
    assert data["pruned"] == 7
    assert data["pruning_ratio"] == 0.5
    assert [row["name"] for row in data["layers"]] == ["0", "3"]
    lines = str(summary).splitlines()
    assert lines[0].split()[:4] == ["layer", "elements", "prunable", "pruned"]
    assert lines[-1].split()[:4] == ["total", "14", "7", "7"]


def test_the_real_network_loses_nothing_below_its_share_of_zeros(squeezenet):
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        dense = squeezenet(x)
        before = networks.snapshot(squeezenet)
        with npr.prune_weights(squeezenet, p_prune=0.3) as pruned:
            summary = pruned.summary()
            assert summary.total.newly_zeroed == 0
            assert summary.total.pruning_ratio == pytest.approx(0.3, abs=1e-6)
            assert any("every pruned weight was zero before" in w for w in summary.warnings)
            assert torch.equal(squeezenet(x), dense)
        with npr.prune_weights(squeezenet, p_prune=0.8) as pruned:
            assert pruned.summary().total.newly_zeroed > 0
            assert not torch.equal(squeezenet(x), dense)
        assert networks.snapshot(squeezenet) == before


def zero_filters_with_norm() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).eval()
    nn.init.zeros_(model[0].weight)
    nn.init.ones_(model[1].bias)
    return model


def test_silencing_norms_of_zero_filters_is_not_called_without_effect():
    model = zero_filters_with_norm()
    dense = model(networks.inputs())
    with npr.prune_neurons(model, p_prune=0.5, with_norm=True) as pruned:
        assert not torch.equal(model(networks.inputs()), dense)
        assert not any("computes what it did" in line for line in pruned.summary().warnings)


def test_the_networks_share_counts_biases_and_norms_under_masks():
    model = zero_filters_with_norm()
    with npr.prune_neurons(model, p_prune=1.0, with_norm=True) as pruned:
        assert pruned.summary().network_zeroed_ratio == 1.0


def test_masks_that_are_not_the_draws_are_refused():
    one, other = networks.plain(), networks.plain()
    pruned = npr.prune_weights(one, p_prune=0.2)
    npr.prune_weights(other, p_prune=0.7)
    one.load_state_dict(other.state_dict())
    with pytest.raises(StateError, match="isn't that of draw 0 any more"):
        pruned.summary()
