"""A Redrawer that nobody restores: its zeros go when it is collected, or the network is refused."""

import copy
import gc
import os
import pickle
import threading

import pytest
import torch
from torch import nn

import network_prune as npr
import networks

LOST = r"layer '0' has zeros of a Redrawer that is gone, and was changed .*; load its weights anew"


def drawn(name: str = "plain", granularity: str = "weight") -> tuple[nn.Module, npr.Redrawer]:
    model = networks.build(name)
    redrawer = npr.Redrawer(model, npr.rank(model, granularity, p_prune=0.7), p_bern=0.5)
    redrawer.redraw()
    return model, redrawer


@pytest.mark.parametrize("granularity", ["weight", "connection", "neuron"])
@pytest.mark.parametrize("name", networks.AWKWARD)
def test_dropping_it_restores_the_network(name, granularity):
    model = networks.build(name)
    before = networks.snapshot(model)
    redrawer = npr.Redrawer(model, npr.rank(model, granularity, p_prune=0.7), p_bern=0.5)
    redrawer.redraw()
    del redrawer
    assert networks.snapshot(model) == before
    npr.rank(model, p_prune=0.5)


def test_one_in_a_cycle_restores_it_when_the_collector_comes():
    model = networks.build("plain")
    before = networks.snapshot(model)
    redrawer = npr.Redrawer(model, npr.rank(model, p_prune=0.7), p_bern=0.5)
    redrawer.redraw()
    redrawer.itself = redrawer
    del redrawer
    with pytest.raises(npr.NetworkPruneError, match="is pruned in place by a Redrawer"):
        npr.rank(model, p_prune=0.5)
    gc.collect()
    assert networks.snapshot(model) == before


def test_a_network_that_holds_it_is_collected_with_it():
    model, redrawer = drawn()
    values = npr.rank(networks.build("plain"), p_prune=0.5).sha256
    state = dict(model.state_dict())
    model.redrawer = redrawer
    del model, redrawer
    gc.collect()
    again = networks.build("plain")
    again.load_state_dict(state)
    assert npr.rank(again, p_prune=0.5).sha256 == values


def test_another_thread_may_drop_it():
    model = networks.build("plain")
    before = networks.snapshot(model)

    def work() -> None:
        redrawer = npr.Redrawer(model, npr.rank(model, p_prune=0.7), p_bern=0.5)
        redrawer.redraw()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert networks.snapshot(model) == before


def test_an_interruption_meanwhile_is_made_up_for(monkeypatch):
    model = networks.build("plain")
    before = networks.snapshot(model)
    redrawer = npr.Redrawer(model, npr.rank(model, p_prune=0.7), p_bern=0.5)
    redrawer.redraw()
    kind = type(redrawer._written._pieces[0][1])
    restore = kind.restore

    def interrupted(self) -> None:
        monkeypatch.setattr(kind, "restore", restore)
        raise KeyboardInterrupt

    monkeypatch.setattr(kind, "restore", interrupted)
    with pytest.raises(KeyboardInterrupt):
        redrawer._written.drop()
    assert networks.snapshot(model) == before
    npr.rank(model, p_prune=0.5)


def test_one_that_failed_to_be_made_leaves_nothing():
    model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.7)
    before = networks.snapshot(model)
    with pytest.raises(npr.NetworkPruneError, match="p_bern=2 is outside"):
        npr.Redrawer(model, prunable, p_bern=2)
    gc.collect()
    assert networks.snapshot(model) == before
    npr.prune(model, prunable).restore()


def test_a_restored_one_leaves_what_was_trained_since():
    model, redrawer = drawn()
    redrawer.restore()
    with torch.no_grad():
        model[0].weight.mul_(2)
    trained = networks.bits(model[0].weight)
    del redrawer
    assert networks.bits(model[0].weight) == trained


# --- weights that others changed ----------------------------------------------------------


@torch.no_grad()
def doubled(model: nn.Module) -> None:
    model[0].weight.mul_(2)


def moved(model: nn.Module) -> None:
    model[0].double()


def given_data(model: nn.Module) -> None:
    model[0].weight.data = model[0].weight.data.clone()


def shared(model: nn.Module) -> None:
    model[0].share_memory()


@pytest.mark.parametrize("change", [doubled, moved, given_data, shared])
def test_zeros_that_cannot_go_are_refused_by_name_until_weights_are_loaded(change):
    model, redrawer = drawn()
    prunable, original = redrawer.prunable, networks.build("plain")
    change(model)
    del redrawer
    for call in (
        lambda: npr.rank(model, p_prune=0.5),
        lambda: npr.prune(model, prunable),
        lambda: npr.Redrawer(model, prunable, p_bern=0.5),
        lambda: npr.Diversified(model, prunable, p_bern=0.5),
    ):
        with pytest.raises(npr.NetworkPruneError, match=LOST):
            call()
    assert networks.same_bits(model[3].weight, original[3].weight)
    model.load_state_dict(original.state_dict())
    npr.prune(model, prunable).restore()


def test_weights_that_were_loaded_under_a_draw_stay():
    model, redrawer = drawn()
    loaded = {key: value + 1 for key, value in networks.build("plain").state_dict().items()}
    model.load_state_dict(loaded)
    del redrawer
    npr.rank(model, p_prune=0.5)
    assert all(networks.same_bits(loaded[key], v) for key, v in model.state_dict().items())


def test_a_weight_that_was_exchanged_is_no_hindrance():
    model, redrawer = drawn()
    model[0].weight = nn.Parameter(torch.zeros(8, 4, 3, 3))
    del redrawer
    npr.rank(model, p_prune=0.5)
    assert not model[0].weight.any()


# --- copies -------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_made_under_a_draw_has_its_zeros_for_good(copied):
    model, redrawer = drawn()
    before = networks.bits(networks.build("plain")[0].weight)
    twin = copied(model)
    zeros = ~redrawer.draw.mask("0")
    del redrawer
    assert networks.bits(model[0].weight) == before
    assert not twin[0].weight[zeros].any()
    npr.prune(twin, npr.rank(twin, p_prune=0.5)).restore()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_process_leaves_shared_memory_alone():
    model = networks.build("plain").share_memory()
    redrawer = npr.Redrawer(model, npr.rank(model, p_prune=0.7), p_bern=0.5)
    redrawer.redraw()
    written = networks.bits(model[0].weight)
    child = os.fork()
    if not child:
        redrawer._written.drop()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert networks.bits(model[0].weight) == written
