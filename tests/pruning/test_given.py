"""Every call takes what `load_network` returned, as it takes the module inside."""

import pytest
import torch

import network_prune as npr
import networks
from network_prune.errors import ArgumentError


@pytest.fixture
def loaded():
    return npr.load_network()


def prunable_of(network):
    return npr.rank(network, p_prune=0.2)


CALLS = {
    "rank": prunable_of,
    "prune": lambda network: npr.prune(network, prunable_of(network)).model,
    "prune_weights": lambda network: npr.prune_weights(network, p_prune=0.2).model,
    "prune_connections": lambda network: npr.prune_connections(network, p_prune=0.2).model,
    "prune_neurons": lambda network: npr.prune_neurons(network, p_prune=0.2).model,
    "Redrawer": lambda network: npr.Redrawer(network, prunable_of(network), p_bern=0.5).model,
    "Diversified": lambda network: npr.Diversified(network, prunable_of(network), p_bern=0.5).model,
    "BackwardOnly": lambda network: (
        npr.BackwardOnly(network, prunable_of(network), p_bern=0.5).model
    ),
    "Ensemble": lambda network: npr.Ensemble([network]).models[0],
}


@pytest.mark.parametrize("call", CALLS)
def test_what_load_network_returned_is_taken_for_its_module(loaded, call):
    result = CALLS[call](loaded)
    expected = prunable_of(npr.load_network().model)
    if call == "rank":
        assert result.sha256 == expected.sha256
    else:
        assert result is loaded.model


def test_masks_are_taken_off_what_load_network_returned(loaded):
    before = loaded.model.state_dict()
    npr.prune_weights(loaded, p_prune=0.2)
    npr.restore(loaded)
    assert loaded.model.state_dict().keys() == before.keys()
    npr.prune_weights(loaded, p_prune=0.2)
    npr.make_permanent(loaded)
    assert loaded.model.state_dict().keys() == before.keys()


def test_statistics_are_estimated_anew_in_what_load_network_returned(loaded):
    before = networks.snapshot(loaded.model)
    images = torch.zeros(2, 1, 32, 32)
    assert npr.recalibrate(loaded, images) == npr.recalibrate(loaded.model, images)
    npr.restore(loaded)
    assert networks.snapshot(loaded.model) == before


def test_evaluate_takes_what_load_network_returned(loaded):
    batches = [(torch.zeros(2, 1, 32, 32), torch.tensor([3, 4]))]
    metrics = npr.evaluate(loaded, batches)
    assert metrics.loss == npr.evaluate(loaded.model, batches).loss


@pytest.mark.parametrize("network", [None, "resnet18", object()])
@pytest.mark.parametrize("call", ["rank", "Ensemble"])
def test_what_is_no_network_is_refused(call, network):
    with pytest.raises(ArgumentError, match=r"; pass an nn\.Module or what load_network returned$"):
        CALLS[call](network)
