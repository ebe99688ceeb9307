"""torch.nn.utils.prune.remove leaves a plain network behind: no hook, no trace of ours."""

import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import network_prune as npr
import networks
from network_prune.pruning.faster_copy.prepare import Speed, prepare


def remove_all(model: nn.Module) -> None:
    for module, name in networks.masked_tensors(model):
        torch_prune.remove(module, name)


def stack(model: nn.Module) -> None:
    """Put torch's own masks on top of ours."""
    for module, name in networks.masked_tensors(model):
        torch_prune.l1_unstructured(module, name, amount=0.5)


def without_values(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Return everything of a snapshot but what stands in tensors, and where."""
    names = ("identity", "training", "attributes", "transient", "hooks")
    modules = {
        path: {name: found[name] for name in names} for path, found in snapshot["modules"].items()
    }
    keys = [key for key, *_ in snapshot["state_dict"]]
    return {"modules": modules, "state": keys, "parameters": snapshot["named_parameters"]}


def nested(name: str) -> nn.Module:
    return nn.Sequential(networks.build(name), nn.Sequential(nn.Conv2d(3, 3, 1)))


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("name", ["plain", "frozen", "tied", "attention", "single layer"])
def test_no_hook_and_no_word_of_ours_is_left(name, stacked):
    model = nested(name)
    before = networks.snapshot(model)
    npr.prune_weights(model, p_prune=0.5, layers=(nn.Conv2d, nn.Linear))
    if stacked:
        stack(model)
    remove_all(model)
    assert without_values(networks.snapshot(model)) == without_values(before)
    assert b"network_prune" not in pickle.dumps(model)


def test_what_is_left_is_evaluated_like_any_network():
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 1)).eval()
    npr.prune_weights(model, p_prune=0.5)
    remove_all(model)
    prepared = prepare(model, Speed(dtype="bfloat16"))
    assert prepared.folded == 1
    assert prepared.dtype == "bfloat16"
    npr.prune_weights(model, p_prune=0.7).restore()


def test_restore_says_that_nothing_is_pruned_and_does_nothing():
    model = networks.build("plain")
    pruned = npr.prune_weights(model, p_prune=0.5)
    remove_all(model)
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match="carries no mask of network-prune"):
        npr.restore(model)
    pruned.restore()
    assert networks.snapshot(model) == before
    with pytest.raises(npr.NetworkPruneError, match="the masks were taken off"):
        pruned.redraw()


@pytest.mark.parametrize("name", ["plain", "attention"])
def test_what_is_still_masked_computes_on_and_is_restored(name):
    model = networks.build(name).eval()
    before = networks.snapshot(model)
    pruned = npr.prune_weights(model, p_prune=0.5, layers=(nn.Conv2d, nn.Linear))
    x = networks.inputs()
    wanted = model(x)
    (module, tensor), *others = networks.masked_tensors(model)
    originals = {(m, n): getattr(m, f"{n}_orig").detach().clone() for m, n in others}
    torch_prune.remove(module, tensor)
    assert torch.equal(model(x), wanted)
    with pytest.raises(npr.NetworkPruneError, match="was changed by torch"):
        pruned.redraw()
    pruned.restore()
    assert not networks.masked_tensors(model)
    assert without_values(networks.snapshot(model)) == without_values(before)
    assert all(networks.same_bits(getattr(m, n), originals[m, n]) for m, n in others)


def test_a_mask_stacked_on_one_that_an_attention_reads_itself_takes_part():
    model = networks.build("attention").eval()
    npr.prune_weights(model, p_prune=0.5, layers=(nn.Linear,))
    stack(model)
    with torch.no_grad():
        wanted = model(networks.inputs())
        remove_all(model)
        assert torch.equal(model(networks.inputs()), wanted)
