"""A Redrawer writes the draws that prune masks, and gives the network back bit for bit."""

import copy
import gc
import threading

import pytest
import torch
from torch import nn

import network_prune as npr
import networks

GRANULARITIES = ["weight", "connection", "neuron"]


def originals(model: nn.Module, prunable: npr.PrunableSet) -> dict[str, torch.Tensor]:
    return {
        layer.name: networks.weight_of(model, layer.name).detach().clone()
        for layer in prunable.layers
    }


def assert_drawn(model: nn.Module, draw: npr.Draw, before: dict[str, torch.Tensor]) -> None:
    for name, original in before.items():
        expected = torch.where(draw.mask(name), original, 0.0)
        assert networks.same_bits(networks.weight_of(model, name), expected)


@pytest.mark.parametrize("p_bern", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("name", networks.AWKWARD)
def test_writes_the_draw_and_restores_every_bit(name, granularity, p_bern):
    model = networks.build(name)
    prunable = npr.rank(model, granularity, p_prune=0.6)
    before, values = networks.snapshot(model), originals(model, prunable)
    with npr.Redrawer(model, prunable, p_bern=p_bern, seed=3) as redrawer:
        assert networks.snapshot(model) == before
        for index in (None, 5, 2**64 - 1):
            redrawer.redraw(index)
            draw = prunable.draw(p_bern=p_bern, seed=3, index=index or 0)
            assert redrawer.draw == draw
            assert_drawn(model, draw, values)
        assert list(model.state_dict()) == [key for key, *_ in before["state_dict"]]
    assert networks.snapshot(model) == before
    redrawer.restore()
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("name", ["plain", "frozen", "channels_last", "tied", "attention"])
def test_computes_what_masks_by_hooks_do(name):
    model, other = networks.build(name).eval(), networks.build(name).eval()
    layers = (nn.Conv2d, nn.Linear)
    prunable = npr.rank(model, p_prune=0.6, layers=layers)
    x = networks.inputs()
    with npr.Redrawer(model, prunable, p_bern=0.5, seed=2) as redrawer, torch.no_grad():
        for index in range(3):
            redrawer.redraw()
            assert redrawer.index == index
            with npr.prune(other, prunable, p_bern=0.5, seed=2, index=index):
                assert networks.same_bits(model(x), other(x))


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_large_layers_of_several_blocks(granularity):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(128, 260, 3), nn.Conv2d(260, 300, 1), nn.Conv2d(3, 5000, 1))
    prunable = npr.rank(model, granularity, p_prune=0.4)
    values, before = originals(model, prunable), networks.snapshot(model)
    with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        for _ in range(3):
            redrawer.redraw()
            assert_drawn(model, prunable.draw(p_bern=0.5, seed=0, index=redrawer.index), values)
    assert networks.snapshot(model) == before


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_a_thousand_draws_leave_nothing_behind(granularity):
    model = networks.build("plain")
    before = networks.snapshot(model)
    with npr.Redrawer(model, npr.rank(model, granularity, p_prune=0.6), p_bern=0.3) as redrawer:
        for _ in range(1000):
            redrawer.redraw()
    assert networks.snapshot(model) == before


def test_negative_zeros_are_kept_where_not_pruned_and_positive_where_pruned():
    model = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([-0.0, -0.0, 1.0, 2.0]).reshape(4, 1, 1, 1))
    with npr.Redrawer(model, npr.rank(model, p_prune=0.25), p_bern=1.0) as redrawer:
        redrawer.redraw()
        assert model[0].weight.flatten().signbit().tolist() == [False, True, False, False]
    assert model[0].weight.flatten().signbit().tolist() == [True, True, False, False]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("name", ["plain", "channels_last"])
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_an_interrupted_write_leaves_the_network_restored(name, granularity, error, monkeypatch):
    model = networks.build(name)
    prunable = npr.rank(model, granularity, p_prune=0.6)
    before, values = networks.snapshot(model), originals(model, prunable)
    redrawer = npr.Redrawer(model, prunable, p_bern=0.5)
    redrawer.redraw()
    _, last = redrawer._written._pieces[-1]
    with monkeypatch.context() as patch:
        patch.setattr(type(last), "write", stop_at(last, error))
        with pytest.raises(error):
            redrawer.redraw()
    assert redrawer.index is None
    assert networks.snapshot(model) == before
    redrawer.redraw()
    assert_drawn(model, prunable.draw(p_bern=0.5, seed=0, index=1), values)
    redrawer.restore()
    assert networks.snapshot(model) == before


def stop_at(last, error):
    write = type(last).write

    def stopping(self, drawn):
        if self is last:
            raise error
        write(self, drawn)

    return stopping


def change(model: nn.Module) -> None:
    with torch.no_grad():
        model[3].weight.mul_(2)


def exchange(model: nn.Module) -> None:
    model[3].weight = nn.Parameter(torch.ones(6, 8, 3, 3))


def load(model: nn.Module) -> None:
    model[3].load_state_dict({"weight": torch.ones(6, 8, 3, 3)})


@pytest.mark.parametrize("by", [change, exchange, load, lambda model: model[3].double()])
def test_weights_that_others_changed_are_left_alone_and_named(by):
    model = networks.build("plain")
    first = networks.bits(model[0].weight)
    redrawer = npr.Redrawer(model, npr.rank(model, p_prune=0.5), p_bern=0.5)
    redrawer.redraw()
    by(model)
    changed = networks.bits(model[3].weight)
    with pytest.raises(npr.NetworkPruneError, match="layer '3' was changed, moved or exchanged"):
        redrawer.redraw()
    with pytest.raises(npr.NetworkPruneError, match="layer '3' was changed, moved or exchanged"):
        redrawer.restore()
    assert networks.bits(model[0].weight) == first
    assert networks.bits(model[3].weight) == changed
    npr.rank(model, p_prune=0.5)


def test_weights_trained_after_restoring_are_not_overwritten_by_the_next_draw():
    model = networks.build("plain")
    redrawer = npr.Redrawer(model, npr.rank(model, p_prune=0.5), p_bern=0.5)
    redrawer.redraw()
    redrawer.restore()
    change(model)
    with pytest.raises(npr.NetworkPruneError, match="make a new Redrawer"):
        redrawer.redraw()


@pytest.mark.parametrize("name", ["plain", "frozen", "channels_last"])
def test_a_graph_of_the_last_draw_is_refused_by_autograd(name):
    model = networks.build(name)
    x = networks.inputs(requires_grad=True)
    with npr.Redrawer(model, npr.rank(model, p_prune=0.5), p_bern=0.5) as redrawer:
        redrawer.redraw()
        loss = model(x).sum()
        redrawer.redraw()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
        model(x).sum().backward()


def test_a_network_pruned_in_place_is_not_pruned_or_ranked_again():
    model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.5)
    match = r"layer '0' is pruned in place by a Redrawer; call its restore\(\) first"
    with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        second = npr.Redrawer(model, prunable, p_bern=0.5)
        redrawer.redraw()
        for again in (
            lambda: npr.rank(model, p_prune=0.5),
            lambda: npr.prune(model, prunable),
            lambda: npr.Redrawer(model, prunable, p_bern=0.5),
            second.redraw,
        ):
            with pytest.raises(npr.NetworkPruneError, match=match):
                again()
    npr.prune(model, prunable).restore()


def test_a_network_under_masks_is_refused():
    model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.5)
    with (
        npr.prune(model, prunable),
        pytest.raises(npr.NetworkPruneError, match="layer '0' is pruned already"),
    ):
        npr.Redrawer(model, prunable, p_bern=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_bern": 1.5}, r"p_bern=1\.5 is outside \[0, 1\]"),
        ({"p_bern": 0.5, "seed": -1}, "seed=-1 is outside"),
    ],
)
def test_settings_are_checked(options, message):
    model = networks.build("plain")
    with pytest.raises(npr.NetworkPruneError, match=message):
        npr.Redrawer(model, npr.rank(model, p_prune=0.5), **options)


def test_an_index_out_of_range_is_refused_and_changes_nothing():
    model = networks.build("plain")
    before = networks.snapshot(model)
    redrawer = npr.Redrawer(model, npr.rank(model, p_prune=0.5), p_bern=0.5)
    with pytest.raises(npr.NetworkPruneError, match="index=-1 is outside"):
        redrawer.redraw(-1)
    assert networks.snapshot(model) == before


def test_copies_and_networks_of_a_dropped_redrawer_are_plain():
    model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.5)
    redrawer = npr.Redrawer(model, prunable, p_bern=1.0)
    redrawer.redraw()
    twin = copy.deepcopy(model)
    npr.prune(twin, prunable).restore()
    del redrawer
    gc.collect()
    npr.prune(model, prunable).restore()


@pytest.mark.parametrize("name", ["plain", "channels_last"])
def test_weights_made_in_inference_mode(name):
    with torch.inference_mode():
        model = networks.build(name)
    prunable = npr.rank(model, p_prune=0.5)
    values = originals(model, prunable)
    with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
        redrawer.redraw()
        assert_drawn(model, prunable.draw(p_bern=0.5, seed=0), values)
    assert all(
        networks.same_bits(networks.weight_of(model, name), value) for name, value in values.items()
    )


def test_threads_take_turns():
    model = networks.build("plain")
    prunable = npr.rank(model, p_prune=0.5)
    before, values = networks.snapshot(model), originals(model, prunable)
    redrawer = npr.Redrawer(model, prunable, p_bern=0.5)

    def work(first: int) -> None:
        for index in range(first, 200, 2):
            redrawer.redraw(index)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_drawn(model, redrawer.draw, values)
    redrawer.restore()
    assert networks.snapshot(model) == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_draws_on_the_device(granularity):
    model = networks.build("plain").cuda()
    prunable = npr.rank(model, granularity, p_prune=0.5)
    assert prunable == npr.rank(networks.build("plain"), granularity, p_prune=0.5)
    before = networks.snapshot(model)
    with npr.Redrawer(model, prunable, p_bern=0.3) as redrawer:
        redrawer.redraw()
        for layer in prunable.layers:
            zero = networks.weight_of(model, layer.name) == 0
            assert torch.equal(zero.cpu(), ~redrawer.draw.mask(layer.name))
    assert networks.snapshot(model) == before
